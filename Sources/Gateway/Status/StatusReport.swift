internal import Configuration
internal import ConnectionControl
internal import DataPlane
internal import IKEProtocol
internal import IPsecPrimitives
internal import Management
internal import PacketProtection

/// Puts together what `cygnet status` shows.
struct StatusReport {
    let controller: ConnectionController
    let now: Instant
    let startedAt: Instant
    let interface: InterfaceStatus
    /// Of route-based tunnels.
    let tunnelInterfaces: [TunnelPath: TunnelInterfaceStatus]
    let guardState: GuardStatus
    /// Drops that the data plane counts outside the packet path, by reason.
    let deviceDrops: [DropCount]
    let workers: [WorkerStatus]

    private let engine: EngineStatus
    private let associations: [SAIdentifier: SASnapshot]

    init(
        _ controller: ConnectionController,
        at now: Instant,
        startedAt: Instant,
        interface: InterfaceStatus,
        tunnelInterfaces: [TunnelPath: TunnelInterfaceStatus] = [:],
        guardState: GuardStatus,
        deviceDrops: [DropCount],
        workers: [WorkerStatus] = []
    ) {
        self.controller = controller
        self.now = now
        self.startedAt = startedAt
        self.interface = interface
        self.tunnelInterfaces = tunnelInterfaces
        self.guardState = guardState
        self.deviceDrops = deviceDrops
        self.workers = workers
        engine = controller.engineStatus(at: now)
        let snapshots = [controller.outboundCounters, controller.inboundCounters]
        associations = Dictionary(
            snapshots.compactMap(\.self).flatMap(\.associations).map { ($0.identifier, $0) },
            uniquingKeysWith: { first, _ in first }
        )
    }

    var status: GatewayStatus {
        let configuration = controller.configuration
        return GatewayStatus(
            version: cygnetVersion,
            configurationFile: configuration.file,
            uptimeSeconds: (now - startedAt).inSeconds,
            interface: interface,
            guardState: guardState,
            defaultPolicy: configuration.settings.defaultPolicy.rawValue,
            connections: configuration.connections.map(status(of:)),
            drops: drops,
            ike: IKECounts(engine),
            workers: workers,
            traffic: TrafficStatus.all(
                controller.trafficOwners,
                controller.outboundCounters?.traffic ?? []
            )
        )
    }

    private var drops: [DropCount] {
        var counts = deviceDrops
        for snapshot in [controller.outboundCounters, controller.inboundCounters] {
            guard let snapshot else { continue }
            counts += DropReason.allCases.map {
                DropCount(reason: "\($0)", packets: snapshot.dropCount($0))
            }
        }
        counts += engine.counters.dropped.map {
            DropCount(reason: "ike-\($0.key.rawValue)", packets: $0.value)
        }
        var sums: [String: UInt64] = [:]
        for count in counts { sums[count.reason, default: 0] += count.packets }
        return sums.filter { $0.value > 0 }
            .sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { DropCount(reason: $0.key, packets: $0.value) }
    }

    private func status(of connection: ConnectionConfiguration) -> ConnectionStatus {
        // While one SA replaces another, the newest that is established speaks for both.
        let ikeSAs = engine.ikeSAs.filter { $0.connection == connection.name }
        let ikeSA =
            ikeSAs.last { $0.stage == .established || $0.stage == .rekeying } ?? ikeSAs.last
        return ConnectionStatus(
            name: connection.name,
            state: connection.isManual ? .manual : state(of: ikeSA),
            localAddress: (connection.localAddress.value ?? ikeSA?.local.address)?.description,
            remoteAddress: (ikeSA?.remote.address ?? connection.onlyRemoteAddress)?.description,
            localIdentity: connection.localIdentity.value.description,
            remoteIdentity: connection.remoteIdentity.value.description,
            ikeSA: ikeSA.flatMap { $0.stage == .connecting ? nil : status(of: $0) },
            tunnels: connection.tunnels.map(status(of:)),
            lastFailure: controller.lastFailure(of: connection.name).map(status(of:))
        )
    }

    private func state(
        of ikeSA: IKEProtocol.IKESAStatus?
    ) -> ConnectionStatus.State {
        switch ikeSA?.stage {
        case nil: .down
        case .connecting: .connecting
        case .established, .rekeying: .established
        case .closing: .closing
        }
    }

