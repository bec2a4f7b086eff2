package import IPsecPrimitives

/// A peer and what is agreed with it (`connections:` → name).
package struct ConnectionConfiguration: Equatable, Sendable {
    /// What becomes of an IKE SA when the same peer makes another.
    package enum Duplicates: String, CaseIterable, Sendable {
        case replace
        case keep
        case refuse
    }

    package enum Encapsulation: String, CaseIterable, Sendable {
        /// In UDP when there is a NAT between the ends (RFC 7296 §2.23), else as ESP.
        case automatic = "auto"
        /// Always in UDP.
        case udp
        /// Always as ESP, IP protocol 50.
        case esp
    }

    package let name: String
    package internal(set) var location: SourceLocation

    package var keying: Located<Keying>
    /// Nil in `value`: whichever local address the route to the peer has.
    package var localAddress: Located<IPAddress?>
    /// Where the peer may be found, and tried in this order; empty: anywhere, and such a
    /// connection only answers.
    package var remoteAddresses: Located<[PeerAddress]>
    package var localIdentity: Located<IdentityConfiguration>
    package var remoteIdentity: Located<IdentityConfiguration>
    /// Path of the file with the shared secret, made relative to nothing but the working
    /// directory: the configuration file's directory is already part of it. Nil where keys are
    /// manual.
    package var secretFile: Located<String>?

    /// In order of preference.
    package var ikeProposals: [Located<Proposal>]
    package var encapsulation: Located<Encapsulation>
    /// How long the peer may be silent before it is asked (RFC 7296 §2.4); nil never asks.
    package var liveness: Located<Duration?>
    package var retransmission: RetransmissionConfiguration
    /// How many requests at once the peer may send (RFC 7296 §2.3).
    package var window: Located<Int>
    package var duplicates: Located<Duplicates>
    /// Age of the proof of the peer's identity before which a new IKE SA is made from scratch
    /// (RFC 7296 §2.8.3); nil: never.
    package var reauthenticateAfter: Located<Duration?>
    package var establishment: EstablishmentConfiguration
    /// Life of the IKE SA.
    package var lifetime: Located<Duration>
    /// Interval of NAT keepalives (RFC 3948 §4); nil sends none.
    package var keepalive: Located<Duration?>
    package var paths: PathConfiguration
    package var internalAddresses = InternalAddressConfiguration()
    /// For its tunnels together.
    package var traffic: TrafficConfiguration?
    /// In the order of the file; never empty.
    package var tunnels: [TunnelConfiguration]

    package init(
        name: String,
        location: SourceLocation,
        localAddress: Located<IPAddress?>,
        remoteAddresses: Located<[PeerAddress]>,
        localIdentity: Located<IdentityConfiguration>,
        remoteIdentity: Located<IdentityConfiguration>,
        secretFile: Located<String>?,
        ikeProposals: [Located<Proposal>],
        encapsulation: Located<Encapsulation>,
        liveness: Located<Duration?>,
        retransmission: RetransmissionConfiguration,
        lifetime: Located<Duration>,
        keepalive: Located<Duration?>,
        tunnels: [TunnelConfiguration]
    ) {
        self.name = name
        self.location = location
        keying = Located(.ike, at: location)
        self.localAddress = localAddress
        self.remoteAddresses = remoteAddresses
        self.localIdentity = localIdentity
        self.remoteIdentity = remoteIdentity
        self.secretFile = secretFile
        self.ikeProposals = ikeProposals
        self.encapsulation = encapsulation
        self.liveness = liveness
        self.retransmission = retransmission
        window = Located(8, at: location)
        duplicates = Located(.replace, at: location)
        reauthenticateAfter = Located(nil, at: location)
        establishment = EstablishmentConfiguration(location: location)
        self.lifetime = lifetime
        self.keepalive = keepalive
        paths = PathConfiguration(location: location)
        self.tunnels = tunnels
    }
}

/// How often a request is sent again (RFC 7296 §2.4): after `initial`, then each time after
/// `factor` times as long, until it has been sent `tries` times.
package struct RetransmissionConfiguration: Equatable, Sendable {
    package var initial: Duration = .seconds(2)
    package var factor: Double = 1.8
    /// Sendings in all.
    package var tries: Int = 6
    package var location: SourceLocation

    package init(location: SourceLocation) {
        self.location = location
    }

    /// From the first sending to giving up.
    package var total: Duration {
        var step = initial
        var sum = Duration.zero
        for _ in 0..<tries {
            sum += step
            step = step * factor
        }
        return sum
    }
}

/// Who an end is (RFC 7296 §3.5).
package enum IdentityConfiguration: Hashable, Sendable {
    case fullyQualifiedDomainName(String)
    case address(IPAddress)
    /// RFC 822 address.
    case mailAddress(String)
    /// ID_KEY_ID: opaque bytes.
    case keyID([UInt8])
    /// Whatever the peer proves; for the remote end only.
    case any
}

extension IdentityConfiguration: CustomStringConvertible {
    package var description: String {
        switch self {
        case .fullyQualifiedDomainName(let name): name
        case .address(let address): address.description
        case .mailAddress(let address): address
        case .keyID(let bytes):
            if let text = String(validating: bytes, as: UTF8.self),
                text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
            {
                "keyid:\(text)"
            } else {
                "keyid:0x\(hexadecimal(bytes))"
            }
        case .any: "any"
        }
    }
}

extension ConnectionConfiguration {
    /// The peer's address where the file names just one, and no name.
    package var onlyRemoteAddress: IPAddress? {
        if case .address(let address)? = remoteAddresses.value.first,
            remoteAddresses.value.count == 1
        {
            address
        } else {
            nil
        }
    }

    /// Whether this end can begin an IKE SA.
    package var canBegin: Bool { remoteAddresses.value.contains(where: \.canBeCalled) }

    /// The peer's addresses in words: `192.0.2.1, vpn.example`, or `any address`.
    package var remoteAddressText: String {
        remoteAddresses.value.isEmpty
            ? "any address" : remoteAddresses.value.map(\.description).joined(separator: ", ")
    }
}
