/// Events that wait for the worker to carry them away: bounded, because control may be slow.
struct EventQueue: ~Copyable {
    private static let capacity = 1024

    private var events: [PacketPathEvent] = []

    init() { events.reserveCapacity(64) }

    @inline(never)
    mutating func post(_ event: PacketPathEvent) {
        guard events.count < EventQueue.capacity else { return }
        events.append(event)
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
