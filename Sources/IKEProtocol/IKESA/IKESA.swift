internal import IKEMessages
internal import IPsecPrimitives

/// One IKE SA, from its first message to its end.
///
/// What depends on how far it has come is in `state`; the rest is what every stage has. A class
/// that only the engine holds: an SA is found by its SPI and changed in place.
final class IKESA {
    let localSPI: IKESPI
    /// Zero until the peer's first message.
    var peerSPI: IKESPI
    /// Whether this end sent the IKE_SA_INIT request, or that of the rekeying.
    let isOriginalInitiator: Bool
    let createdAt: Instant
    /// For a responder, before IKE_AUTH tells the identities, only the likeliest one.
    var connection: IKEConnection
    var path: IKEPath
    var nat = NATSituation()
    /// Whether this end began the first of the IKE SAs of which this is the last.
    var isSessionInitiator: Bool
    /// The peer can be sent elsewhere (RFC 5685).
    var supportsRedirect = false
    /// The peer has sent us elsewhere: nothing new begins here.
    var isLeaving = false
    /// What the peer would show had it lost this SA (RFC 6290).
    var peerCrashToken: [UInt8]?
    /// Set where both ends have MOBIKE.
    var mobility: Mobility?
    /// Addresses of this end came or went before it was known whether both ends have MOBIKE.
    var hasMissedAddresses = false
    /// What this end could resume the SA with, as the initiator of the session.
    var ticket: SessionTicket?
    /// Seconds since 1970 at which the last ticket that this end gave for the SA expires.
    var ticketsExpireAt: UInt64?
    /// Set where it goes, or may go, by TCP.
    var stream: StreamUse?
    /// The TCP connection that it goes by is gone, and there is no other yet.
    var isStreamLost = false
    var state: IKESAState
    /// What both ends can do, as IKE_SA_INIT told.
    var agreed: AgreedExtensions = []
    /// What the first IKE_AUTH request brings, in clear, to a responder that wants to see work
    /// before it looks into it (RFC 8019 §7.2).
    var authSolution: PuzzleSolutionPayload?
    /// The keys come from a postquantum preshared key as well (RFC 8784).
    var usesPPK = false
    /// Hash functions that the peer verifies signatures with (RFC 7427 §4).
    var signatureHashes: [UInt16] = []
    /// The largest IP datagram that seems to pass, where a larger one did not.
    var loweredFragmentThreshold = UInt16.max
    /// Messages of which some fragments are missing; never more than the windows admit.
    var reassemblies: [Reassembly] = []
    var requests = RequestWindow()
    var responses = ResponseWindow()
    /// What is due when; the engine's heap may hold older entries, which do not count.
    var timers: TimerSet = [:]
    /// Set where the peer failed in IKE_AUTH: the SA still counts among the half-open ones.
    var refusedKey: HalfOpenKey?
    /// Inbound SPIs of Child SAs that are this one's, or reserved for it; the engine's table of IKE
    /// SAs keeps them.
    var inboundSPIs: SmallSet<SPI> = []
    /// Our SPI of the IKE SA that we have last asked to replace this one; the table keeps it too.
    var offeredSPI: IKESPI?
    /// Local SPIs of IKE SAs that this one replaces as soon as it has all that they have.
    var retires: [IKESPI] = []
    /// Begun to replace another, and asked for since: it is wanted whatever becomes of that one.
    var isAskedFor = false
    /// When an authentic message or packet came last.
    var lastHeard: Instant

    init(
        localSPI: IKESPI,
        peerSPI: IKESPI,
        isOriginalInitiator: Bool,
        connection: IKEConnection,
        path: IKEPath,
        state: IKESAState,
        now: Instant
    ) {
        self.localSPI = localSPI
        self.peerSPI = peerSPI
        self.isOriginalInitiator = isOriginalInitiator
        isSessionInitiator = isOriginalInitiator
        self.connection = connection
        self.path = path
        self.state = state
        createdAt = now
        lastHeard = now
    }

    var initiatorSPI: IKESPI { isOriginalInitiator ? localSPI : peerSPI }
    var responderSPI: IKESPI { isOriginalInitiator ? peerSPI : localSPI }

    /// The state of an SA whose peer is authenticated; nil before and after.
    var established: Established? {
        if case .established(let state) = state { state } else { nil }
    }

    /// What the initiator has to solve before its IKE_AUTH counts.
    var awaitedPuzzle: Puzzle? {
        if case .halfOpen(let state) = state { state.puzzle } else { nil }
    }

    var isHalfOpen: Bool { if case .halfOpen = state { true } else { false } }

    var isEncapsulated: Bool {
        nat.isLocalTranslated || nat.isRemoteTranslated || nat.isForced
    }

    /// Whether packets of a new Child SA go in UDP.
    var arePacketsEncapsulated: Bool { mobility?.keptEncapsulation ?? isEncapsulated }

    /// Where packets of a new Child SA go: while another path is being tried for messages, along the
    /// one that carries the others.
    var childPath: ChildSAPath {
        let path = mobility?.packetPath ?? path
        return ChildSAPath(
            local: path.local,
            remote: path.remote,
            isEncapsulated: arePacketsEncapsulated,
            transport: path.transport
        )
    }
}

/// The endpoints that messages travel between, and by what. With TCP, they name one connection;
/// while it is not open, the local port is zero.
struct IKEPath: Hashable {
    var local: Endpoint
    var remote: Endpoint
    var transport: IKETransport

    init(local: Endpoint, remote: Endpoint, transport: IKETransport = .udp) {
        self.local = local
        self.remote = remote
        self.transport = transport
    }

    /// The one that a datagram came along.
    init(_ datagram: IKEDatagram) {
        self.init(
            local: datagram.local,
            remote: datagram.remote,
            transport: datagram.transport
        )
    }
}

/// What the NAT detection hashes told (RFC 7296 §2.23).
struct NATSituation: Hashable {
    /// The peer sent the hashes: it can encapsulate.
    var isSupported = false
    /// Our own address arrives changed.
    var isLocalTranslated = false
    /// The peer's address arrives changed, or the peer pretends so.
    var isRemoteTranslated = false
    /// We pretend, because the configuration wants UDP.
    var isForced = false
}

/// How far an IKE SA has come.
///
///     initiating -> [exchangingKeys ->] authenticating -> established -> closing -> closed
///                                          halfOpen    ->
///
/// A message that makes no sense in a state is counted and dropped; nothing but an established SA
/// has Child SAs. What is over soon is kept apart, so that an established SA does not hold room for
/// it.
enum IKESAState {
    /// Initiator: IKE_SA_INIT or IKE_SESSION_RESUME is sent.
    indirect case initiating(Initiating)
    /// Initiator: IKE_INTERMEDIATE is sent.
    indirect case exchangingKeys(ExchangingKeys)
    /// Initiator: IKE_AUTH is sent.
    indirect case authenticating(Authenticating)
    /// Responder: IKE_SA_INIT or IKE_SESSION_RESUME is answered.
    indirect case halfOpen(HalfOpen)
    case established(Established)
    /// This end asked the peer to close, and waits for the answer.
    case closing(Closing)
    /// Over; only a last answer is repeated for a while.
    case closed
}
