package import IPsecPrimitives

/// How much may leave, and what leaves first: a limit of the gateway over limits of tunnels over
/// classes (RFC 2475 §2.3.3 calls it shaping).
///
/// Rates are in bits a second, and count the octets of outer IP packets: what the link carries.
package struct TrafficPlan: Hashable, Sendable {
    /// Of all shapers together; nil: no limit.
    package var rate: UInt64?
    package var shapers: [TrafficShaper] = []

    package init(rate: UInt64? = nil, shapers: [TrafficShaper] = []) {
        self.rate = rate
        self.shapers = shapers
    }

    /// Whether nothing waits for anything.
    package var isEmpty: Bool { shapers.isEmpty }

    static let limit = 1 << 20
}

/// One limit and the classes under it, for the packets of one policy or of several together.
package struct TrafficShaper: Hashable, Sendable {
    /// By it what waits is found again when the plan changes.
    package var identifier: UInt32
    package var policies: [PolicyIdentifier]
    /// Nil: that of the gateway alone.
    package var rate: UInt64?
    /// The share of the gateway's rate beside other shapers, 1 to 1000.
    package var weight = 1
    /// One at least, `TrafficClass.limit` at most; the first whose rules cover a packet has it, and the
    /// last one what none covers.
    package var classes: [TrafficClass]

    package init(
        identifier: UInt32,
        policies: [PolicyIdentifier],
        rate: UInt64?,
        classes: [TrafficClass]
    ) {
        self.identifier = identifier
        self.policies = policies
        self.rate = rate
        self.classes = classes
    }
}

/// Packets that are treated alike.
package struct TrafficClass: Hashable, Sendable {
    package static let limit = 16
    /// Lower numbers go first.
    package static let priorities = 1...8

    /// One of `priorities`: nothing of a class leaves while one with a lower number has packets that
    /// may.
    package var priority: Int
    /// The share among classes of the same priority, 1 to 1000.
    package var weight: Int
    /// The most that it gets; nil: whatever is left.
    package var ceiling: UInt64?
    /// What has waited longer than this is worth nothing any more.
    package var patience: Duration
    /// Any of them.
    package var rules: [TrafficRule]

    package init(
        priority: Int = 4,
        weight: Int = 1,
        ceiling: UInt64? = nil,
        patience: Duration = .milliseconds(200),
        rules: [TrafficRule] = []
    ) {
        self.priority = priority
        self.weight = weight
        self.ceiling = ceiling
        self.patience = patience
        self.rules = rules
    }
}

/// What tells the packets of a class: all that is named must hold, and of each list one.
package struct TrafficRule: Hashable, Sendable {
    /// A bit for each of the 64 code points (RFC 2474 §3); nil: any.
    package var codePoints: UInt64?
    /// A bit for each of the configured marks, from bit 1 on, and bit 0 for packets that have none of
    /// them; nil: any.
    package var marks: UInt64?
    /// IP protocol numbers; empty: any.
    package var protocols: [UInt8] = []
    /// Of either end; empty: any, and packets without ports too.
    package var ports: [ClosedRange<UInt16>] = []
    /// Addresses of this gateway's side, and of the other; empty: any.
    package var local: [TrafficSelector] = []
    package var remote: [TrafficSelector] = []

    package init(codePoints: UInt64? = nil) {
        self.codePoints = codePoints
    }
}

/// What a class has done so far, and what waits in it.
package struct TrafficClassCounts: Hashable, Sendable {
    /// Packets as they left, and the octets of what carries them: outer IP packets.
    package var sentPackets: UInt64 = 0
    package var sentOctets: UInt64 = 0
    /// Packets for which there was no room.
    package var droppedFull: UInt64 = 0
    /// Packets that went to let their sender know that it sends too much (RFC 8289).
    package var droppedDelay: UInt64 = 0
    /// Packets that had waited longer than the class allows.
    package var droppedExpired: UInt64 = 0
    package var waitingPackets = 0
    package var waitingOctets = 0
    /// How long packets wait: the mean of the last ones, and the longest so far, in nanoseconds.
    package var meanDelay: UInt64 = 0
    package var longestDelay: UInt64 = 0

    package init() {}

    package mutating func add(_ other: TrafficClassCounts) {
        sentPackets += other.sentPackets
        sentOctets += other.sentOctets
        droppedFull += other.droppedFull
        droppedDelay += other.droppedDelay
        droppedExpired += other.droppedExpired
        waitingPackets += other.waitingPackets
        waitingOctets += other.waitingOctets
        meanDelay = max(meanDelay, other.meanDelay)
        longestDelay = max(longestDelay, other.longestDelay)
    }
}

/// The classes of a shaper at one moment, in their order.
package struct TrafficShaperCounts: Hashable, Sendable {
    package var identifier: UInt32
    package var classes: [TrafficClassCounts]

    package init(identifier: UInt32, classes: [TrafficClassCounts]) {
        self.identifier = identifier
        self.classes = classes
    }
}
