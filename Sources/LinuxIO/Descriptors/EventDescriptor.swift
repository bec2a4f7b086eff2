internal import CLinux
internal import Glibc

/// A wake-up from one thread to another, over an eventfd.
package final class EventDescriptor: Sendable {
    private let file: FileDescriptor

    /// Becomes readable once `signal` was called.
    package var number: Int32 { file.number }

    package init() throws(SystemCallFailure) {
        let number = cygnet_eventfd()
        guard number >= 0 else { throw .last("eventfd") }
        file = FileDescriptor(owning: number)
    }

    /// Wakes whoever waits; any number of calls before `drain` is one wake-up.
    package func signal() {
        cygnet_eventfd_signal(file.number)
    }

    package func drain() {
        cygnet_eventfd_drain(file.number)
    }

    /// Waits until `signal` was called, and forgets that it was. Signals of the process may end it early.
    package func wait() {
        var place = pollfd(fd: file.number, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&place, 1, -1)
        drain()
    }
}
