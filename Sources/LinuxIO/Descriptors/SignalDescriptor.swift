internal import CLinux
internal import Glibc

/// Signals as events. Make it before any thread is started: threads inherit the blocked signals.
package final class SignalDescriptor {
    private let file: FileDescriptor

    package var number: Int32 { file.number }

    /// Blocks `signals` in the calling thread and those it starts from here on.
    package init(
        _ signals: [Int32] = [SIGINT, SIGTERM, SIGHUP]
    ) throws(SystemCallFailure) {
        let number = unsafe signals.withUnsafeBufferPointer { buffer in
            unsafe cygnet_signalfd(buffer.baseAddress, Int32(buffer.count))
        }
        guard number >= 0 else { throw .last("signalfd") }
        file = FileDescriptor(owning: number)
    }

    /// The next signal that has arrived, or nil.
    package func next() -> Int32? {
        let signal = cygnet_signalfd_read(file.number)
        return signal > 0 ? signal : nil
    }

    package static let interrupt = SIGINT
    package static let terminate = SIGTERM
    package static let hangUp = SIGHUP
}
