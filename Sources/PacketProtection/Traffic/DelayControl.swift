/// Controlled delay (CoDel, RFC 8289): keeps a queue from standing, by a drop now and then that tells
/// senders to slow down, more often the longer they do not listen.
struct DelayControl {
    /// What a queue may have for good, and how long it may have more, in nanoseconds.
    static let target: UInt64 = 5_000_000
    static let interval: UInt64 = 100_000_000

    /// When the delay will have been above the target for an interval; 0: it is below.
    private var firstAbove: UInt64 = 0
    private var nextDrop: UInt64 = 0
    private var count: UInt32 = 0
    private var lastCount: UInt32 = 0
    private var isDropping = false

    /// Whether the packet at the head, which has waited for `delay`, should go. Ask again of the next one
    /// after each drop.
    ///
    /// - Parameters:
    ///   - target: what may be waited for, in nanoseconds.
    ///   - isLast: whether little is behind it: a queue that is nearly empty does not stand.
    mutating func drops(delay: UInt64, target: UInt64, isLast: Bool, at now: UInt64) -> Bool {
        guard isAbove(delay: delay, target: target, isLast: isLast, at: now) else {
            isDropping = false
            return false
        }
        if isDropping {
            guard now >= nextDrop else { return false }
            count &+= 1
            nextDrop = DelayControl.next(after: nextDrop, count)
            return true
        }
        isDropping = true
        // What was learnt shortly before counts.
        let sinceLast = count &- lastCount
        let isRecent = now < nextDrop &+ 16 * DelayControl.interval
        count = sinceLast > 1 && isRecent ? sinceLast : 1
        lastCount = count
        nextDrop = DelayControl.next(after: now, count)
        return true
    }

    /// Nothing waits any more.
    mutating func queueIsEmpty() {
        firstAbove = 0
        isDropping = false
    }

    private mutating func isAbove(
        delay: UInt64,
        target: UInt64,
        isLast: Bool,
        at now: UInt64
    ) -> Bool {
        guard delay >= target, !isLast else {
            firstAbove = 0
            return false
        }
        if firstAbove == 0 {
            firstAbove = now &+ DelayControl.interval
            return false
        }
        return now >= firstAbove
    }

    /// The interval divided by the root of the count.
    private static func next(after time: UInt64, _ count: UInt32) -> UInt64 {
        time &+ UInt64(Double(interval) / Double(max(count, 1)).squareRoot())
    }
}