    private func status(of ikeSA: IKEProtocol.IKESAStatus) -> Management.IKESAStatus {
        Management.IKESAStatus(
            initiatorSPI: ikeSA.initiatorSPI.description,
            responderSPI: ikeSA.responderSPI.description,
            role: ikeSA.isInitiator ? .initiator : .responder,
            localEndpoint: ikeSA.local.description,
            remoteEndpoint: ikeSA.remote.description,
            remoteIdentity: ikeSA.remoteIdentity ?? "",
            algorithms: ikeSA.suite ?? "",
            ageSeconds: ikeSA.age.inSeconds,
            resumed: ikeSA.isResumed ? true : nil,
            rekeyInSeconds: ikeSA.rekeyIn?.inSeconds,
            nat: position(ikeSA),
            ppk: ikeSA.usesPPK,
            fragmentSize: ikeSA.fragmentSize,
            extensions: ikeSA.extensions,
            window: Int(ikeSA.window),
            transport: ikeSA.transport == .tcp ? .tcp : .udp
        )
    }

    private func position(
        _ ikeSA: IKEProtocol.IKESAStatus
    ) -> Management.IKESAStatus.NATPosition {
        switch (ikeSA.isLocalBehindNAT, ikeSA.isRemoteBehindNAT) {
        case (false, false): .none
        case (true, false): .local
        case (false, true): .remote
        case (true, true): .both
        }
    }

    private func status(of tunnel: TunnelConfiguration) -> TunnelStatus {
        let state: TunnelStatus.State =
            switch controller.state(of: tunnel.path) {
            case .down: .down
            case .waitingForTraffic: .waitingForTraffic
            case .connecting: .connecting
            case .up: .established
            }
        return TunnelStatus(
            name: tunnel.name,
            state: state,
            policyOrder: controller.policyOrder(of: tunnel.path),
            start: tunnel.start.value.rawValue,
            interface: tunnelInterfaces[tunnel.path],
            localSelectors: tunnel.local.map(\.value.description),
            remoteSelectors: tunnel.remote.map(\.value.description),
            securityAssociations: controller.pairs(of: tunnel.path).compactMap(status(of:))
        )
    }

    private func status(of pair: ChildSAPair) -> Management.ChildSAStatus? {
        let children = engine.ikeSAs.flatMap(\.children)
        let child = children.first { $0.inboundSPI == pair.inboundSPI }
        if let manual = controller.manualAssociation(inboundSPI: pair.inboundSPI) {
            return status(of: pair, manual)
        }
        let isStreamed = isStreamed(pair)
        return Management.ChildSAStatus(
            inboundSPI: pair.inboundSPI.description,
            outboundSPI: pair.outboundSPI.description,
            algorithms: child?.suite ?? "",
            udpEncapsulation: !isStreamed && child?.isEncapsulated == true,
            traits: child.flatMap { traits($0, isStreamed: isStreamed) },
            isOutbound: pair.isOutboundActive,
            localSelectors: (child?.localSelectors ?? []).map(\.description),
            remoteSelectors: (child?.remoteSelectors ?? []).map(\.description),
            inbound: count(pair.inbound),
            outbound: count(pair.outbound),
            largestPacket: associations[pair.outbound]?.tunnelMTU,
            pathMTU: associations[pair.outbound]?.linkMTU,
            trafficFlow: TrafficFlowStatus(
                outbound: associations[pair.outbound]?.flow,
                inbound: associations[pair.inbound]?.flow
            ),
            compression: compression(of: pair),
            drops: drops(of: pair),
            ageSeconds: child?.age.inSeconds ?? 0,
            rekeyInSeconds: child?.rekeyIn?.inSeconds
        )
    }

    private func status(
        of pair: ChildSAPair,
        _ manual: ManualAssociation
    ) -> Management.ChildSAStatus {
        let description = manual.description
        return Management.ChildSAStatus(
            inboundSPI: pair.inboundSPI.description,
            outboundSPI: pair.outboundSPI.description,
            algorithms: description.suite,
            udpEncapsulation: description.isEncapsulated,
            traits: (description.isAuthenticationOnly ? ["AH"] : []) + description.traits,
            isOutbound: pair.isOutboundActive,
            localSelectors: description.localSelectors.map(\.description),
            remoteSelectors: description.remoteSelectors.map(\.description),
            inbound: count(pair.inbound),
            outbound: count(pair.outbound),
            largestPacket: associations[pair.outbound]?.tunnelMTU,
            pathMTU: associations[pair.outbound]?.linkMTU,
            compression: compression(of: pair),
            drops: drops(of: pair),
            ageSeconds: (now - manual.installedAt).inSeconds,
            rekeyInSeconds: nil
        )
    }

