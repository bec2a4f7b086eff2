/// One tunnel of a connection.
package struct TunnelStatus: Codable, Equatable, Sendable {
    package enum State: String, Codable, Sendable {
        /// No SA; only `cygnet up` begins one.
        case down
        /// No SA; the first packet begins one.
        case waitingForTraffic
        /// An SA is being negotiated; packets are held.
        case connecting
        case established
    }

    package var name: String
    package var state: State
    /// The policy: `protect`, with the place in the policy database, counted from 1; absent where
    /// routing chooses what the tunnel carries.
    package var policyOrder: Int?
    /// `on-traffic`, `at-boot` or `by-hand`.
    package var start: String
    /// Of a route-based tunnel; absent otherwise.
    package var interface: TunnelInterfaceStatus?
    /// What the configuration says.
    package var localSelectors: [String]
    package var remoteSelectors: [String]
    /// The newest first; more than one while a rekey is under way.
    package var securityAssociations: [ChildSAStatus]

    package init(
        name: String,
        state: State,
        policyOrder: Int?,
        start: String,
        interface: TunnelInterfaceStatus? = nil,
        localSelectors: [String],
        remoteSelectors: [String],
        securityAssociations: [ChildSAStatus] = []
    ) {
        self.name = name
        self.state = state
        self.policyOrder = policyOrder
        self.start = start
        self.interface = interface
        self.localSelectors = localSelectors
        self.remoteSelectors = remoteSelectors
        self.securityAssociations = securityAssociations
    }
}

/// The network interface of a route-based tunnel.
package struct TunnelInterfaceStatus: Codable, Equatable, Sendable {
    package var name: String
    package var mtu: Int
    /// As configured.
    package var addresses: [String]
    package var routes: [String]
    /// What came out of the tunnel, as the kernel counts: what it takes uncut counts once.
    package var received: TrafficCount
    /// What was routed into it.
    package var sent: TrafficCount
    /// What the kernel dropped at the interface.
    package var dropped: UInt64
    /// What keeps it from working, and what would mend it.
    package var problem: String?

    package init(
        name: String,
        mtu: Int,
        addresses: [String],
        routes: [String],
        received: TrafficCount,
        sent: TrafficCount,
        dropped: UInt64,
        problem: String?
    ) {
        self.name = name
        self.mtu = mtu
        self.addresses = addresses
        self.routes = routes
        self.received = received
        self.sent = sent
        self.dropped = dropped
        self.problem = problem
    }
}

/// A pair of ESP SAs (RFC 7296 §1.3).
package struct ChildSAStatus: Codable, Equatable, Sendable {
    /// `0x` and eight hexadecimal digits.
    package var inboundSPI: String
    package var outboundSPI: String
    /// In the words of the configuration: `aes256gcm16-esn`.
    package var algorithms: String
    /// Whether ESP travels in UDP.
    package var udpEncapsulation: Bool
    /// What is not ordinary, in words: `AH`, `transport mode`, `resource 1`; absent where there is
    /// nothing.
    package var traits: [String]?
    /// Whether new packets leave by this one.
    package var isOutbound: Bool
    /// What was agreed; may be less than the configuration says.
    package var localSelectors: [String]
    package var remoteSelectors: [String]
    package var inbound: TrafficCount
    package var outbound: TrafficCount
    /// The largest packet in bytes that fits the SA uncut, and the largest outer packet that the path
    /// to the peer carries, as far as is known; absent where the packet path has no SA.
    package var largestPacket: Int?
    package var pathMTU: Int?
    /// Absent where nothing is done against the analysis of traffic.
    package var trafficFlow: TrafficFlowStatus?
    /// What compression did (RFC 3173); absent where none was agreed on.
    package var compression: CompressionStatus?
    /// Packets of these SAs that went no further, by reason; absent where there were none.
    package var drops: [DropCount]?
    package var ageSeconds: Double
    /// Until the SA is replaced; absent when that is not planned.
    package var rekeyInSeconds: Double?

    package init(
        inboundSPI: String,
        outboundSPI: String,
        algorithms: String,
        udpEncapsulation: Bool,
        traits: [String]? = nil,
        isOutbound: Bool,
        localSelectors: [String],
        remoteSelectors: [String],
        inbound: TrafficCount,
        outbound: TrafficCount,
        largestPacket: Int? = nil,
        pathMTU: Int? = nil,
        trafficFlow: TrafficFlowStatus? = nil,
        compression: CompressionStatus? = nil,
        drops: [DropCount]? = nil,
        ageSeconds: Double,
        rekeyInSeconds: Double?
    ) {
        self.inboundSPI = inboundSPI
        self.outboundSPI = outboundSPI
        self.algorithms = algorithms
        self.udpEncapsulation = udpEncapsulation
        self.traits = traits
        self.isOutbound = isOutbound
        self.localSelectors = localSelectors
        self.remoteSelectors = remoteSelectors
        self.inbound = inbound
        self.outbound = outbound
        self.largestPacket = largestPacket
        self.pathMTU = pathMTU
        self.trafficFlow = trafficFlow
        self.compression = compression
        self.drops = drops
        self.ageSeconds = ageSeconds
        self.rekeyInSeconds = rekeyInSeconds
    }
}

/// What IPComp did on a pair of SAs. Packets that it would not have made smaller went as they were.
package struct CompressionStatus: Codable, Equatable, Sendable {
    /// Packets that went, and came, compressed.
    package var sent: UInt64
    package var received: UInt64
    /// Bytes that were not sent, and did not have to come, for that.
    package var savedSending: UInt64
    package var savedReceiving: UInt64

    package init(sent: UInt64, received: UInt64, savedSending: UInt64, savedReceiving: UInt64) {
        self.sent = sent
        self.received = received
        self.savedSending = savedSending
        self.savedReceiving = savedReceiving
    }
}
