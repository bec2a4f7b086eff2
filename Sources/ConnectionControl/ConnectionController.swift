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
package final class ConnectionController {
    package let configuration: GatewayConfiguration
    let engine: IKEEngine
    let packetCipherBackEnd: PacketCipherBackEnd
    var random: any RandomSource

    var tunnels: [TunnelPath: TunnelRecord] = [:]
    /// Tunnels whose `retryAt` is set.
    var waitingForRetry: Set<TunnelPath> = []
    /// Wishes that wait for the local address of their connection.
    var waitingForAddress: [String: [(path: TunnelPath, packet: PacketTuple?)]] = [:]
    /// By inbound SPI.
    var pairs: [SPI: ChildSAPair] = [:]
    var pairOfAssociation: [SAIdentifier: SPI] = [:]
    var pathOfPolicy: [PolicyIdentifier: TunnelPath] = [:]
    var requests = PendingRequests()
    var counters = CounterReadings()
    var failures: [String: RecordedFailure] = [:]
    var isShuttingDown = false
    var lastActivation: UInt64 = 0
    private var lastIdentifier: UInt32 = 0

    /// The last thing that went wrong with a connection.
    package struct RecordedFailure: Hashable, Sendable {
        package let failure: NegotiationFailure
        package let at: Instant
    }

    package init(
        configuration: GatewayConfiguration,
        settings: EngineSettings,
        packetCipherBackEnd: PacketCipherBackEnd,
        random: any RandomSource,
        engineRandom: any RandomSource
    ) {
        self.configuration = configuration
        self.packetCipherBackEnd = packetCipherBackEnd
        self.random = random
        engine = IKEEngine(settings: settings, random: engineRandom)
        let policies = configuration.policyOfTunnel
        for connection in configuration.connections {
            for tunnel in connection.tunnels {
                guard let policy = policies[tunnel.path] else { continue }
                tunnels[tunnel.path] = TunnelRecord(configuration: tunnel, policy: policy)
                pathOfPolicy[policy] = tunnel.path
            }
        }
    }

    /// Puts the policies in force and begins what starts at boot. Call once, first.
    package func start(credentials: CredentialStore, at now: Instant) -> [ControlEffect] {
        var effects: [ControlEffect] = [
            .packetPath(.replacePolicies(configuration.policyEntries))
        ]
        let connections = configuration.connections.map(IKEConnection.init)
        absorb(
            engine.setConnections(connections, credentials: credentials, at: now),
            at: now,
            into: &effects
        )
        for path in orderedPaths where tunnels[path]?.configuration.start.value == .atBoot {
            initiate(path, packet: nil, at: now, into: &effects)
        }
        return effects
    }

    package func handle(_ event: ControlEvent, at now: Instant) -> [ControlEffect] {
        var effects: [ControlEffect] = []
        switch event {
        case .datagram(let datagram):
            absorb(engine.handle(.datagram(datagram), at: now), at: now, into: &effects)
        case .timeout:
            absorb(engine.handle(.timeout, at: now), at: now, into: &effects)
        case .packetPath(let event):
            handle(event, at: now, into: &effects)
        case .pathMTU(let remote, let octets):
            pathMTU(to: remote, octets: octets, into: &effects)
        case .localAddressFound(let connection, let address):
            localAddressFound(connection, address, at: now, into: &effects)
        case .bringUp(let token, let connection, let tunnel):
            bringUp(token, paths(connection, tunnel), at: now, into: &effects)
        case .takeDown(let token, let connection, let tunnel):
            takeDown(token, connection, tunnel, at: now, into: &effects)
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

    /// When `ControlEvent.timeout` is due; nil: never.
    package var nextTimeout: Instant? {
        let retry = waitingForRetry.compactMap { tunnels[$0]?.retryAt }.min()
        let reading = pairs.isEmpty ? nil : counters.nextReading
        return [engine.nextTimeout, retry, reading].compactMap(\.self).min()
    }

    /// Tunnels in the order of the configuration.
    var orderedPaths: [TunnelPath] {
        configuration.connections.flatMap { $0.tunnels.map(\.path) }
    }

    func newIdentifier() -> SAIdentifier {
        lastIdentifier += 1
        return SAIdentifier(rawValue: lastIdentifier)
    }

    func paths(_ connection: String, _ tunnel: String?) -> [TunnelPath] {
        orderedPaths.filter {
            $0.connection == connection && (tunnel == nil || $0.tunnel == tunnel)
        }
    }

    /// What is due by time, and what follows from the event just handled.
    private func afterwards(at now: Instant, into effects: inout [ControlEffect]) {
        if isShuttingDown {
            if engine.isIdle { effects.append(.allClosed) }
            return
        }
        for path in waitingForRetry.sorted() where tunnels[path].map({ $0.isDue(now) }) ?? false {
            waitingForRetry.remove(path)
            tunnels[path]?.retryAt = nil
            initiate(path, packet: nil, at: now, into: &effects)
        }
        if !pairs.isEmpty, counters.isReadingDue(at: now) {
            readCounters(at: now, into: &effects)
        }
    }
}

extension TunnelRecord {
    func isDue(_ now: Instant) -> Bool { retryAt.map { $0 <= now } ?? false }
}
