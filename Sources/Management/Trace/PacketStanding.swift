/// A packet that a client asks about.
package struct PacketQuery: Codable, Equatable, Sendable {
    package var source: String
    package var destination: String
    package var `protocol`: UInt8
    /// Ports, or of ICMP type and code as one number on either side; absent where they cannot be seen.
    package var sourcePort: UInt16?
    package var destinationPort: UInt16?
    /// Absent: 0.
    package var dscp: UInt8?

    package init(
        source: String,
        destination: String,
        protocol: UInt8,
        sourcePort: UInt16?,
        destinationPort: UInt16?,
        dscp: UInt8? = nil
    ) {
        self.source = source
        self.destination = destination
        self.protocol = `protocol`
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.dscp = dscp
    }
}

/// What the running gateway would do with a packet now. Members without a value are left out.
package struct PacketStanding: Codable, Equatable, Sendable {
    package struct Association: Codable, Equatable, Sendable {
        /// `0x` and eight hexadecimal digits.
        package var spi: String
        package var tunnel: String?
        package var path: TraceEntry.Path
        /// That it has carried so far.
        package var packets: UInt64
        /// The last number sent, or the highest received.
        package var sequence: UInt64
        /// The largest packet in bytes that it carries, outbound.
        package var limit: Int?
        /// Drops of the SA, as they were last read.
        package var drops: [DropCount]
        /// Which packets leave by it, where several SAs carry the same traffic: `va ef`; absent for
        /// the one that carries what has none of its own.
        package var dscp: String?

        package init(
            spi: String,
            tunnel: String?,
            path: TraceEntry.Path,
            packets: UInt64,
            sequence: UInt64,
            limit: Int?,
            drops: [DropCount]
        ) {
            self.spi = spi
            self.tunnel = tunnel
            self.path = path
            self.packets = packets
            self.sequence = sequence
            self.limit = limit
            self.drops = drops
        }
    }

    /// The configuration in force.
    package var file: String
    /// Leaving: `protect`, `acquire` (protect, and no SA covers it yet), `discard`, `bypass`,
    /// `noPolicy`.
    package var decision: String
    package var policy: TraceEntry.Policy?
    /// Whether such a packet passed lately, so that the decision is remembered.
    package var isRemembered: Bool
    /// Packets that wait for an SA of the policy.
    package var heldPackets: Int
    /// By which it would leave.
    package var outbound: Association?
    /// What the policy's tunnel does.
    package var tunnelState: TunnelStatus.State?
    /// Why there is no SA, as far as it is known.
    package var lastFailure: FailureStatus?
    /// Arriving: those that would let it in, eight at most.
    package var inbound: [Association]

    package init(
        file: String,
        decision: String,
        policy: TraceEntry.Policy?,
        isRemembered: Bool,
        heldPackets: Int,
        outbound: Association?,
        tunnelState: TunnelStatus.State?,
        lastFailure: FailureStatus?,
        inbound: [Association]
    ) {
        self.file = file
        self.decision = decision
        self.policy = policy
        self.isRemembered = isRemembered
        self.heldPackets = heldPackets
        self.outbound = outbound
        self.tunnelState = tunnelState
        self.lastFailure = lastFailure
        self.inbound = inbound
    }
}
