internal import Configuration
internal import ConnectionControl
internal import IKECredentials
internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives

/// One gateway: the daemon's pure parts, and what stands for sockets and device around them.
final class SimulatedGateway {
    let plan: GatewayPlan
    var index: Int { plan.index }
    /// How often it has been started.
    private(set) var life = 0
    /// How often it has lost its disk.
    private var disk = 0
    /// Nil while it does not run.
    private(set) var controller: ConnectionController?
    private(set) var path: PacketPath?
    private(set) var configuration: GatewayConfiguration?
    /// The moment for which the timer is set; what is set for another moment is void.
    var timer: UInt64?
    /// Told to stop, and waiting for the peers.
    var isClosing = false
    /// All peers have answered, or are given up.
    var hasClosed = false

    /// A file that has not changed reads as it did.
    private var lastRead: (text: String, configuration: GatewayConfiguration)?

    init(_ plan: GatewayPlan) { self.plan = plan }

    var isRunning: Bool { controller != nil }

    /// Reads its configuration and makes everything anew; `start` follows.
    func boot(
        _ scenario: Scenario,
        at now: Instant,
        observer: @escaping (ChildSAInstallation) -> Void
    ) throws(SetupFailure) -> CredentialStore {
        let configuration = try read(scenario)
        life += 1
        let controller = ConnectionController(
            configuration: configuration,
            settings: settings(configuration),
            packetCipherBackEnd: .automatic,
            random: GatewayRandomness(seed: scenario.seed, gateway: index, life: life, purpose: 0),
            engineRandom: GatewayRandomness(
                seed: scenario.seed,
                gateway: index,
                life: life,
                purpose: 1
            ),
            keyEncapsulation: scenario.keyExchange
        )
        controller.installationObserver = observer
        // The clock on the wall goes on, and the secret is on the disk: both outlive a crash, if the
        // disk does.
        var seal = GatewayRandomness(seed: scenario.seed, gateway: index, life: disk, purpose: 3)
        let sealer = TicketSealer(
            secret: SecretBytes(seal.bytes(32)),
            secondsSince1970: 1_900_000_000 + now.nanoseconds / 1_000_000_000,
            at: now
        )
        if let sealer { controller.useTicketSealer(sealer) }
        if plan.detectsCrashes { controller.useCrashSecret(crashSecret(scenario)) }
        let credentials = credentials(configuration, scenario)
        self.configuration = configuration
        self.controller = controller
        path = PacketPath(tunnels: configuration.connections.reduce(0) { $0 + $1.tunnels.count })
        timer = nil
        isClosing = false
        hasClosed = false
        return credentials
    }

    private func credentials(
        _ configuration: GatewayConfiguration,
        _ scenario: Scenario
    ) -> CredentialStore {
        var credentials = CredentialStore()
        for peering in scenario.peerings where peering.isConfigured(at: index) {
            guard let connection = configuration.connection(named: peering.name) else { continue }
            let secret = SecretBytes(Array(peering.end(of: index).secret.utf8))
            credentials.addPresharedKey(secret, for: connection)
        }
        return credentials
    }

    /// Reads its configuration again, as `cygnet reload` does.
    func reload(_ scenario: Scenario, at now: Instant) throws(SetupFailure) -> [ControlEffect] {
        guard let controller else { return [] }
        let configuration = try read(scenario)
        self.configuration = configuration
        controller.adopt(settings(configuration))
        return controller.reload(
            configuration,
            credentials: credentials(configuration, scenario),
            at: now
        )
    }

    private func read(_ scenario: Scenario) throws(SetupFailure) -> GatewayConfiguration {
        let text = ConfigurationText.text(for: index, of: scenario)
        if let lastRead, lastRead.text == text { return lastRead.configuration }
        let result = GatewayConfiguration.read(
            Array(text.utf8),
            file: "\(plan.name).yaml"
        )
        if let configuration = result.configuration {
            lastRead = (text, configuration)
            return configuration
        }
        throw SetupFailure(
            text: "\(plan.name): " + (result.errors.first?.message ?? "no configuration")
        )
    }

    private func settings(_ configuration: GatewayConfiguration) -> EngineSettings {
        var settings = EngineSettings(configuration)
        settings.exposesKeys = true
        if let limit = plan.childLimit { settings.childLimit = limit }
        return settings
    }

    /// What the daemon keeps on its disk from life to life (RFC 6290 §5.1).
    private func crashSecret(_ scenario: Scenario) -> SecretBytes {
        var random = GatewayRandomness(
            seed: scenario.seed,
            gateway: index,
            life: disk,
            purpose: 2
        )
        return SecretBytes(random.bytes(32))
    }

    func loseState() { disk += 1 }

    /// Everything is gone at once.
    func halt() {
        controller = nil
        path = nil
        timer = nil
        isClosing = false
    }
}

/// The generator made something that the daemon refuses.
struct SetupFailure: Error {
    let text: String
}
