internal import LinuxIO
internal import Synchronization

/// A bounded queue from one thread to one other, with a descriptor that wakes the receiver.
///
/// `@unchecked Sendable` because the slots are plain memory. What makes it right: exactly one
/// thread calls `send` and exactly one `receive`; a slot is written before `tail` is released and
/// read after `tail` was acquired, and reused only after `head` was released in turn.
@safe final class Mailbox<Message: Sendable>: @unchecked Sendable {
    private let slots: UnsafeMutablePointer<Message?>
    private let mask: Int
    /// Messages taken so far; written by the receiver.
    private let head = Atomic<Int>(0)
    /// Messages sent so far; written by the sender.
    private let tail = Atomic<Int>(0)
    private let wakeUp: EventDescriptor

    /// Readable while there may be messages.
    var descriptor: Int32 { wakeUp.number }

    /// - Parameter capacity: messages, a power of two.
    convenience init(capacity: Int) throws(SystemCallFailure) {
        self.init(capacity: capacity, wakeUp: try EventDescriptor())
    }

    /// - Parameter wakeUp: may be that of other mailboxes with the same receiver.
    init(capacity: Int, wakeUp: EventDescriptor) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0)
        self.wakeUp = wakeUp
        unsafe slots = .allocate(capacity: capacity)
        unsafe slots.initialize(repeating: nil, count: capacity)
        mask = capacity - 1
    }

    deinit {
        unsafe slots.deinitialize(count: mask + 1)
        unsafe slots.deallocate()
    }

    /// Appends a message; false when there is no room. `wake` makes the receiver look.
    ///
    /// - Parameter reserve: messages for which there must be room behind this one.
    func send(_ message: Message, reserve: Int = 0) -> Bool {
        let position = tail.load(ordering: .relaxed)
        guard position - head.load(ordering: .acquiring) + reserve <= mask else { return false }
        unsafe slots[position & mask] = message
        tail.store(position + 1, ordering: .releasing)
        return true
    }

    func wake() {
        wakeUp.signal()
    }

    /// The oldest message, or nil.
    func receive() -> Message? {
        let position = head.load(ordering: .relaxed)
        guard position != tail.load(ordering: .acquiring) else { return nil }
        let message = unsafe slots[position & mask].take()
        head.store(position + 1, ordering: .releasing)
        return message
    }

    /// Whether `receive` has something to give; without a system call.
    var hasMessages: Bool {
        head.load(ordering: .relaxed) != tail.load(ordering: .acquiring)
    }

    /// Takes note of the wake-up; call before the last `receive`, so that none is missed.
    func acknowledge() {
        wakeUp.drain()
    }
}
