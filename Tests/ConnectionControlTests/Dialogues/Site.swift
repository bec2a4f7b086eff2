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
    /// Whether a route leads to the peer.
    var hasRoute = true
    /// Leaves the question for the local address open.
    var keepsAddressBack = false
    private(set) var addressQuestions = 0
    private(set) var policies: [PolicyEntry] = []
    private(set) var inbound: [SAIdentifier: InboundSAParameters] = [:]
    private(set) var outbound: [SAIdentifier: OutboundSAParameters] = [:]
    /// When an outbound SA was last made the preferred one; without an entry it is not used.
    private var activation: [SAIdentifier: Int] = [:]
    private var activations = 0
    private(set) var reports: [IKEReport] = []
    private(set) var progress: [RequestToken: [String]] = [:]
    private(set) var outcomes: [RequestToken: RequestOutcome] = [:]
    private(set) var countersReady: [RequestToken] = []
    private(set) var dropsOfHeldPackets = 0
    private(set) var linkMTUs: [SAIdentifier: Int] = [:]
    private(set) var isAllClosed = false
    private let credentials: CredentialStore

    init(_ text: String, address: String, secret: String, seed: UInt64) throws {
        let result = GatewayConfiguration.read(Array(text.utf8), file: "site.yaml")
        #expect(result.diagnostics.isEmpty)
        let configuration = try #require(result.configuration)
        self.address = IPAddress(address)!
        var store = CredentialStore()
        for connection in configuration.connections {
            store.addPresharedKey(SecretBytes(Array(secret.utf8)), for: connection)
        }
        credentials = store
        controller = ConnectionController(
            configuration: configuration,
            settings: EngineSettings(),
            packetCipherBackEnd: .automatic,
            random: SeededRandomSource(seed: seed),
            engineRandom: SeededRandomSource(seed: seed &+ 1000)
        )
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
            case .packetPath(let command): apply(command, at: now)
            case .findLocalAddress(let connection, _):
                addressQuestions += 1
                guard !keepsAddressBack else { continue }
                answerAddress(connection, at: now)
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
        handle(.localAddressFound(connection: connection, hasRoute ? address : nil), at: now)
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
        case .replacePolicies(let entries): policies = entries
        case .dropHeldPackets: dropsOfHeldPackets += 1
        case .setLinkMTU(let identifier, let octets): linkMTUs[identifier] = octets
        case .query(let token):
            for isOutbound in [true, false] {
                let snapshot = PacketPathSnapshot(
                    isOutbound: isOutbound,
                    associations: [],
                    drops: [],
                    heldPackets: 0
                )
                handle(.packetPath(.snapshot(token: token, snapshot)), at: now)
            }
        case .updatePath, .setErrorSources: break
        }
    }

    private func activate(_ identifier: SAIdentifier) {
        activations += 1
        activation[identifier] = activations
    }

    /// The outbound SA that new packets of a tunnel take.
    func outboundInUse(_ tunnel: String = "net") -> OutboundSAParameters? {
        let path = TunnelPath(connection: "site", tunnel: tunnel)
        guard let policy = controller.policyOrder(of: path).map({ UInt32($0 - 1) }) else {
            return nil
        }
        return outbound.values.filter { $0.policy.rawValue == policy }
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
