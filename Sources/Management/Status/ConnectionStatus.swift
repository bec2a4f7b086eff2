/// One connection of the configuration.
package struct ConnectionStatus: Codable, Equatable, Sendable {
    package enum State: String, Codable, Sendable {
        /// No IKE SA, and none under way.
        case down
        /// IKE_SA_INIT or IKE_AUTH is under way.
        case connecting
        case established
        /// The IKE SA is being deleted.
        case closing
        /// Its keys are manual: there is no IKE SA, and none is wanted.
        case manual
    }

    package var name: String
    package var state: State
    package var localAddress: String?
    package var remoteAddress: String?
    package var localIdentity: String
    package var remoteIdentity: String
    /// Absent while there is no IKE SA.
    package var ikeSA: IKESAStatus?
    package var tunnels: [TunnelStatus]
    /// The last thing that went wrong, kept until the gateway stops.
    package var lastFailure: FailureStatus?

    package init(
        name: String,
        state: State,
        localAddress: String?,
        remoteAddress: String?,
        localIdentity: String,
        remoteIdentity: String,
        ikeSA: IKESAStatus? = nil,
        tunnels: [TunnelStatus] = [],
        lastFailure: FailureStatus? = nil
    ) {
        self.name = name
        self.state = state
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        self.localIdentity = localIdentity
        self.remoteIdentity = remoteIdentity
        self.ikeSA = ikeSA
        self.tunnels = tunnels
        self.lastFailure = lastFailure
    }
}

/// An IKE SA (RFC 7296 §1.2).
package struct IKESAStatus: Codable, Equatable, Sendable {
    package enum Role: String, Codable, Sendable {
        case initiator, responder
    }

    package enum NATPosition: String, Codable, Sendable {
        case none, local, remote, both
    }

    package enum Transport: String, Codable, Sendable {
        case udp
        /// RFC 9329.
        case tcp
    }

    /// Sixteen hexadecimal digits each.
    package var initiatorSPI: String
    package var responderSPI: String
    package var role: Role
    /// `address:port`.
    package var localEndpoint: String
    package var remoteEndpoint: String
    /// The identity that the peer proved.
    package var remoteIdentity: String
    /// In the words of the configuration: `aes256gcm16-prfsha256-x25519`.
    package var algorithms: String
    package var ageSeconds: Double
    /// True where it came of a ticket of one that was lost (RFC 5723); absent otherwise.
    package var resumed: Bool?
    /// Until the SA is replaced; absent when that is not planned.
    package var rekeyInSeconds: Double?
    /// Which end NAT detection found to be behind a NAT.
    package var nat: NATPosition
    /// Whether the keys come from a postquantum preshared key as well (RFC 8784).
    package var ppk: Bool?
    /// Messages go in fragments where they need a larger IP datagram than this, in bytes
    /// (RFC 7383); absent where the two ends have not agreed on that.
    package var fragmentSize: Int?
    /// What both ends can do beyond RFC 7296, in words that never change.
    package var extensions: [String]?
    /// Requests that the peer takes at once (RFC 7296 §2.3).
    package var window: Int?
    /// What its messages travel by.
    package var transport: Transport

    package init(
        initiatorSPI: String,
        responderSPI: String,
        role: Role,
        localEndpoint: String,
        remoteEndpoint: String,
        remoteIdentity: String,
        algorithms: String,
        ageSeconds: Double,
        resumed: Bool? = nil,
        rekeyInSeconds: Double?,
        nat: NATPosition,
        ppk: Bool? = nil,
        fragmentSize: Int? = nil,
        extensions: [String]? = nil,
        window: Int? = nil,
        transport: Transport
    ) {
        self.initiatorSPI = initiatorSPI
        self.responderSPI = responderSPI
        self.role = role
        self.localEndpoint = localEndpoint
        self.remoteEndpoint = remoteEndpoint
        self.remoteIdentity = remoteIdentity
        self.algorithms = algorithms
        self.ageSeconds = ageSeconds
        self.resumed = resumed
        self.rekeyInSeconds = rekeyInSeconds
        self.nat = nat
        self.ppk = ppk
        self.fragmentSize = fragmentSize
        self.extensions = extensions
        self.window = window
        self.transport = transport
    }
}

/// Why something did not come about, and what to do.
package struct FailureStatus: Codable, Equatable, Sendable, Error {
    /// A word that never changes, such as `no-proposal-chosen` or `wrong-secret`.
    package var kind: String
    /// One sentence.
    package var summary: String
    /// What the peer, or we, offered.
    package var offered: [String]
    /// What the other side of that accepts, as far as it is known.
    package var accepted: [String]
    /// The nearest match, in words.
    package var nearest: String?
    /// `file:line:column` of what to change.
    package var configurationLine: String?
    /// What to do.
    package var remedy: String?
    /// Seconds ago.
    package var ageSeconds: Double

    package init(
        kind: String,
        summary: String,
        offered: [String] = [],
        accepted: [String] = [],
        nearest: String? = nil,
        configurationLine: String? = nil,
        remedy: String? = nil,
        ageSeconds: Double = 0
    ) {
        self.kind = kind
        self.summary = summary
        self.offered = offered
        self.accepted = accepted
        self.nearest = nearest
        self.configurationLine = configurationLine
        self.remedy = remedy
        self.ageSeconds = ageSeconds
    }
}
