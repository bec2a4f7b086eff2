package import IKECredentials
package import IPsecPrimitives

/// A proposal and the place in the configuration that it comes from.
package struct ConfiguredProposal: Hashable, Sendable {
    package var proposal: Proposal
    /// `file:line`, for explanations.
    package var source: String

    package init(_ proposal: Proposal, source: String) {
        self.proposal = proposal
        self.source = source
    }
}

/// A peer: whom we accept and how we reach it. Its `Values` are its properties.
package struct IKEConnection: SharedDescription {
    package enum Duplicates: Hashable, Sendable {
        /// The new one takes over, and the old one ends.
        case replace
        /// Both stay.
        case keep
        /// The new one is refused, unless the peer says that it has lost the old one.
        case refuse
    }

    package enum Encapsulation: Hashable, Sendable {
        /// UDP where a NAT is on the way (RFC 7296 §2.23).
        case automatic
        /// UDP always, by NAT detection hashes that cannot match.
        case udp
        /// IP protocol 50. Where a NAT is on the way, UDP all the same, and a report why.
        case esp
    }

    package struct Values: Sendable {
        package var name: String
        /// `file:line` of the connection.
        package var source: String
        /// Where the peer may find us; nil: at any of our addresses.
        package var localAddress: IPAddress?
        /// Where to start an SA to; nil: this end only answers, unless the event names an address.
        package var remoteAddress: IPAddress?
        /// From where the peer may come; empty: from anywhere.
        package var remotePrefixes: [IPPrefix]
        /// Names that the peer may be found by, of which `remotePrefixes` tells nothing.
        package var remoteNames: [String] = []
        /// Where the peer may be besides what its names stand for.
        package var prefixesBesideNames: [IPPrefix] = []
        package var localIdentity: Identity
        package var localIdentitySource: String
        package var remoteIdentity: IdentityPattern
        package var remoteIdentitySource: String
        /// `file:line` of the secret.
        package var secretSource: String
        /// For the IKE SA, in order of preference.
        package var proposals: [ConfiguredProposal]
        package var encapsulation: Encapsulation
        package var encapsulationSource: String
        package var lifetime: SALifetime
        /// Without a sign of life for so long, the peer is asked for one; nil: never.
        package var livenessInterval: Duration?
        package var retransmission = RetransmissionSchedule()
        /// What becomes of an IKE SA when the peer makes another.
        package var duplicates: Duplicates = .replace
        /// Age of the proof of the peer's identity before which a new one is made; nil: never.
        package var reauthenticateAfter: Duration?
        /// How many requests at once the peer may send (RFC 7296 §2.3), 64 at most.
        package var window = 8
        /// The largest IP datagram to send a part of an IKE message in, to begin with; nil neither
        /// cuts messages nor takes cut ones (RFC 7383).
        package var fragmentSize: Int? = 1280
        /// Whether both ends sign the whole of IKE_SA_INIT where the peer can do it too
        /// (draft-ietf-ipsecme-ikev2-downgrade-prevention-08).
        package var signsFullTranscript = true
        /// A postquantum preshared key to mix in (RFC 8784); nil: none.
        package var ppk: PPKPolicy?
        package var childless: Childless = .allow
        package var childlessSource: String
        /// Between NAT keepalives, where this end is behind a NAT (RFC 3948 §4); nil sends none.
        package var keepaliveInterval: Duration? = .seconds(20)
        package var mobility = MobilityPolicy()
        package var transport = TransportPolicy()
        package var redirection = RedirectPolicy()
        /// Whether tickets are asked for and given (RFC 5723); nil: neither.
        package var resumption: ResumptionPolicy?
        package var children: [ChildPolicy]
        /// What this end asks for as an initiator; nil: nothing.
        package var request: InternalRequest?
        /// What this end gives as a responder; nil: nothing.
        package var assignment: InternalAssignment?
    }

    package var shared: Shared<Values>

    package init(
        name: String,
        source: String,
        localAddress: IPAddress?,
        remoteAddress: IPAddress?,
        remotePrefixes: [IPPrefix] = [],
        localIdentity: Identity,
        remoteIdentity: IdentityPattern,
        proposals: [ConfiguredProposal],
        children: [ChildPolicy]
    ) {
        shared = Shared(
            Values(
                name: name,
                source: source,
                localAddress: localAddress,
                remoteAddress: remoteAddress,
                remotePrefixes: remotePrefixes,
                localIdentity: localIdentity,
                localIdentitySource: source,
                remoteIdentity: remoteIdentity,
                remoteIdentitySource: source,
                secretSource: source,
                proposals: proposals,
                encapsulation: .automatic,
                encapsulationSource: source,
                lifetime: .ikeDefault,
                livenessInterval: .seconds(30),
                childlessSource: source,
                children: children
            )
        )
    }
}
