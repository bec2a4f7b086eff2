package import IPsecPrimitives

/// The counters of one direction at one moment.
package struct PacketPathSnapshot: Hashable, Sendable {
    package var isOutbound: Bool
    package var associations: [SASnapshot]
    /// Packets by `DropReason.rawValue`.
    package var drops: [UInt64]
    /// Packets that wait for an SA.
    package var heldPackets: Int
    /// What each shaper of the traffic plan has done, outbound.
    package var traffic: [TrafficShaperCounts] = []

    package init(
        isOutbound: Bool,
        associations: [SASnapshot],
        drops: [UInt64],
        heldPackets: Int
    ) {
        self.isOutbound = isOutbound
        self.associations = associations
        self.drops = drops
        self.heldPackets = heldPackets
    }

    /// Adds what another worker has of the same direction.
    package mutating func add(_ other: PacketPathSnapshot) {
        associations += other.associations
        for index in drops.indices { drops[index] += other.drops[index] }
        heldPackets += other.heldPackets
        // Each worker has all shapers in the order of the plan; one may have a newer plan already.
        guard traffic.count == other.traffic.count else { return }
        for (index, shaper) in other.traffic.enumerated()
        where traffic[index].identifier == shaper.identifier
            && traffic[index].classes.count == shaper.classes.count
        {
            for (place, counts) in shaper.classes.enumerated() {
                traffic[index].classes[place].add(counts)
            }
        }
    }

    package func dropCount(_ reason: DropReason) -> UInt64 { drops[Int(reason.rawValue)] }
}

/// The counters of one SA at one moment.
package struct SASnapshot: Hashable, Sendable {
    package var identifier: SAIdentifier
    package var policy: PolicyIdentifier
    package var spi: SPI
    package var path: OuterPath
    package var packets: UInt64
    /// Octets that the cipher worked on, see `SALifetime`.
    package var octets: UInt64
    /// The last number sent, or the highest received.
    package var sequence: UInt64
    /// When the last packet went or came, of those of an SA with MOBIKE by the path that it should
    /// (RFC 4555 §3.12); nil before the first.
    package var lastUse: Instant?
    package var replayDrops: UInt64 = 0
    package var authenticationFailures: UInt64 = 0
    package var selectorMismatches: UInt64 = 0
    /// Whether packets may be compressed, and what that did.
    package var compresses = false
    package var compressed = CompressionCount()
    /// The largest inner packet in octets, outbound.
    package var tunnelMTU = 0
    /// The largest outer packet in octets that its path carries, as far as is known; outbound.
    package var linkMTU = 0
    /// Nil where nothing is done against the analysis of traffic.
    package var flow: TrafficFlowCounts?

    /// What is counted for each SA, by reason.
    package var drops: [(reason: DropReason, packets: UInt64)] {
        [
            (.replayed, replayDrops), (.authenticationFailed, authenticationFailures),
            (.selectorMismatch, selectorMismatches),
        ]
    }

    package init(
        identifier: SAIdentifier,
        policy: PolicyIdentifier,
        spi: SPI,
        path: OuterPath,
        packets: UInt64,
        octets: UInt64,
        sequence: UInt64,
        lastUse: Instant?
    ) {
        self.identifier = identifier
        self.policy = policy
        self.spi = spi
        self.path = path
        self.packets = packets
        self.octets = octets
        self.sequence = sequence
        self.lastUse = lastUse
    }
}
