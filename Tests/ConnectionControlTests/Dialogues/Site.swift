import Configuration
import ConnectionControl
import IKECredentials
import IKEProtocol
import IPsecCrypto
import IPsecPrimitives
import PacketProtection
import Testing

/// One controller, with a packet path that only keeps books.
final class Site {
    let controller: ConnectionController
    let address: IPAddress
    var outbox: [IKEDatagram] = []
    /// TCP connections that control wants opened.
    private(set) var openings: [(attempt: StreamAttempt, remote: Endpoint)] = []
    /// Whether a route leads to the peer.
    var hasRoute = true
    /// Whether packets arrive by every inbound SA all the time.
    var isReceiving = false
    /// Leaves the question for the local address open.
    var keepsAddressBack = false
    private(set) var addressQuestions = 0
    private(set) var nameQuestions: [String] = []
    /// What the DNS says, at once; a name that is not here waits for an answer.
    var answersOfNames: [String: [IPAddress]] = [:]
    private var lastQuestion: IPAddress?
    private(set) var policies: [PolicyEntry] = []
    private(set) var policyReplacements = 0
    /// Each plan that the packet path was told of.
    private(set) var traffic: [TrafficPlan] = []
    private(set) var inbound: [SAIdentifier: InboundSAParameters] = [:]
    private(set) var outbound: [SAIdentifier: OutboundSAParameters] = [:]
    /// When an outbound SA was last made the preferred one; without an entry it is not used.
    private var activation: [SAIdentifier: Int] = [:]
    private var activations = 0
    private(set) var reports: [IKEReport] = []
    private(set) var progress: [RequestToken: [String]] = [:]
    private(set) var outcomes: [RequestToken: RequestOutcome] = [:]
    private(set) var countersReady: [RequestToken] = []
    private(set) var queries = 0
    /// Whether the packet path's answers of one direction are lost.
    var isInboundSilent = false
    private(set) var dropsOfHeldPackets = 0
    private(set) var droppedFlows: [PacketTuple] = []
    private(set) var linkMTUs: [SAIdentifier: Int] = [:]
    private(set) var isAllClosed = false
    private var credentials: CredentialStore
    /// The configuration in force.
    private(set) var text: String
    private(set) var secret: String

    init(_ text: String, address: String, secret: String, seed: UInt64) throws {
        let configuration = try Site.read(text)
        self.text = text
        self.secret = secret
        self.address = IPAddress(address)!
        credentials = Site.credentials(secret, for: configuration)
        controller = ConnectionController(
            configuration: configuration,
            settings: EngineSettings(),
            packetCipherBackEnd: .automatic,
            random: SeededRandomSource(seed: seed),
            engineRandom: SeededRandomSource(seed: seed &+ 1000)
        )
    }

    private static func read(_ text: String) throws -> GatewayConfiguration {
        let result = GatewayConfiguration.read(
            Array(text.utf8),
            file: "site.yaml",
            carriedBy: .everything
        )
        #expect(result.diagnostics.isEmpty)
        return try #require(result.configuration)
    }

    private static func credentials(
        _ secret: String,
        for configuration: GatewayConfiguration
    ) -> CredentialStore {
        var store = CredentialStore()
        for connection in configuration.connections {
            store.addPresharedKey(SecretBytes(Array(secret.utf8)), for: connection)
        }
        return store
    }

    /// Puts another configuration in force, as `cygnet reload` does.
    @discardableResult
    func reload(
        _ text: String,
        secret: String? = nil,
        at now: Instant
    ) throws -> ConfigurationChange {
        let configuration = try Site.read(text)
        let store = Site.credentials(secret ?? self.secret, for: configuration)
        let change = controller.change(to: configuration, credentials: store)
        if change.refusals.isEmpty {
            self.text = text
            self.secret = secret ?? self.secret
            credentials = store
        }
        perform(controller.reload(configuration, credentials: store, at: now), at: now)
        return change
    }

    func start(at now: Instant) {
        perform(controller.start(credentials: credentials, at: now), at: now)
    }

    func handle(_ event: ControlEvent, at now: Instant) {
        perform(controller.handle(event, at: now), at: now)
    }

