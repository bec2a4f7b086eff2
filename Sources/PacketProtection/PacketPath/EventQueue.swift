/// Events that wait for the worker to carry them away: bounded, because control may be slow.
struct EventQueue: ~Copyable {
    private static let capacity = 1024

    private var events: [PacketPathEvent] = []

    init() { events.reserveCapacity(64) }

    var isEmpty: Bool { events.isEmpty }
    var hasRoom: Bool { events.count < EventQueue.capacity }

    /// Whether there was room for it: what is told once has been told only then.
    @inline(never) @discardableResult
    mutating func post(_ event: PacketPathEvent) -> Bool {
        guard hasRoom else { return false }
        events.append(event)
        return true
    }

    /// Gives events away, the oldest first, until one is not taken: that and what is behind it stay.
    mutating func give(to take: (PacketPathEvent) -> Bool) {
        var given = 0
        while given < events.count, take(events[given]) { given += 1 }
        events.removeFirst(given)
    }

    mutating func take() -> [PacketPathEvent] {
        if events.isEmpty { return [] }
        defer { events.removeAll(keepingCapacity: true) }
        return events
    }
}

/// At most so many a second.
struct RateLimit {
    private let perSecond: Int
    private var second: UInt64 = .max
    private var used = 0

    init(perSecond: Int) { self.perSecond = perSecond }

    mutating func allows(atNanoseconds now: UInt64) -> Bool {
        if now / 1_000_000_000 != second {
            second = now / 1_000_000_000
            used = 0
        }
        guard used < perSecond else { return false }
        used += 1
        return true
    }
}
