package import Configuration
package import IKECredentials
package import IKEProtocol
package import IPsecCrypto
package import IPsecPrimitives
internal import PacketProtection

/// Decides which tunnels are wanted and what the engine and the packet path have to do for it.
///
/// Owns the IKE engine. Like it, reads no clock and does no input or output: events go in, effects
/// come out, in an order that must be kept. Belongs to one thread at a time.
///
/// An event costs the same however many tunnels there are; only `start` and `reload` look at all.
package final class ConnectionController {
    package internal(set) var configuration: GatewayConfiguration
    let engine: IKEEngine
    let packetCipherBackEnd: PacketCipherBackEnd
    /// Threads of the packet path that help with the ciphers of SAs that are spread; set before `start`.
    package var cipherThreads = 0
    var random: any RandomSource
    var credentials = CredentialStore()
    var manualKeys = ManualKeys()

    var connections: [String: ConnectionRecord] = [:]
    var tunnels: [TunnelPath: TunnelRecord] = [:]
    var numbering = PolicyNumbering()
    /// What the packet path was told last.
    var traffic = TrafficPlan()
    /// Whether the gateway was started for traffic classes that ask for firewall marks.
    let tellsMarks: Bool
    var pathOfPolicy: [PolicyIdentifier: TunnelPath] = [:]
    var timers = DueTimes()
    /// Tunnels that waited for an address to begin from when the peer's IKE SA came, with the packets
    /// that asked for them.
    var overtaken: [(path: TunnelPath, packet: PacketTuple?)] = []
    /// Tunnels that are up and being ended by hand.
    var watchedEnds: [TunnelPath] = []
    var names = HostNames()
    /// Whose peer has the name, or the address, in the order of the configuration.
    var connectionsOfName: [String: [String]] = [:]
    var connectionsOfAddress: [IPAddress: [String]] = [:]
    /// By inbound SPI.
    var pairs: [SPI: ChildSAPair] = [:]
    var pairOfAssociation: [SAIdentifier: SPI] = [:]
    /// Those of `pairs` whose keys are manual.
    var manualAssociations: [SPI: ManualAssociation] = [:]
    var pathMTUs = PathMTUs()
    /// By the peer's address; one that is over stays until the next begins.
    var searches: [IPAddress: PathMTUSearch] = [:]
    var requests = PendingRequests()
    var rekeys = PendingRekeys()
    var counters = CounterReadings()
    /// How often the packet path's counters are read.
    var readingInterval = Duration.seconds(20)
    var redirections: [PendingRedirection] = []
    /// By the name of the gateway that peers were sent to.
    var namedRedirections: [String: [Redirection]] = [:]
    var isShuttingDown = false
    var lastActivation: UInt64 = 0
    private var lastIdentifier: UInt32 = 0
    /// Sees each pair of SAs with its keys before the packet path gets it: for the simulator, and
    /// for whoever has to decode a capture.
    package var installationObserver: ((ChildSAInstallation) -> Void)?
    /// Told the inbound SPI of each pair that goes.
    package var removalObserver: ((SPI) -> Void)?

    package init(
        configuration: GatewayConfiguration,
        settings: EngineSettings,
        packetCipherBackEnd: PacketCipherBackEnd,
        random: any RandomSource,
        engineRandom: any RandomSource,
        keyEncapsulation: any KeyEncapsulationProvider = LibraryKeyEncapsulation()
    ) {
        self.configuration = configuration
        tellsMarks = configuration.firstTrafficMark != nil
        self.packetCipherBackEnd = packetCipherBackEnd
        self.random = random
        engine = IKEEngine(
            settings: settings,
            random: engineRandom,
            keyEncapsulation: keyEncapsulation
        )
    }

    /// Puts the policies in force and begins what starts at boot. Call once, first.
    package func start(
        credentials: CredentialStore,
        manualKeys: ManualKeys = ManualKeys(),
        at now: Instant
    ) -> [ControlEffect] {
        self.credentials = credentials
        self.manualKeys = manualKeys
        var effects: [ControlEffect] = [
            .packetPath(.replacePolicies(numbering.number(configuration)))
        ]
        setTraffic(into: &effects)
        for connection in configuration.connections {
            connections[connection.name] = ConnectionRecord(connection)
            for tunnel in connection.tunnels { insert(tunnel) }
        }
        settle(configuration)
        let connections = configuration.negotiatedConnections.map(IKEConnection.init)
        absorb(
            engine.setConnections(connections, credentials: credentials, at: now),
            at: now,
            into: &effects
        )
        installManualPairs(at: now, into: &effects)
        for path in orderedPaths
        where tunnels[path]?.configuration.start.value == .atBoot && !isManual(path) {
            initiate(path, packet: nil, at: now, into: &effects)
        }
        return effects
    }

    /// What the tokens of quick crash detection are made from (RFC 6290); call before `start`.
    package func useCrashSecret(_ secret: SecretBytes) { engine.useCrashSecret(secret) }

    /// What seals tickets (RFC 5723); call before `start`.
    package func useTicketSealer(_ sealer: TicketSealer) { engine.useTicketSealer(sealer) }

    /// Has inbound SAs belong to the worker that is the home of their policy, so that the packets of one
    /// tunnel are one worker's in both directions; call before `start`.
    package func steerSPIs(workers count: Int) {
        guard count > 1 else { return }
        let place = WorkerPlace(index: 0, of: count)
        engine.spiSteering = SPISteering(divisor: UInt32(count)) {
            [unowned self] connection, tunnel, slot in
            let path = TunnelPath(connection: connection, tunnel: tunnel)
            return numbering.policyOfTunnel[path].map {
                UInt32((place.home(of: $0) + slot) % count)
            }
        }
    }

    package func handle(_ event: ControlEvent, at now: Instant) -> [ControlEffect] {
        var effects: [ControlEffect] = []
        switch event {
        case .datagram(let datagram):
            absorb(engine.handle(.datagram(datagram), at: now), at: now, into: &effects)
        case .timeout:
            absorb(engine.handle(.timeout, at: now), at: now, into: &effects)
        case .streamOpened(let attempt, let local, let remote):
            let event = IKEEvent.streamOpened(attempt, local: local, remote: remote)
            absorb(engine.handle(event, at: now), at: now, into: &effects)
        case .streamFailed(let attempt, let reason):
            absorb(engine.handle(.streamFailed(attempt, reason), at: now), at: now, into: &effects)
        case .streamClosed(let local, let remote):
            let event = IKEEvent.streamClosed(local: local, remote: remote)
            absorb(engine.handle(event, at: now), at: now, into: &effects)
        case .packetPath(let event):
            handle(event, at: now, into: &effects)
        case .pathMTU(let remote, let octets):
            pathMTU(to: remote, octets: octets, at: now, into: &effects)
        case .localAddressFound(let connection, let remote, let address):
            localAddressFound(connection, to: remote, address, at: now, into: &effects)
        case .resolved(let host, let addresses, let lifetime):
            resolved(host, addresses, lifetime: lifetime, at: now, into: &effects)
            redirectionResolved(host, addresses, at: now, into: &effects)
        case .localAddressesChanged(let addresses):
            // RFC 9329 §5.1: what is known of UDP is known of the network of before.
            for name in connections.keys { connections[name]?.transport.forget() }
            let event = IKEEvent.localAddressesChanged(addresses)
            absorb(engine.handle(event, at: now), at: now, into: &effects)
        case .routeFound(let remote, let local):
            redirectionRouteFound(to: remote, local, at: now, into: &effects)
            let event = IKEEvent.routeFound(remote: remote, local: local)
            absorb(engine.handle(event, at: now), at: now, into: &effects)
        case .bringUp(let token, let connection, let tunnel):
            bringUp(token, paths(connection, tunnel), at: now, into: &effects)
        case .takeDown(let token, let connection, let tunnel):
            takeDown(token, connection, tunnel, at: now, into: &effects)
        case .rekey(let token, let connection, let what):
            rekey(token, connection, what, at: now, into: &effects)
        case .readCounters(let token):
            counters.wanted(by: token)
            readCounters(at: now, into: &effects)
        case .shutDown:
            isShuttingDown = true
            absorb(engine.handle(.shutDown, at: now), at: now, into: &effects)
        }
        afterwards(at: now, into: &effects)
        return effects
    }

    /// The TCP connections that IKE SAs go by or keep.
    package var streamsInUse: Set<StreamEnds> { engine.streamsInUse }

    /// When `ControlEvent.timeout` is due; nil: never.
    package var nextTimeout: Instant? {
        let due = sooner(engine.nextTimeout, counters.deadline)
        // Nothing is begun any more, but Deletes are repeated until they are answered.
        if isShuttingDown { return due }
        let reading = pairs.isEmpty ? nil : counters.nextReading
        return sooner(sooner(due, timers.next()), reading)
    }

    private func sooner(_ left: Instant?, _ right: Instant?) -> Instant? {
        guard let left, let right else { return left ?? right }
        return min(left, right)
    }

    /// Tunnels in the order of the configuration; for what looks at all of them.
    var orderedPaths: [TunnelPath] {
        configuration.connections.flatMap { $0.tunnels.map(\.path) }
    }

    func newIdentifier() -> SAIdentifier {
        lastIdentifier += 1
        return SAIdentifier(rawValue: lastIdentifier)
    }

    func paths(_ connection: String, _ tunnel: String?) -> [TunnelPath] {
        guard let tunnel else { return connections[connection]?.paths ?? [] }
        let path = TunnelPath(connection: connection, tunnel: tunnel)
        return tunnels[path] == nil ? [] : [path]
    }

    /// Takes in a tunnel that is new. Precondition: its policy is numbered.
    func insert(_ tunnel: TunnelConfiguration) {
        guard let policy = numbering.policyOfTunnel[tunnel.path] else { return }
        tunnels[tunnel.path] = TunnelRecord(configuration: tunnel, policy: policy)
        pathOfPolicy[policy] = tunnel.path
    }

    /// Works out what holds for all connections together.
    func settle(_ configuration: GatewayConfiguration) {
        // Often enough that a live peer is not asked for a sign of life, also where silence of one
        // second, the shortest that there is, leads to the question.
        let liveness = configuration.connections.compactMap(\.liveness.value).min()
        readingInterval = (liveness ?? .seconds(60)) / 3
        reserveManualSPIs()
        let namesBefore = Set(connectionsOfName.keys)
        connectionsOfName = [:]
        connectionsOfAddress = [:]
        for connection in configuration.negotiatedConnections {
            for peer in connection.remoteAddresses.value {
                switch peer {
                case .address(let address):
                    connectionsOfAddress[address, default: []].append(connection.name)
                case .name(let host): connectionsOfName[host, default: []].append(connection.name)
                case .range: break
                }
            }
        }
        for host in namesBefore.subtracting(connectionsOfName.keys).sorted() {
            names.forget(host)
            timers.cancel(.name(host))
        }
    }

    /// What is due by time, and what follows from the event just handled.
    func afterwards(at now: Instant, into effects: inout [ControlEffect]) {
        giveUpCounters(at: now, into: &effects)
        if isShuttingDown {
            if engine.isIdle { effects.append(.allClosed) }
            return
        }
        let wishes = overtaken
        overtaken = []
        for wish in wishes where tunnels[wish.path]?.isInitiating == true {
            call(wish.path, packet: wish.packet, at: now, into: &effects)
        }
        if !watchedEnds.isEmpty { settleWatchedEnds(at: now, into: &effects) }
        while let timer = timers.take(at: now) {
            switch timer {
            case .retry(let path): initiate(path, packet: nil, at: now, into: &effects)
            case .resources(let path): fillResources(path, at: now, into: &effects)
            case .classes(let path): fillClasses(path, at: now, into: &effects)
            case .name(let host): lookUpAgain(host, into: &effects)
            case .pathMTU(let remote): doubtPathMTU(to: remote, into: &effects)
            case .probePath(let remote): searchPath(to: remote, at: now, into: &effects)
            }
        }
        if !pairs.isEmpty, counters.isReadingDue(at: now) {
            readCounters(at: now, into: &effects)
        }
    }
}