    private func perform(_ effects: [ControlEffect], at now: Instant) {
        for effect in effects {
            switch effect {
            case .send(let datagram): outbox.append(datagram)
            case .sendKeepalive: break
            case .openStream(let attempt, _, let remote): openings.append((attempt, remote))
            case .abandonStream, .closeStream: break
            case .packetPath(let command): apply(command, at: now)
            case .findLocalAddress(let connection, let remote):
                addressQuestions += 1
                lastQuestion = remote
                guard !keepsAddressBack else { continue }
                answerAddress(connection, at: now)
            case .resolve(let name):
                nameQuestions.append(name)
                guard let answer = answersOfNames[name] else { continue }
                handle(
                    .resolved(name: name, addresses: answer, lifetime: .seconds(60)),
                    at: now
                )
            case .findRoute(let remote):
                let answer = hasRoute ? address : nil
                handle(.routeFound(remote: remote, local: answer), at: now)
            case .report(let report): reports.append(report)
            case .requestProgress(let token, let line):
                #expect(outcomes[token] == nil)
                progress[token, default: []].append(line)
            case .requestEnded(let token, let outcome):
                #expect(outcomes[token] == nil)
                outcomes[token] = outcome
            case .countersReady(let token): countersReady.append(token)
            case .allClosed: isAllClosed = true
            }
        }
    }

    func answerAddress(_ connection: String, at now: Instant) {
        guard let remote = lastQuestion else { return }
        let answer = hasRoute ? address : nil
        handle(.localAddressFound(connection: connection, remote: remote, answer), at: now)
    }

    private func apply(_ command: PacketPathCommand, at now: Instant) {
        switch command {
        case .installInbound(let parameters):
            inbound[parameters.identifier] = parameters
            linkMTUs[parameters.identifier] = parameters.linkMTU
        case .installOutbound(let parameters):
            outbound[parameters.identifier] = parameters
            linkMTUs[parameters.identifier] = parameters.linkMTU
            if parameters.isActive { activate(parameters.identifier) }
        case .activateOutbound(let identifier): activate(identifier)
        case .removeSA(let identifier):
            inbound[identifier] = nil
            outbound[identifier] = nil
            activation[identifier] = nil
        case .replacePolicies(let entries):
            policies = entries
            policyReplacements += 1
        case .adoptPolicies: Issue.record("control has policies made ready nowhere")
        case .dropHeldPackets: dropsOfHeldPackets += 1
        case .dropHeldFlow(_, let packet):
            dropsOfHeldPackets += 1
            droppedFlows.append(packet)
        case .setLinkMTU(let identifier, let octets): linkMTUs[identifier] = octets
        case .query(let token):
            queries += 1
            for isOutbound in [true, false] where !isInboundSilent || isOutbound {
                let snapshot = PacketPathSnapshot(
                    isOutbound: isOutbound,
                    associations: isOutbound || !isReceiving ? [] : used(at: now),
                    drops: [],
                    heldPackets: 0
                )
                handle(.packetPath(.snapshot(token: token, snapshot)), at: now)
            }
        case .setTraffic(let plan): traffic.append(plan)
        case .updatePath, .setErrorSource, .ask, .beginTrace, .endTrace: break
        }
    }

    /// Every inbound SA as one that has just carried a packet.
    private func used(at now: Instant) -> [SASnapshot] {
        inbound.values.sorted { $0.spi < $1.spi }.map { association in
            SASnapshot(
                identifier: association.identifier,
                policy: association.policy,
                spi: association.spi,
                path: association.path,
                packets: 1,
                octets: 100,
                sequence: 1,
                lastUse: now
            )
        }
    }

    private func activate(_ identifier: SAIdentifier) {
        activations += 1
        activation[identifier] = activations
    }

    /// The outbound SA that new packets of a tunnel take.
    func outboundInUse(_ tunnel: String = "net") -> OutboundSAParameters? {
        let path = TunnelPath(connection: "site", tunnel: tunnel)
        guard let policy = controller.policy(of: path) else { return nil }
        return outbound.values.filter { $0.policy == policy }
            .filter { activation[$0.identifier] != nil }
            .max { activation[$0.identifier]! < activation[$1.identifier]! }
    }

    func state(_ tunnel: String = "net") -> TunnelState {
        controller.state(of: TunnelPath(connection: "site", tunnel: tunnel))
    }

    func pairs(_ tunnel: String = "net") -> [ChildSAPair] {
        controller.pairs(of: TunnelPath(connection: "site", tunnel: tunnel))
    }

    func count(_ isWanted: (IKEReport.Event) -> Bool) -> Int {
        reports.count { isWanted($0.event) }
    }
}
