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
    /// The policy: `protect`, with the place in the policy database, counted from 1.
    package var policyOrder: Int?
    /// `on-traffic`, `at-boot` or `by-hand`.
    package var start: String
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
        localSelectors: [String],
        remoteSelectors: [String],
        securityAssociations: [ChildSAStatus] = []
    ) {
        self.name = name
        self.state = state
        self.policyOrder = policyOrder
        self.start = start
        self.localSelectors = localSelectors
        self.remoteSelectors = remoteSelectors
        self.securityAssociations = securityAssociations
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
        self.ageSeconds = ageSeconds
        self.rekeyInSeconds = rekeyInSeconds
    }
}

/// Inner packets and their bytes.
package struct TrafficCount: Codable, Equatable, Sendable {
    package var packets: UInt64
    package var bytes: UInt64

    package init(packets: UInt64 = 0, bytes: UInt64 = 0) {
        self.packets = packets
        self.bytes = bytes
    }
}
