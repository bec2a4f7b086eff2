package import IKECredentials
package import IPsecCrypto
package import IPsecPrimitives

/// The IKEv2 protocol machine of RFC 7296 for any number of peers: events in, effects out.
///
/// Reads no clock, draws no randomness of its own and does no input or output. A class, because
/// it is one thing that lives as long as the daemon; it belongs to one thread or actor at a time.
///
/// The folders of this module are its chapters: `Exchanges` holds what RFC 7296 §1.2 to §1.4
/// describe, one exchange and role a file, as extensions of the engine; `IKESA` what an SA
/// remembers; `Negotiation` the pure choices.
package final class IKEEngine {
    package var settings: EngineSettings
    var random: any RandomSource
    /// Nil: any SPI does.
    package var spiSteering: SPISteering?
    /// Inbound SPIs of SAs that are none of the engine's; no Child SA gets one.
    package var takenSPIs: Set<SPI> = []
    package internal(set) var counters = EngineCounters()

    var connections: [IKEConnection] = [] {
        didSet {
            placeOfConnection = Dictionary(
                connections.indices.map { (connections[$0].name, $0) },
                uniquingKeysWith: { first, _ in first }
            )
        }
    }
    private var placeOfConnection: [String: Int] = [:]
    var whereabouts = PeerWhereabouts()
    var credentials = CredentialStore()
    let sas = SATable()
    var timers = TimerHeap()
    var cookies = CookieJar()
    let keyEncapsulation: any KeyEncapsulationProvider
    let reassemblyBudget = ReassemblyBudget()
    /// By connection.
    var redirectHistories: [String: RedirectHistory] = [:]
    var crashSecret: SecretBytes?
    var ticketSealer: TicketSealer?
    var ticketLedger = TicketLedger()
    /// Of IKE SAs that were lost, by connection.
    var lostTickets: [String: SessionTicket] = [:]
    /// Addresses of this host, as last told; nil before that.
    var localAddresses: [IPAddress]?
    var isCookieDemandReported = false
    /// Nobody may begin anything any more.
    var isShuttingDown = false
    /// Answers and reports to those who have proven nothing.
    var unprotectedAnswers: RateLimit
    var unprotectedReports: RateLimit
    var lastStreamAttempt: UInt64 = 0
    /// TCP connections that are being opened, for which IKE SA.
    var streamAttempts: [StreamAttempt: IKESPI] = [:]
    /// What the event at hand leads to.
    var effects: [IKEEffect] = []
    /// What a datagram leads to at most, nearly always.
    private static let usualEffects = 6

    /// - Parameter keyEncapsulation: ML-KEM; another than the library's makes runs repeatable.
    package init(
        settings: EngineSettings = EngineSettings(),
        random: any RandomSource,
        keyEncapsulation: any KeyEncapsulationProvider = LibraryKeyEncapsulation()
    ) {
        self.settings = settings
        self.random = random
        self.keyEncapsulation = keyEncapsulation
        unprotectedAnswers = RateLimit(perSecond: settings.unprotectedAnswersPerSecond)
        unprotectedReports = RateLimit(perSecond: settings.unprotectedAnswersPerSecond)
    }

    /// Replaces the configuration; see `adopt` for what that means for SAs that are there.
    ///
    /// - Parameter changed: the connections that differ in more than their place in a file; nil:
    ///   each may.
    package func setConnections(
        _ connections: [IKEConnection],
        credentials: CredentialStore,
        changed: Set<String>? = nil,
        at now: Instant
    ) -> [IKEEffect] {
        let before = (connections: self.connections, credentials: self.credentials)
        self.connections = connections
        self.credentials = credentials
        whereabouts.keep { placeOfConnection[$0] != nil }
        for sa in sas.all() {
            adopt(sa, hasChanged: changed?.contains(sa.connection.name) ?? true, at: now)
        }
        adoptTickets(insteadOf: before.credentials, before.connections, at: now)
        return takeEffects()
    }

    package func handle(_ event: IKEEvent, at now: Instant) -> [IKEEffect] {
        switch event {
        case .datagram(let datagram):
            effects.reserveCapacity(IKEEngine.usualEffects)
            receive(datagram, at: now)
        case .timeout: fireTimers(at: now)
        case .initiate(let initiation): initiate(initiation, at: now)
        case .askAgain(let connection): askAgain(connection, at: now)
        case .terminate(let connection, let child): terminate(connection, child: child, at: now)
        case .rekeyIKESA(let connection): rekeyIKESAs(of: connection, at: now)
        case .childLifetimeReached(let spi, let limit): childAges(spi, limit, at: now)
        case .discardChildSA(let spi, let reason): discardChild(spi, because: reason, at: now)
        case .childSAInUse(let spi): childIsInUse(spi, at: now)
        case .trafficReceived(let spi): sas.owner(ofChild: spi)?.lastHeard = now
        case .peerEndpointChanged(let spi, let remote):
            followPeer(ofChild: spi, to: remote, at: now)
        case .unknownSPI(let spi, let remote): complain(of: spi, to: remote, at: now)
        case .probe(let connection): probe(connection, at: now)
        case .probePathMTU(let spi, let octets):
            probePathMTU(ofChild: spi, octets: octets, at: now)
        case .localAddressesChanged(let addresses):
            localAddressesChanged(addresses, at: now)
        case .routeFound(let remote, let local): routeFound(to: remote, from: local, at: now)
        case .streamOpened(let attempt, let local, let remote):
            streamOpened(attempt, local, remote, now)
        case .streamFailed(let attempt, let reason):
            streamFailed(attempt, because: reason, at: now)
        case .streamClosed(let local, let remote): streamClosed(local, remote, at: now)
        case .shutDown: shutDown(at: now)
        }
        return takeEffects()
    }

    /// When `timeout` is due; nil: never.
    package var nextTimeout: Instant? {
        while let entry = timers.first {
            if sas[entry.sa]?.timers[entry.timer] == entry.deadline { return entry.deadline }
            timers.removeFirst()
        }
        return nil
    }

    /// Whether no SA is left, not even one that waits for the answer to its Delete.
    package var isIdle: Bool { sas.isIdle }

    /// IKE SAs, however far they have come, and those of them that have proven nothing yet.
    package var saCount: Int { sas.count }
    package var halfOpenCount: Int { sas.halfOpenCount }

    /// Whether the engine has given an inbound SPI to a Child SA that is in place or on its way.
    package func hasChosen(_ spi: SPI) -> Bool { !sas.isFree(spi) }

    /// Whether an IKE SA of the connection is up or on its way: what is initiated now begins there, or
    /// beside it, and needs no addresses.
    package func isReaching(_ connection: String) -> Bool {
        sas.ofConnection(connection).contains { sa in
            switch sa.state {
            case .initiating, .exchangingKeys, .authenticating: true
            case .established(let state): sa.isToStay(state)
            case .halfOpen, .closing, .closed: false
            }
        }
    }

    /// Whether an IKE SA of the connection is up in which Child SAs can be made.
    package func isEstablished(_ connection: String) -> Bool {
        sas.ofConnection(connection).contains { sa in
            sa.established.map(sa.isToStay) ?? false
        }
    }

    /// Whether this end closes what there is of a child, or will as soon as the peer has made it, and
    /// the peer has not answered yet.
    package func isEnding(_ child: String, of connection: String) -> Bool {
        sas.ofConnection(connection).contains { sa in
            guard let state = sa.established else { return false }
            return sa.isMakingUnwantedChild(named: child)
                || state.children.values.contains {
                    $0.policy.name == child && $0.isUnwanted && $0.stage != .lingering
                }
        }
    }

    /// Whether there is a child that nobody is about to end.
    package func isKeeping(_ child: String, of connection: String) -> Bool {
        sas.ofConnection(connection).contains { sa in
            sa.established?.children.values.contains {
                $0.policy.name == child && $0.stage == .current && !$0.isUnwanted
            } ?? false
        }
    }

    /// Whether there is an IKE SA of the connection, however far it has come, that is not over.
    package func hasSA(of connection: String) -> Bool {
        sas.ofConnection(connection).contains { sa in
            if case .closed = sa.state { false } else { true }
        }
    }

    func connection(named name: String) -> IKEConnection? {
        placeOfConnection[name].map { connections[$0] }
    }

    func report(
        _ event: IKEReport.Event,
        of sa: IKESA,
        child: String? = nil,
        packet: PacketSelector? = nil
    ) {
        effects.append(
            .report(
                IKEReport(
                    connection: sa.connection.name,
                    child: child,
                    remote: sa.path.remote,
                    packet: packet,
                    event: event
                )
            )
        )
    }

    private func takeEffects() -> [IKEEffect] {
        defer { effects = [] }
        return effects
    }
}
