internal import IPsecPrimitives
internal import LinuxIO

/// Hears when somebody may have taken the guard away.
final class GuardWatch {
    let rules: NetlinkWatch
    let filters: NetlinkWatch
    /// Set while the next look has to wait.
    let pause: TimerDescriptor
    /// When it may be looked at again.
    var nextLook = BootClock.now()
    /// Grows while each look finds something gone: somebody takes it away each time.
    private var wait = GuardWatch.shortestWait
    private var damages = 0
    /// What may have been taken away since.
    var doubts: Set<KeptGuard.Half> = []
    /// What was told of routes that cannot be there.
    var conflicts: Set<SystemCallFailure> = []
    /// Whether it was told that the guard is lifted.
    var isLifted = false
    /// Why the last look was in vain; nil: it was not.
    var failure: SystemCallFailure?

    /// Programs that change packet filters all the time make us look no more often.
    static let shortestWait = Duration.milliseconds(100)
    private static let longestWait = Duration.seconds(10)

    init() throws(SystemCallFailure) {
        rules = try NetlinkWatch(.rules)
        filters = try NetlinkWatch(.packetFilters)
        pause = try TimerDescriptor()
    }

    /// Notes that a look at both halves or one has ended which took so long, and found damage or not.
    func noteLook(
        _ halves: Set<KeptGuard.Half>,
        _ duration: Duration,
        foundDamage: Bool,
        at now: Instant
    ) {
        if foundDamage {
            // What happens once, as when a firewall starts, may be followed by more at once.
            damages += 1
            wait = damages < 3 ? GuardWatch.shortestWait : min(wait * 2, GuardWatch.longestWait)
            nextLook = now + wait
        } else {
            if halves.count == 2 { damages = 0 }
            nextLook = now + max(GuardWatch.shortestWait, min(duration * 10, .seconds(1)))
        }
    }
}
