internal import LinuxIO
internal import Management

/// Looks at what the kernel has of the guard.
enum GuardInspection {
    static func state() -> GuardStatus {
        do throws(SystemCallFailure) {
            return try PacketGuard.show() == nil ? .lifted : .set
        } catch {
            return .incomplete
        }
    }
}
