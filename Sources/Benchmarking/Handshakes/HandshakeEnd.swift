internal import IKECredentials
internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives

/// One role of the handshakes: an engine, and what comes of its effects.
final class HandshakeEnd {
    let engine: IKEEngine
    /// Whether the keys of a Child SA are expanded and kept, as the packet path does.
    private let installs: Bool
    private var ciphers: [PacketCipher] = []
    private(set) var established = 0
    private(set) var failed = 0
    private(set) var firstFailure: String?
    /// What the last event wants sent.
    private(set) var outbox: [IKEDatagram] = []

    init(settings: EngineSettings, installs: Bool) {
        engine = IKEEngine(settings: settings, random: PooledRandomSource())
        self.installs = installs
    }

    func configure(_ connections: [IKEConnection], _ credentials: CredentialStore) {
        _ = engine.setConnections(connections, credentials: credentials, at: .origin)
    }

    /// What the event wants sent, in `outbox`.
    func handle(_ event: IKEEvent, at now: Instant) {
        outbox.removeAll(keepingCapacity: true)
        for effect in engine.handle(event, at: now) {
            switch effect {
            case .send(let datagram): outbox.append(datagram)
            case .installChildSA(let child):
                if installs { install(child) }
                established += 1
            case .report(let report): note(report)
            default: break
            }
        }
    }

    private func install(_ child: ChildSAInstallation) {
        for (keys, direction) in [
            (child.inboundKeys, PacketCipher.Direction.open), (child.outboundKeys, .seal),
        ] {
            if let cipher = try? PacketCipher(
                encryption: child.encryption,
                integrity: child.integrity,
                keys: keys,
                isExtendedSequence: child.isExtendedSequence,
                direction: direction
            ) {
                ciphers.append(cipher)
            }
        }
    }

    private func note(_ report: IKEReport) {
        switch report.event {
        case .initiationFailed(let failure), .refused(let failure):
            failed += 1
            if firstFailure == nil { firstFailure = failure.explanation }
        default: break
        }
    }
}

/// The configurations of both roles.
struct HandshakeConfiguration {
    let suite: HandshakeSuite
    let initiator: IPAddress
    let responder: IPAddress
    /// Whether answers are forgotten within seconds, so that what stays of a tunnel can be measured.
    var forgetsSoon = false

    /// A peer each, as many gateways would be.
    func initiating(_ count: Int) -> [IKEConnection] {
        (0..<count).map { index in
            connection(
                "peer\(index)",
                from: initiator,
                to: responder,
                identities: ("peer\(index).bench.invalid", "hub.bench.invalid"),
                selectors: (remoteNetwork(index), "10.0.0.0/9")
            )
        }
    }

    /// One that takes whoever has the secret.
    func responding() -> [IKEConnection] {
        [
            connection(
                "hub",
                from: responder,
                to: nil,
                identities: ("hub.bench.invalid", "any"),
                selectors: ("10.0.0.0/9", "10.128.0.0/9")
            )
        ]
    }

    var credentials: CredentialStore {
        var store = CredentialStore()
        store.addPresharedKey(
            SecretBytes(Array("a secret for measuring".utf8)),
            local: .any,
            remote: .any
        )
        return store
    }

    private func remoteNetwork(_ index: Int) -> String {
        "10.\(128 + index >> 14 & 127).\(index >> 6 & 255).\(index & 63 << 2)/30"
    }

    private func connection(
        _ name: String,
        from local: IPAddress,
        to remote: IPAddress?,
        identities: (local: String, remote: String),
        selectors: (local: String, remote: String)
    ) -> IKEConnection {
        let child = ChildPolicy(
            name: "net",
            source: "bench:2",
            proposals: [ConfiguredProposal(suite.espProposal, source: "bench:3")],
            localSelectors: HandshakeConfiguration.selectors(selectors.local),
            remoteSelectors: HandshakeConfiguration.selectors(selectors.remote)
        )
        var connection = IKEConnection(
            name: name,
            source: "bench:1",
            localAddress: local,
            remoteAddress: remote,
            localIdentity: Identity(identities.local) ?? Identity(address: local),
            remoteIdentity: IdentityPattern(identities.remote) ?? .any,
            proposals: [ConfiguredProposal(suite.ikeProposal, source: "bench:4")],
            children: [child]
        )
        if forgetsSoon { connection.retransmission.tries = 2 }
        // Longer than any measurement: signs of life are measured apart.
        connection.livenessInterval = .seconds(3600)
        return connection
    }

    private static func selectors(_ text: String) -> [TrafficSelector] {
        IPPrefix(text).map { [TrafficSelector(prefix: $0)] } ?? []
    }
}
