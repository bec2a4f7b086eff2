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
///
/// All copies share one set of values, so that each of very many IKE SAs may hold one; a change
/// makes a set of its own.
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

    package var name: String {
        get { shared.values.name }
        set { values.name = newValue }
    }
    /// `file:line` of the connection.
    package var source: String {
        get { shared.values.source }
        set { values.source = newValue }
    }
    /// Where the peer may find us; nil: at any of our addresses.
    package var localAddress: IPAddress? {
        get { shared.values.localAddress }
        set { values.localAddress = newValue }
    }
    /// Where to start an SA to; nil: this end only answers, unless the event names an address.
    package var remoteAddress: IPAddress? {
        get { shared.values.remoteAddress }
        set { values.remoteAddress = newValue }
    }
    /// From where the peer may come; empty: from anywhere.
    package var remotePrefixes: [IPPrefix] {
        get { shared.values.remotePrefixes }
        set { values.remotePrefixes = newValue }
    }
    package var localIdentity: Identity {
        get { shared.values.localIdentity }
        set { values.localIdentity = newValue }
    }
    package var localIdentitySource: String {
        get { shared.values.localIdentitySource }
        set { values.localIdentitySource = newValue }
    }
    package var remoteIdentity: IdentityPattern {
        get { shared.values.remoteIdentity }
        set { values.remoteIdentity = newValue }
    }
    package var remoteIdentitySource: String {
        get { shared.values.remoteIdentitySource }
        set { values.remoteIdentitySource = newValue }
    }
    /// `file:line` of the secret.
    package var secretSource: String {
        get { shared.values.secretSource }
        set { values.secretSource = newValue }
    }
    /// For the IKE SA, in order of preference.
    package var proposals: [ConfiguredProposal] {
        get { shared.values.proposals }
        set { values.proposals = newValue }
    }
    package var encapsulation: Encapsulation {
        get { shared.values.encapsulation }
        set { values.encapsulation = newValue }
    }
    package var encapsulationSource: String {
        get { shared.values.encapsulationSource }
        set { values.encapsulationSource = newValue }
    }
    package var lifetime: SALifetime {
        get { shared.values.lifetime }
        set { values.lifetime = newValue }
    }
    /// Without a sign of life for so long, the peer is asked for one; nil: never.
    package var livenessInterval: Duration? {
        get { shared.values.livenessInterval }
        set { values.livenessInterval = newValue }
    }
    package var retransmission: RetransmissionSchedule {
        get { shared.values.retransmission }
        set { values.retransmission = newValue }
    }
    /// What becomes of an IKE SA when the peer makes another.
    package var duplicates: Duplicates {
        get { shared.values.duplicates }
        set { values.duplicates = newValue }
    }
    /// Age of the proof of the peer's identity before which a new one is made; nil: never.
    package var reauthenticateAfter: Duration? {
        get { shared.values.reauthenticateAfter }
        set { values.reauthenticateAfter = newValue }
    }
    /// How many requests at once the peer may send (RFC 7296 §2.3), 64 at most.
    package var window: Int {
        get { shared.values.window }
        set { values.window = newValue }
    }
    /// The largest IP datagram to send a part of an IKE message in, to begin with; nil neither cuts
    /// messages nor takes cut ones (RFC 7383).
    package var fragmentSize: Int? {
        get { shared.values.fragmentSize }
        set { values.fragmentSize = newValue }
    }
    /// Whether both ends sign the whole of IKE_SA_INIT where the peer can do it too
    /// (draft-ietf-ipsecme-ikev2-downgrade-prevention-08).
    package var signsFullTranscript: Bool {
        get { shared.values.signsFullTranscript }
        set { values.signsFullTranscript = newValue }
    }
    /// A postquantum preshared key to mix in (RFC 8784); nil: none.
    package var ppk: PPKPolicy? {
        get { shared.values.ppk }
        set { values.ppk = newValue }
    }
    package var childless: Childless {
        get { shared.values.childless }
        set { values.childless = newValue }
    }
    package var childlessSource: String {
        get { shared.values.childlessSource }
        set { values.childlessSource = newValue }
    }
    /// Between NAT keepalives, where this end is behind a NAT (RFC 3948 §4); nil sends none.
    package var keepaliveInterval: Duration? {
        get { shared.values.keepaliveInterval }
        set { values.keepaliveInterval = newValue }
    }
    package var mobility: MobilityPolicy {
        get { shared.values.mobility }
        set { values.mobility = newValue }
    }
    package var transport: TransportPolicy {
        get { shared.values.transport }
        set { values.transport = newValue }
    }
    package var redirection: RedirectPolicy {
        get { shared.values.redirection }
        set { values.redirection = newValue }
    }
    /// Whether tickets are asked for and given (RFC 5723); nil: neither.
    package var resumption: ResumptionPolicy? {
        get { shared.values.resumption }
        set { values.resumption = newValue }
    }
    package var children: [ChildPolicy] {
        get { shared.values.children }
        set { values.children = newValue }
    }
    /// What this end asks for as an initiator; nil: nothing.
    package var request: InternalRequest? {
        get { shared.values.request }
        set { values.request = newValue }
    }
    /// What this end gives as a responder; nil: nothing.
    package var assignment: InternalAssignment? {
        get { shared.values.assignment }
        set { values.assignment = newValue }
    }

    private var shared: SharedValues<ConnectionValues>

    private var values: ConnectionValues {
        get { shared.values }
        set { shared = SharedValues(newValue) }
    }

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
        shared = SharedValues(
            ConnectionValues(
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
