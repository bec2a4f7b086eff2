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

/// A peer: whom we accept and how we reach it.
package struct IKEConnection: Sendable {
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

    package var name: String
    /// `file:line` of the connection.
    package var source: String
    /// Where the peer may find us; nil: at any of our addresses.
    package var localAddress: IPAddress?
    /// Where to start an SA to; nil: this end only answers, unless the event names an address.
    package var remoteAddress: IPAddress?
    /// From where the peer may come; empty: from anywhere.
    package var remotePrefixes: [IPPrefix]
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
    package var duplicates = Duplicates.replace
    /// Age of the proof of the peer's identity before which a new one is made; nil: never.
    package var reauthenticateAfter: Duration?
    /// How many requests at once the peer may send (RFC 7296 §2.3), 64 at most.
    package var window = 8
    /// The largest IP datagram to send a part of an IKE message in, to begin with; nil neither cuts
    /// messages nor takes cut ones (RFC 7383).
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
    package var redirection = RedirectPolicy()
    /// Whether tickets are asked for and given (RFC 5723); nil: neither.
    package var resumption: ResumptionPolicy?
    package var children: [ChildPolicy]
    /// What this end asks for as an initiator; nil: nothing.
    package var request: InternalRequest?
    /// What this end gives as a responder; nil: nothing.
    package var assignment: InternalAssignment?

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
        self.name = name
        self.source = source
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        self.remotePrefixes = remotePrefixes
        self.localIdentity = localIdentity
        localIdentitySource = source
        self.remoteIdentity = remoteIdentity
        remoteIdentitySource = source
        secretSource = source
        childlessSource = source
        self.proposals = proposals
        encapsulation = .automatic
        encapsulationSource = source
        lifetime = .ikeDefault
        livenessInterval = .seconds(30)
        self.children = children
    }
}

/// What one Child SA of a connection may carry.
package struct ChildPolicy: Hashable, Sendable {
    package var name: String
    package var source: String
    package var selectorsSource: String
    /// For ESP or AH, in order of preference. KE methods count in a CREATE_CHILD_SA only.
    package var proposals: [ConfiguredProposal]
    package var localSelectors: [TrafficSelector]
    package var remoteSelectors: [TrafficSelector]
    /// Each pair of addresses gets a Child SA of its own (RFC 4301 §4.4.1.2: both addresses are
    /// populated from the packet).
    package var isPerPair = false
    /// Transport mode carries what the gateways themselves send each other, and nothing else.
    package var mode = ChildMode.tunnel
    /// Algorithms of IPComp (RFC 7296 §2.22) in order of preference; empty: no compression.
    package var compression: [UInt8] = []
    /// Whether padding for traffic flow confidentiality is taken (RFC 7296 §1.3.1).
    package var acceptsPadding = true
    /// Whether later fragments, whose ports cannot be seen, go by the same SA (RFC 4301 §7).
    package var carriesLaterFragments = false
    /// How many Child SAs of these selectors the two ends keep (RFC 9611); the first of them is
    /// the fallback.
    package var resources = 1
    /// By time. Bytes and packets are the packet path's, which reports when they run out.
    package var lifetime: SALifetime

    package init(
        name: String,
        source: String,
        proposals: [ConfiguredProposal],
        localSelectors: [TrafficSelector],
        remoteSelectors: [TrafficSelector]
    ) {
        self.name = name
        self.source = source
        selectorsSource = source
        self.proposals = proposals
        self.localSelectors = localSelectors
        self.remoteSelectors = remoteSelectors
        lifetime = .childDefault
    }
}

/// How long an SA lives by time.
package struct SALifetime: Hashable, Sendable {
    /// Age at which the SA is replaced; nil: never.
    package var rekeyAfter: Duration?
    /// Up to this part of `rekeyAfter`, in per cent, is taken off at random, so that many SAs, or
    /// both ends of one, do not rekey at the same moment (RFC 7296 §2.8).
    package var jitterPercent: Int
    /// Age at which an SA that could not be replaced ends; nil: never.
    package var expireAfter: Duration?

    package init(rekeyAfter: Duration?, jitterPercent: Int = 10, expireAfter: Duration? = nil) {
        self.rekeyAfter = rekeyAfter
        self.jitterPercent = jitterPercent
        self.expireAfter = expireAfter ?? rekeyAfter.map { $0 + $0 / 10 }
    }

    package static let ikeDefault = SALifetime(rekeyAfter: .seconds(4 * 3600))
    package static let childDefault = SALifetime(rekeyAfter: .seconds(3600))
}
