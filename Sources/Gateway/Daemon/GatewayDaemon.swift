package import Configuration
internal import ConnectionControl
internal import DataPlane
internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives
package import LinuxIO
package import Logging
internal import Management
internal import PacketProtection

/// The running gateway: sockets, device, clock and control socket around the pure modules.
///
/// One thread runs it, over one event loop; the packet path has threads of its own.
package final class GatewayDaemon {
    /// How long peers may take to answer the Deletes of a shut-down.
    private static let closingTime = Duration.seconds(3)
    /// How often local addresses are looked at again.
    static let housekeepingInterval = Duration.seconds(10)

    var configuration: GatewayConfiguration
    var secrets: ConnectionSecrets
    var logger: Logger
    let loop: EventLoop
    let controller: ConnectionController
    let network: NetworkConfiguration
    let names: NameResolver
    let sockets: ListeningSockets
    private let room = DatagramRoom()
    let streams: StreamPool
    /// That of policy-based tunnels.
    var device: TUNDevice
    /// What tells marks apart, where traffic classes ask for any.
    let steering: MarkSteering?
    var deviceMTU: Int
    var tunnelDevices: TunnelDevices
    /// What the packet path has of them.
    var attached: [DeviceNumber: TUNDevice] = [:]
    /// Peers whose way leads into a tunnel, and its interface.
    var circles: [IPAddress: String] = [:]
    let dataPlane: DataPlane
    let workers: WorkerPlan
    let management: ManagementServer
    let backEnd: PacketCipherBackEnd
    let startedAt: Instant

    private let signals: SignalDescriptor
    private let timer: TimerDescriptor
    private let crashSecret: SecretBytes?
    private let ticketSealer: TicketSealer?
    let housekeeping: TimerDescriptor
    let networkWatch: NetlinkWatch
    let guardWatch: GuardWatch
    var keptGuard = KeptGuard()
    let claim: NamespaceClaim?
    /// Set while news of the network wait for more to come.
    let networkPause: TimerDescriptor
    let notifier: ServiceNotifier
    var localAddresses: [IPAddress]
    /// What the kernel has to do for the configuration in force.
    var plans: KernelPlans
    private(set) var isClosing = false
    var traces: RunningTraces
    var questions = OpenQuestions()
    private let queue = EffectQueue<ControlEffect>()
    /// Why the gateway ends, when it is not in good order.
    private var failure: SystemCallFailure?

    /// Takes everything that needs privileges, then gives the privileges up.
    ///
    /// - Parameters:
    ///   - claim: to be the one gateway of this network namespace; held while this one lives.
    ///   - notifySocket: the service manager's `NOTIFY_SOCKET`, if there is one.
    package init(
        _ claim: NamespaceClaim?,
        configuration: GatewayConfiguration,
        secrets: ConnectionSecrets,
        logger: Logger,
        notifySocket: String?
    ) throws(SystemCallFailure) {
        self.claim = claim
        self.configuration = configuration
        self.secrets = secrets
        self.logger = logger
        notifier = ServiceNotifier(socketPath: notifySocket)
        startedAt = BootClock.now()
        crashSecret = configuration.settings.crashDetection ? CrashSecret.load(logger) : nil
        ticketSealer = TicketSecret.sealer(
            isWanted: configuration.connections.contains { $0.establishment.isResumable.value },
            logger,
            now: startedAt
        )
        let settings = configuration.settings
        try Privileges.demand()
        // Before any thread is started: they inherit the blocked signals.
        signals = try SignalDescriptor()
        loop = try EventLoop()
        (timer, housekeeping) = (try TimerDescriptor(), try TimerDescriptor())
        networkPause = try TimerDescriptor()
        traces = try RunningTraces()
        // Before the addresses are read: what changes in between is heard.
        networkWatch = try NetlinkWatch(.network)
        guardWatch = try GuardWatch()
        network = try NetworkConfiguration()
        let mark = PacketMark(value: settings.firewallMark, mask: settings.firewallMask)
        names = try NameResolver(loop: loop, mark: mark)
        localAddresses = try network.localAddresses()

        // The guard first: from here on nothing leaks, whatever fails below.
        plans = KernelPlans(configuration, localAddresses: localAddresses)
        try keptGuard.set(plans, network)
        workers = try WorkerPlan(settings)
        sockets = try ListeningSockets(settings, workers: workers.count)
        streams = try StreamPool(loop: loop, mark: mark)
        let ports = ListeningSockets.streamEndpoints(configuration)
        if let refused = streams.listen(at: ports).first { throw refused }
        (device, steering) = try configuration.openDevice(queues: workers.count)
        tunnelDevices = TunnelDevices(queues: workers.count, steering: steering)
        deviceMTU = TunnelDeviceMTU.octets(for: configuration)
        try network.setLinkUp(settings.interfaceName, mtu: deviceMTU, queueLength: 10_000)
        try tunnelDevices.open(configuration, network)
        try network.removeUnusedTunnelInterfaces()  // Of configurations before.
        try keptGuard.applyRouting(plans, network)
        management = try ManagementServer(path: settings.controlSocket, loop: loop)
        backEnd = PacketCipherBackEnd(settings.packetCipher)
        controller = ConnectionController(
            configuration: configuration,
            settings: EngineSettings(configuration),
            packetCipherBackEnd: backEnd,
            random: SystemRandomSource(),
            engineRandom: PooledRandomSource()
        )
        try GatewayDaemon.confine(configuration, logger)
        dataPlane = try DataPlane.start(
            DataPlaneConfiguration(
                PacketPathConfiguration(configuration, localAddresses: localAddresses),
                settings,
                device,
                sockets,
                workers
            )
        )
    }

    /// Runs until a signal or a client ends it, and leaves in good order.
    package func run() throws(SystemCallFailure) {
        try register()
        let now = BootClock.now()
        keepKeysForTraces()
        if configuration.settings.crashDetection, let crashSecret {
            controller.useCrashSecret(crashSecret)
        }
        if let ticketSealer { controller.useTicketSealer(ticketSealer) }
        controller.steerSPIs(workers: workers.count)
        controller.cipherThreads = configuration.settings.cipherThreads
        handle(.localAddressesChanged(localAddresses))
        perform(
            controller.start(
                credentials: secrets.credentials,
                manualKeys: secrets.manualKeys,
                at: now
            ),
            at: now
        )
        attached = [.shared: device]
        attachInterfaces()
        lookForCircles()
        housekeeping.arm(at: now + GatewayDaemon.housekeepingInterval)
        logger.notice(
            """
            cygnet \(cygnetVersion) runs: \(configuration.connections.count) connections, device \
            \(device.name) with MTU \(deviceMTU), packet cipher \(backEnd.name)
            """
        )
        notifier.ready(status: "\(configuration.connections.count) connections")
        try loop.run()
        management.stop()
        streams.stop()
        dataPlane.stop()
        logger.notice("stopped; the guard stays: protected traffic cannot leave or enter in clear")
        if let failure { throw failure }
    }

    private func register() throws(SystemCallFailure) {
        try loop.add(signals.number) { [unowned self] _ in
            while let signal = signals.next() { handle(signal: signal) }
        }
        try loop.add(timer.number) { [unowned self] _ in
            timer.acknowledge()
            handle(.timeout)
        }
        try loop.add(housekeeping.number) { [unowned self] _ in
            housekeeping.acknowledge()
            keepHouse()
        }
        try registerNetworkWatch()
        try registerGuardWatch()
        registerStreams()
        try registerTraces()
        for socket in sockets.ike {
            try loop.add(socket.number) { [unowned self] _ in receive(from: socket) }
        }
        try loop.add(dataPlane.eventDescriptor) { [unowned self] _ in
            for event in dataPlane.drainEvents() { take(event) }
        }
        management.onRequest = { [unowned self] token, request in answer(request, token) }
        management.onGone = { [unowned self] token in
            controller.forget(token)
            endTrace(token)
            questions.forget(token)
        }
        try management.start()
    }

    func handle(_ event: ControlEvent) {
        let now = BootClock.now()
        perform(controller.handle(event, at: now), at: now)
    }

    /// Carries out effects, those included that follow from them.
    func perform(_ effects: [ControlEffect], at now: Instant) {
        queue.run(effects) { perform($0) }
        timer.arm(at: controller.nextTimeout)
    }

    private func perform(_ effect: ControlEffect) {
        switch effect {
        case .send(let datagram) where datagram.transport == .tcp: streams.send(datagram)
        case .openStream(let attempt, let local, let remote):
            streams.open(attempt, from: local, to: remote)
        case .abandonStream(let attempt): streams.abandon(attempt)
        case .closeStream(let local, let remote):
            streams.close(StreamEnds(local: local, remote: remote))
        case .send(let datagram):
            do throws(SystemCallFailure) { try sockets.send(datagram) } catch {
                logger.debug("cannot send to \(datagram.remote): \(error)")
            }
        case .sendKeepalive(let local, let remote):
            do throws(SystemCallFailure) {
                try sockets.sendKeepalive(local: local, remote: remote)
            } catch {
                logger.debug("cannot send a keepalive to \(remote): \(error)")
            }
        case .packetPath(let command): post(command)
        case .findLocalAddress(let connection, let remote):
            let route = outerRoute(to: remote)
            handle(.localAddressFound(connection: connection, remote: remote, route?.source))
        case .resolve(let name):
            names.resolve(name) { [unowned self] answer in
                handle(
                    .resolved(
                        name: name,
                        addresses: answer.addresses,
                        lifetime: answer.lifetime
                    )
                )
            }
        case .findRoute(let remote):
            let route = outerRoute(to: remote)
            handle(.routeFound(remote: remote, local: route?.source))
        case .report(let report): logger.report(report)
        case .requestProgress(let token, let line): management.reply(.progress(line), to: token)
        case .requestEnded(let token, .done(let text)): management.reply(.done(text), to: token)
        case .requestEnded(let token, .failed(let failure)):
            management.reply(.failed(FailureStatus(failure)), to: token)
        case .countersReady(let token):
            management.reply(.status(statusReport()), to: token)
        case .allClosed: if isClosing { loop.stop() }
        }
    }

    private func take(_ event: DataPlaneEvent) {
        switch event {
        case .packetPath(.answer(let token, let answer)): take(answer, token)
        case .packetPath(let event): handle(.packetPath(event))
        case .ikeDatagram(let datagram):
            guard sockets.mayReceive(on: datagram.local) else { return }
            handle(
                .datagram(
                    IKEDatagram(
                        bytes: datagram.bytes,
                        local: datagram.local,
                        remote: datagram.remote
                    )
                )
            )
        case .pathMTU(let remote, let mtu):
            if mtu > 0 {
                logger.info("the path to \(remote) carries no more than \(mtu) octets")
            }
            handle(.pathMTU(remote: remote.address, octets: mtu))
        case .streamMessage(let number, let bytes): streams.received(bytes, along: number)
        case .streamEnded(let number, let ending): take(number, ending)
        case .deviceLost(let number) where number != .shared:
            if !isClosing { restoreInterface(number) }
        case .deviceLost:
            logger.error("somebody deleted \(device.name)")
            failure = SystemCallFailure(
                call: "poll(\(device.name))",
                errorNumber: 19,
                remedy: "Start the gateway again, and leave its device to it."
            )
            if !isClosing { close() }
        }
    }

    private func receive(from socket: UDPSocket) {
        // Bounded, so that a flood on this socket cannot keep the loop to itself.
        for _ in 0..<8 {
            let (datagrams, isMore) = socket.receive(into: room)
            for datagram in datagrams where sockets.mayReceive(on: datagram.local) {
                handle(
                    .datagram(
                        IKEDatagram(
                            bytes: datagram.bytes,
                            local: datagram.local,
                            remote: datagram.remote
                        )
                    )
                )
            }
            if !isMore { return }
        }
    }

    private func handle(signal: Int32) {
        if signal == SignalDescriptor.hangUp {
            if !isClosing { reloadBySignal() }
            return
        }
        if isClosing { loop.stop() } else { close() }
    }

    /// Tells every peer, waits a little for their answers, and ends the loop.
    private func close() {
        isClosing = true
        logger.notice("stopping: telling the peers")
        notifier.stopping()
        let now = BootClock.now()
        do throws(SystemCallFailure) {
            let deadline = try TimerDescriptor()
            deadline.arm(at: now + GatewayDaemon.closingTime)
            try loop.add(deadline.number) { [unowned self] _ in
                loop.remove(deadline.number)
                loop.stop()
            }
        } catch {
            loop.stop()
        }
        perform(controller.handle(.shutDown, at: now), at: now)
    }

    private func answer(_ request: ManagementRequest, _ token: RequestToken) {
        switch request {
        case .status: handle(.readCounters(token))
        case .reload: management.reply(.reloaded(reload()), to: token)
        case .trace(let request): beginTrace(request, token)
        case .explain(let packet): ask(packet, token)
        case .up(let connection, let tunnel):
            if let failure = unknown(connection, tunnel) {
                management.reply(.failed(failure), to: token)
            } else {
                handle(.bringUp(token, connection: connection, tunnel: tunnel))
            }
        case .down(let connection, let tunnel):
            if let failure = unknown(connection, tunnel) {
                management.reply(.failed(failure), to: token)
            } else {
                handle(.takeDown(token, connection: connection, tunnel: tunnel))
            }
        case .rekey(let connection, let tunnel, let isIKESA):
            if let failure = unknown(connection, tunnel) {
                management.reply(.failed(failure), to: token)
            } else {
                let what = isIKESA ? KeySubject.ikeSA : .childSAs(tunnel: tunnel)
                handle(.rekey(token, connection: connection, what))
            }
        case .stop:
            management.reply(.done("stopping"), to: token)
            if !isClosing { close() }
        }
    }

    private func unknown(_ connection: String, _ tunnel: String?) -> FailureStatus? {
        guard let found = configuration.connection(named: connection) else {
            let names = configuration.connections.map(\.name).joined(separator: ", ")
            return FailureStatus(
                kind: "unknown-name",
                summary: "\(configuration.file) has no connection \(connection)",
                remedy: "name one of: \(names)"
            )
        }
        guard let tunnel, !found.tunnels.contains(where: { $0.name == tunnel }) else { return nil }
        let names = found.tunnels.map(\.name).joined(separator: ", ")
        return FailureStatus(
            kind: "unknown-name",
            summary: "connection \(connection) has no tunnel \(tunnel)",
            remedy: "name one of: \(names)"
        )
    }

    private func statusReport() -> GatewayStatus {
        StatusReport(
            controller,
            at: BootClock.now(),
            startedAt: startedAt,
            interface: InterfaceStatus(
                name: device.name,
                mtu: deviceMTU,
                packetCipher: backEnd.name
            ),
            tunnelInterfaces: interfaceStatus,
            guardState: guardWatch.failure == nil ? keptGuard.state() : .incomplete,
            deviceDrops: DropCount.device(dataPlane.snapshot()),
            workers: WorkerStatus.all(dataPlane.workerSnapshots(), workers)
        ).status
    }
}
