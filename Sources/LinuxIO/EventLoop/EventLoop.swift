internal import CLinux
internal import Glibc

/// The control thread's loop over epoll: descriptors and what to do when they are ready.
///
/// Single-threaded: add, remove and run belong to one thread. A handler may add and remove
/// descriptors, its own too.
package final class EventLoop {
    package struct Readiness: OptionSet, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        package static let readable = Readiness(rawValue: 0x1)
        package static let writable = Readiness(rawValue: 0x4)
        /// Reported without being asked for.
        package static let error = Readiness(rawValue: 0x8)
        /// Reported without being asked for.
        package static let hangUp = Readiness(rawValue: 0x10)
    }

    package typealias Handler = (Readiness) -> Void

    private struct Registration {
        let descriptor: Int32
        let handler: Handler
    }

    private let file: FileDescriptor
    private var registrations: [UInt64: Registration] = [:]
    private var tokens: [Int32: UInt64] = [:]
    private var nextToken: UInt64 = 1
    private var isStopped = false

    package init() throws(SystemCallFailure) {
        let number = cygnet_epoll_create()
        guard number >= 0 else { throw .last("epoll_create1") }
        file = FileDescriptor(owning: number)
    }

    /// Calls `handler` on the loop whenever `descriptor` is ready (level-triggered).
    ///
    /// The caller keeps the descriptor open until `remove`.
    package func add(
        _ descriptor: Int32,
        for readiness: Readiness = .readable,
        handler: @escaping Handler
    ) throws(SystemCallFailure) {
        let token = nextToken
        guard cygnet_epoll_control(file.number, 1, descriptor, readiness.rawValue, token) == 0
        else { throw .last("epoll_ctl") }
        nextToken += 1
        registrations[token] = Registration(descriptor: descriptor, handler: handler)
        tokens[descriptor] = token
    }

    /// Waits for something else from now on, such as room to write.
    package func change(_ descriptor: Int32, to readiness: Readiness) {
        guard let token = tokens[descriptor] else { return }
        cygnet_epoll_control(file.number, 3, descriptor, readiness.rawValue, token)
    }

    /// Forgets `descriptor`; call it before closing.
    package func remove(_ descriptor: Int32) {
        guard let token = tokens.removeValue(forKey: descriptor) else { return }
        registrations[token] = nil
        cygnet_epoll_control(file.number, 2, descriptor, 0, 0)
    }

    /// Runs until `stop`.
    package func run() throws(SystemCallFailure) {
        isStopped = false
        while !isStopped { try runOnce(timeoutMilliseconds: -1) }
    }

    /// Makes `run` return after the handlers at work.
    package func stop() {
        isStopped = true
    }

    /// Waits for one round of events, at most so long (-1: without end), and handles them.
    package func runOnce(timeoutMilliseconds: Int32) throws(SystemCallFailure) {
        // On the stack: the loop turns for nearly every message.
        var ready = InlineArray<64, UInt64>(repeating: 0)
        var events = InlineArray<64, UInt32>(repeating: 0)
        var readySpan = ready.mutableSpan
        var eventsSpan = events.mutableSpan
        let count = unsafe readySpan.withUnsafeMutableBufferPointer { ready in
            unsafe eventsSpan.withUnsafeMutableBufferPointer { events in
                unsafe cygnet_epoll_wait(
                    file.number,
                    ready.baseAddress,
                    events.baseAddress,
                    Int32(ready.count),
                    timeoutMilliseconds
                )
            }
        }
        guard count >= 0 else {
            if errno == EINTR { return }
            throw .last("epoll_wait")
        }
        for index in 0..<Int(count) {
            // Looked up by token: a handler before this one may have removed it.
            guard let registration = registrations[ready[index]] else { continue }
            registration.handler(Readiness(rawValue: events[index]))
        }
    }
}
