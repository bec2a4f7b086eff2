internal import IPsecPrimitives
internal import LinuxIO

/// Hears when somebody may have taken the guard away.
final class GuardWatch {
    let rules: NetlinkWatch
    let filters: NetlinkWatch
    /// Set while the next look has to wait.
    let pause: TimerDescriptor
    /// When the guard was looked at last.
    var lastLook = BootClock.now()
    /// What may have been taken away since.
    var doubts: Set<KeptGuard.Half> = []
    /// Why the last look was in vain; nil: it was not.
    var failure: SystemCallFailure?

    init() throws(SystemCallFailure) {
        rules = try NetlinkWatch(.rules)
        filters = try NetlinkWatch(.packetFilters)
        pause = try TimerDescriptor()
    }
}
