internal import IPsecPrimitives
internal import PacketProtection

/// Readings of the packet path's counters: both directions answer a query on their own.
///
/// An answer may be lost, where the packet path has more to tell than there is room for: it is waited
/// for so long and no longer.
struct CounterReadings {
    private static let patience = Duration.seconds(2)

    private(set) var outbound: PacketPathSnapshot?
    private(set) var inbound: PacketPathSnapshot?
    private(set) var nextReading: Instant?

    private var lastToken: UInt64 = 0
    /// Directions that have yet to answer the query `lastToken`.
    private var missing = 0
    private var givenUpAt = Instant.distantFuture
    private var waiting: [RequestToken] = []
    /// Requests that came while a query was under way: its answer may be older than they are.
    private var late: [RequestToken] = []

    mutating func wanted(by token: RequestToken) {
        if missing > 0 { late.append(token) } else { waiting.append(token) }
    }

    /// The token of a new query; nil while one is under way.
    mutating func begin(at now: Instant) -> UInt64? {
        guard missing == 0 || givenUpAt <= now else { return nil }
        lastToken += 1
        missing = 2
        givenUpAt = now + CounterReadings.patience
        return lastToken
    }

    mutating func arrived(_ token: UInt64, _ snapshot: PacketPathSnapshot) {
        if snapshot.isOutbound { outbound = snapshot } else { inbound = snapshot }
        if token == lastToken, missing > 0 { missing -= 1 }
    }

    /// When a query that somebody waits for is given up.
    var deadline: Instant? {
        missing > 0 && !(waiting.isEmpty && late.isEmpty) ? givenUpAt : nil
    }

    /// Takes what is known for an answer, where the rest has not come in time.
    ///
    /// - Returns: whether that is so.
    mutating func giveUp(at now: Instant) -> Bool {
        guard let deadline, deadline <= now else { return false }
        missing = 0
        return true
    }

    /// Requests that the last complete reading answers. Those that came late need another one:
    /// `hasLate` says so.
    mutating func takeSatisfied() -> [RequestToken] {
        guard missing == 0 else { return [] }
        defer {
            waiting = late
            late = []
        }
        return waiting
    }

    var needsAnother: Bool { missing == 0 && !waiting.isEmpty }

    mutating func schedule(from now: Instant, every interval: Duration) {
        nextReading = now + interval
    }

    func isReadingDue(at now: Instant) -> Bool { nextReading.map { $0 <= now } ?? false }
}
