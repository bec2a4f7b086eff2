internal import IKECredentials
internal import IPsecPrimitives

/// Both ends are who they claim to be.
///
/// A class, because it lives long and changes in small parts.
final class Established {
    /// What rekeying makes of an IKE SA (RFC 7296 §2.8.2).
    enum Standing: Hashable {
        case current
        /// The peer's new IKE SA while ours is under way; which of the two inherits is not known.
        case candidate(of: IKESPI)
        /// Another one has the children; this one waits for its Delete.
        case replaced(by: IKESPI)
        /// The peer's new IKE SA that lost against ours, and waits for its Delete.
        case redundant
    }

    let keys: SAKeys
    /// The identity that the peer proved.
    let remoteIdentity: Identity
    let localIdentity: Identity
    /// Those of the same peer, this one among them; nil where this one does not count among them. The
    /// table of IKE SAs keeps it.
    var peerSAs: SATable.PeerSAs?
    var children: ChildRow = [:]
    /// Inbound SPIs of AH that have to be deleted though no child has them any more.
    var strayAuthenticationSPIs: Set<SPI> = []
    /// Addresses of the inside that the responder of the first exchange gave to its initiator.
    var internalAddresses: [IPAddress] = []
    /// What the peer began and has not finished: its additional key exchanges are to come.
    var followUps: [AwaitedFollowUp] = []
    /// What this end will ask for, one after the other: the window is one request.
    var tasks: [IKETask] = []
    let establishedAt: Instant
    var rekeyAt: Instant?
    var standing = Standing.current
    /// The peer makes no more Child SAs here (RFC 7296 §1.3), as long as none of them ends.
    var isFull = false
    /// Another IKE SA, made from scratch, takes over; nothing new begins in this one.
    var isRetiring = false
    /// It does so only because one IKE SA is enough, and stays where the other has no room.
    var isMerging = false
    /// When the peer proved its identity, in whichever IKE SA this one descends from.
    var authenticatedAt: Instant
    /// Made with a ticket (RFC 5723), or descended from one that was.
    var isResumed = false
    /// Since when the peer has answered nothing but TEMPORARY_FAILURE (RFC 7296 §2.25).
    var refusedSince: Instant?
    /// When it did so last: what it refuses a long time after is another matter.
    var lastRefusal: Instant?

    /// Whether another IKE SA has the children, or is about to get them.
    var isReplaced: Bool { standing != .current }

    init(keys: SAKeys, localIdentity: Identity, remoteIdentity: Identity, now: Instant) {
        self.keys = keys
        self.localIdentity = localIdentity
        self.remoteIdentity = remoteIdentity
        establishedAt = now
        authenticatedAt = now
    }

    /// The child whose packets from us carry `spi`; ESP and AH count theirs apart.
    func child(outboundSPI spi: SPI, of securityProtocol: SecurityProtocol) -> ChildSA? {
        children.values.first {
            $0.outboundSPI == spi && $0.suite.securityProtocol == securityProtocol
        }
    }

    /// The children in an order that does not depend on hashing.
    var orderedChildren: [ChildSA] {
        children.values.sorted { $0.inboundSPI < $1.inboundSPI }
    }

    /// The child of a policy that carries traffic and is not replaced; the youngest of several.
    func currentChild(named name: String) -> ChildSA? {
        children.values
            .filter { $0.policy.name == name && $0.stage == .current }
            .max { ($0.createdAt, $0.inboundSPI) < ($1.createdAt, $1.inboundSPI) }
    }
}
