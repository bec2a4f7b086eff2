/// A limit on what leaves, and the classes under it.
package struct TrafficStatus: Codable, Equatable, Sendable {
    /// `branch` for the tunnels of a connection together, or `branch/net`.
    package var name: String
    /// In bits a second of outer IP packets; absent where only the gateway has a limit.
    package var rate: UInt64?
    package var classes: [TrafficClassStatus]

    package init(name: String, rate: UInt64?, classes: [TrafficClassStatus]) {
        self.name = name
        self.rate = rate
        self.classes = classes
    }
}

/// Packets that are treated alike, since the gateway started or the class was made.
package struct TrafficClassStatus: Codable, Equatable, Sendable {
    package var name: String
    /// Lower numbers go first.
    package var priority: Int
    /// The share among classes of the same priority.
    package var weight: Int
    /// The most that it gets, in bits a second; absent: whatever is left.
    package var rate: UInt64?
    /// Packets as they left, and the bytes of the outer packets that carry them.
    package var sent: TrafficCount
    /// What waits now, counted in the same way.
    package var waiting: TrafficCount
    /// Packets that did not leave, by reason; absent where there were none.
    package var drops: [DropCount]?
    /// How long packets wait for their turn: the mean of the last ones, and the longest so far.
    package var delaySeconds: Double
    package var longestDelaySeconds: Double

    package init(
        name: String,
        priority: Int,
        weight: Int,
        rate: UInt64?,
        sent: TrafficCount,
        waiting: TrafficCount,
        drops: [DropCount]?,
        delaySeconds: Double,
        longestDelaySeconds: Double
    ) {
        self.name = name
        self.priority = priority
        self.weight = weight
        self.rate = rate
        self.sent = sent
        self.waiting = waiting
        self.drops = drops
        self.delaySeconds = delaySeconds
        self.longestDelaySeconds = longestDelaySeconds
    }
}
