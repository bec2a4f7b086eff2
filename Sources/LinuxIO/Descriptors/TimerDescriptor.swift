internal import CLinux
internal import Glibc
package import IPsecPrimitives

/// One alarm on `CLOCK_BOOTTIME`, as a descriptor that becomes readable when it is due.
package final class TimerDescriptor {
    private let file: FileDescriptor
    private var armed: Instant?

    package var number: Int32 { file.number }
    /// Whether an alarm is set, or due and not acknowledged.
    package var isArmed: Bool { armed != nil }

    package init() throws(SystemCallFailure) {
        let number = cygnet_timerfd_boottime()
        guard number >= 0 else { throw .last("timerfd_create(CLOCK_BOOTTIME)") }
        file = FileDescriptor(owning: number)
    }

    /// Sets the alarm, also to a time gone by (due at once), or nil: no alarm.
    package func arm(at instant: Instant?) {
        guard instant != armed else { return }
        armed = instant
        // Zero would disarm: the first nanosecond is as good as the origin.
        let value = instant.map { $0 == .distantFuture ? 0 : max($0.nanoseconds, 1) } ?? 0
        cygnet_timerfd_set(file.number, value)
    }

    /// Takes note of the alarm, so that the descriptor is no longer readable.
    package func acknowledge() {
        armed = nil
        var expirations: UInt64 = 0
        unsafe withUnsafeMutableBytes(of: &expirations) { buffer in
            _ = unsafe read(file.number, buffer.baseAddress, buffer.count)
        }
    }
}