    /// Whether it goes along a TCP connection.
    private func isStreamed(_ pair: ChildSAPair) -> Bool {
        engine.ikeSAs.contains { sa in
            sa.transport == .tcp && sa.children.contains { $0.inboundSPI == pair.inboundSPI }
        }
    }

    /// What is not ordinary; how it travels first.
    private func traits(
        _ child: IKEProtocol.ChildSAStatus,
        isStreamed: Bool
    ) -> [String]? {
        let traits = (isStreamed ? ["in TCP"] : []) + child.traits
        return traits.isEmpty ? nil : traits
    }

    private func count(_ identifier: SAIdentifier) -> TrafficCount {
        associations[identifier].map { TrafficCount(packets: $0.packets, bytes: $0.octets) }
            ?? TrafficCount()
    }

    /// Nil where no packet can be compressed.
    private func compression(of pair: ChildSAPair) -> CompressionStatus? {
        guard let outbound = associations[pair.outbound], outbound.compresses else { return nil }
        let inbound = associations[pair.inbound]
        return CompressionStatus(
            sent: outbound.compressed.packets,
            received: inbound?.compressed.packets ?? 0,
            savedSending: outbound.compressed.savedOctets,
            savedReceiving: inbound?.compressed.savedOctets ?? 0
        )
    }

    /// Those that the packet path counts for each SA, of those that occurred.
    private func drops(of pair: ChildSAPair) -> [DropCount]? {
        let counts = [pair.inbound, pair.outbound].compactMap { associations[$0] }
            .flatMap(\.drops).filter { $0.packets > 0 }
        guard !counts.isEmpty else { return nil }
        return counts.map { DropCount(reason: "\($0.reason)", packets: $0.packets) }
    }

    private func status(of recorded: RecordedFailure) -> FailureStatus {
        FailureStatus(recorded.failure, ageSeconds: (now - recorded.at).inSeconds)
    }
}

extension IKECounts {
    init(_ engine: EngineStatus) {
        let counters = engine.counters
        self.init(
            halfOpen: engine.halfOpenSAs,
            messagesReceived: counters.received,
            messagesSent: counters.sent,
            retransmissions: counters.retransmitted,
            answersRepeated: counters.answeredAgain,
            cookiesDemanded: counters.cookiesGiven,
            cookiesReturned: counters.cookiesReturned,
            puzzlesDemanded: counters.puzzlesGiven,
            puzzlesSolved: counters.puzzlesSolved,
            cookiesShown: counters.cookiesShown,
            puzzlesWorkedOut: counters.puzzlesWorkedOut
        )
    }
}

extension FailureStatus {
    init(_ failure: NegotiationFailure, ageSeconds: Double = 0) {
        self.init(
            kind: failure.subject.kind,
            summary: failure.explanation,
            offered: failure.offered,
            accepted: failure.accepted,
            nearest: failure.nearest,
            configurationLine: failure.source,
            remedy: failure.remedy,
            ageSeconds: ageSeconds
        )
    }
}

extension NegotiationFailure.Subject {
    /// The steady word of the status schema.
    fileprivate var kind: String {
        switch self {
        case .connection: "connection"
        case .ikeProposal: "ike-proposal"
        case .childProposal: "esp-proposal"
        case .keyExchange: "key-exchange"
        case .trafficSelectors: "traffic-selectors"
        case .singlePair: "single-pair-required"
        case .childMode: "child-mode"
        case .aggregation: "ip-tfs"
        case .internalAddress: "internal-address"
        case .identity: "identity"
        case .secret: "wrong-secret"
        case .resumption: "resumption"
        case .encapsulation: "encapsulation"
        case .peerUnresponsive: "peer-unresponsive"
        case .refusedByPeer: "refused-by-peer"
        case .malformedMessage: "malformed-message"
        case .resources: "resources"
        }
    }
}

extension DropCount {
    /// What sockets and device lost.
    static func device(_ snapshot: DataPlaneSnapshot) -> [DropCount] {
        [
            DropCount(reason: "device-write-failed", packets: snapshot.deviceWriteFailures),
            DropCount(reason: "datagram-unsent", packets: snapshot.datagramsUnsent),
            DropCount(reason: "stream-queue-full", packets: snapshot.streamQueueFull),
            DropCount(reason: "stream-missing", packets: snapshot.streamMissing),
            DropCount(reason: "receive-truncated", packets: snapshot.receivesTruncated),
            DropCount(reason: "event-lost", packets: snapshot.eventsLost),
        ]
    }
}
