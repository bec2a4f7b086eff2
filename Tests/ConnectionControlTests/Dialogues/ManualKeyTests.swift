import Configuration
import ConnectionControl
import IKECredentials
import IKEProtocol
import IPsecCrypto
import IPsecPrimitives
import PacketProtection
import Testing

@Suite("Manual keys")
struct ManualKeyTests {
    private let path = TunnelPath(connection: "radar", tunnel: "net")

    private func text(
        _ lines: String = "",
        in spiIn: Int = 0x1000,
        proposal: String = "esp-proposals: aes256-sha256",
        encapsulation: String = "esp"
    ) -> String {
        """
        connections:
          radar:
            keys: manual
            local: 192.0.2.1
            remote: 192.0.2.2
            encapsulation: \(encapsulation)
            tunnels:
              net:
                local: 10.1.0.0/16
                remote: 10.2.0.0/16
                \(proposal)
                in: {spi: \(spiIn), encryption-key-file: a, integrity-key-file: b}
                out: {spi: 0x1001, encryption-key-file: c, integrity-key-file: d}
        \(lines.isEmpty ? "" : "        " + lines)

        """
    }

    private func keys(_ byte: UInt8 = 1) -> ManualKeys {
        func half(_ first: UInt8) -> ESPKeys {
            ESPKeys(
                encryption: SecretBytes([UInt8](repeating: first, count: 32)),
                integrity: SecretBytes([UInt8](repeating: first + 1, count: 32))
            )
        }
        var keys = ManualKeys()
        keys[path] = ManualKeys.Pair(inbound: half(byte), outbound: half(byte + 2))
        return keys
    }

    private let now = Instant(nanoseconds: 1_000_000_000)

    private func controller(
        _ text: String,
        engineRandom: any RandomSource = SeededRandomSource(seed: 2)
    ) throws -> ConnectionController {
        ConnectionController(
            configuration: try configuration(text),
            settings: EngineSettings(),
            packetCipherBackEnd: .automatic,
            random: SeededRandomSource(seed: 1),
            engineRandom: engineRandom
        )
    }

    private func configuration(_ text: String) throws -> GatewayConfiguration {
        let result = GatewayConfiguration.read(Array(text.utf8), file: "a.yaml")
        return try #require(result.configuration, "\(result.errors)")
    }

    private func installed(
        _ effects: [ControlEffect]
    ) -> (inbound: [InboundSAParameters], outbound: [OutboundSAParameters], removed: Int) {
        var result: (inbound: [InboundSAParameters], outbound: [OutboundSAParameters], removed: Int)
        result = ([], [], 0)
        for case .packetPath(let command) in effects {
            switch command {
            case .installInbound(let parameters): result.inbound.append(parameters)
            case .installOutbound(let parameters): result.outbound.append(parameters)
            case .removeSA: result.removed += 1
            default: break
            }
        }
        return result
    }

    private func start(_ controller: ConnectionController) -> [ControlEffect] {
        controller.start(credentials: CredentialStore(), manualKeys: keys(), at: now)
    }

    @Test("the SAs are there from the start, without a message of IKE")
    func start() throws {
        let controller = try controller(text("lifetime-packets: 1000"))
        let effects = start(controller)
        let sas = installed(effects)
        let inbound = try #require(sas.inbound.first)
        let outbound = try #require(sas.outbound.first)
        #expect(sas.inbound.count == 1 && sas.outbound.count == 1)
        #expect(inbound.spi == SPI(rawValue: 0x1000) && outbound.spi == SPI(rawValue: 0x1001))
        #expect(!inbound.refusesReplays && !inbound.followsPeer && !inbound.isExtendedSequence)
        #expect(outbound.numbersCycle && outbound.isActive && !outbound.isExtendedSequence)
        #expect(outbound.lifetime.hardPackets == 1000 && outbound.path.encapsulation == .esp)
        #expect(inbound.policy == outbound.policy && controller.state(of: path) == .up)
        #expect(!effects.contains { if case .send = $0 { true } else { false } })
        let manual = try #require(controller.manualAssociation(inboundSPI: inbound.spi))
        #expect(manual.description.suite == "aes256-sha256-noesn")
        #expect(manual.description.traits.contains("manual keys"))
        #expect(controller.engineStatus(at: now).ikeSAs.isEmpty)
        // Nothing is ever due for them but the reading of counters.
        let later = controller.handle(.timeout, at: now + .seconds(86_400))
        #expect(installed(later).removed == 0)
    }

    @Test("AH, and ESP in UDP, whose peer does not move")
    func otherCarriages() throws {
        let proposal = """
            ah-proposals: sha256
            """
        let ah = text(proposal: proposal)
            .replacing("encryption-key-file: a, ", with: "")
            .replacing("encryption-key-file: c, ", with: "")
        #expect(installed(start(try controller(ah))).inbound.first?.carriage == .ahTunnel)
        let udp = installed(start(try controller(text(encapsulation: "udp"))))
        let inbound = try #require(udp.inbound.first)
        #expect(inbound.path.encapsulation == .udp && !inbound.followsPeer)
        #expect(inbound.path.remote.port == 4500 && inbound.path.local.port == 4500)
    }

    @Test("what a reload does not change stays, whatever else it changes")
    func untouched() throws {
        let controller = try controller(text())
        _ = start(controller)
        let other = try configuration("# moved\n" + text().replacing("a, i", with: "a, i"))
        let change = controller.change(
            to: other,
            credentials: CredentialStore(),
            manualKeys: keys()
        )
        #expect(change.isEmpty)
        let sas = installed(
            controller.reload(other, credentials: CredentialStore(), manualKeys: keys(), at: now)
        )
        #expect(sas.inbound.isEmpty && sas.outbound.isEmpty && sas.removed == 0)
    }

    @Test(
        "a change replaces the pair at once",
        arguments: [
            ("", "", true), ("spi: 4096", "spi: 4098", false),
            ("aes256-sha256", "aes256-sha512", false), ("10.2.0.0/16", "10.2.0.0/17", false),
            ("192.0.2.2", "192.0.2.3", false),
        ]
    )
    func changed(old: String, new: String, otherKeys: Bool) throws {
        let controller = try controller(text())
        _ = start(controller)
        let next = try configuration(text().replacing(old, with: new))
        var keys = otherKeys ? keys(9) : keys()
        if new == "aes256-sha512" {
            let half = ESPKeys(
                encryption: SecretBytes([UInt8](repeating: 1, count: 32)),
                integrity: SecretBytes([UInt8](repeating: 2, count: 64))
            )
            keys[path] = ManualKeys.Pair(inbound: half, outbound: half)
        }
        let change = controller.change(to: next, credentials: CredentialStore(), manualKeys: keys)
        #expect(!change.isEmpty && change.refusals.isEmpty)
        if otherKeys {
            #expect(change.changed.map(\.name) == ["radar/net"])
            #expect(change.changed[0].keys == ["secret"])
        }
        let sas = installed(
            controller.reload(next, credentials: CredentialStore(), manualKeys: keys, at: now)
        )
        #expect(sas.removed == 2 && sas.inbound.count == 1 && sas.outbound.count == 1)
        #expect(controller.pairs(of: path).count == 1)
    }

    @Test("a tunnel that is gone, and one whose keys are IKE's from now on")
    func gone() throws {
        let negotiated = """
            connections:
              radar:
                local: 192.0.2.1
                remote: 192.0.2.2
                secret-file: s
                tunnels:
                  net:
                    local: 10.1.0.0/16
                    remote: 10.2.0.0/16

            """
        for next in [negotiated, negotiated.replacing("radar", with: "other")] {
            let controller = try controller(text())
            _ = start(controller)
            var credentials = CredentialStore()
            let configuration = try configuration(next)
            credentials.addPresharedKey(SecretBytes([1]), for: configuration.connections[0])
            let effects = controller.reload(configuration, credentials: credentials, at: now)
            #expect(installed(effects).removed == 2)
            #expect(controller.pairs(of: path).isEmpty && controller.state(of: path) != .up)
            #expect(controller.manualAssociation(inboundSPI: SPI(rawValue: 0x1000)) == nil)
            // And back again.
            let back = controller.reload(
                try self.configuration(text()),
                credentials: CredentialStore(),
                manualKeys: keys(),
                at: now
            )
            #expect(installed(back).inbound.count == 1 && controller.state(of: path) == .up)
        }
    }

    @Test("what they may carry is used up: it is said, and the pair stays to drop the rest")
    func usedUp() throws {
        let controller = try controller(text("lifetime-bytes: 1GiB"))
        let pair = try #require(installed(start(controller)).outbound.first)
        let soft = controller.handle(
            .packetPath(.softLifetimeReached(pair.identifier)),
            at: now
        )
        let nearly = controller.lastFailure(of: "radar")?.failure
        #expect(nearly?.explanation.contains("nearly as much as lifetime-bytes allows") == true)
        let hard = controller.handle(
            .packetPath(.hardLifetimeReached(pair.identifier)),
            at: now
        )
        #expect(installed(soft + hard).removed == 0)
        let failure = try #require(controller.lastFailure(of: "radar")?.failure)
        #expect(failure.explanation.contains("have carried as much as lifetime-bytes allows"))
        #expect(failure.source == "a.yaml:14:25" && failure.remedy.contains("new keys and SPIs"))
    }

    @Test("it cannot be taken down or brought up by hand, and the answer says why")
    func byHand() throws {
        let controller = try controller(text())
        _ = start(controller)
        var effects = controller.handle(
            .takeDown(RequestToken(rawValue: 1), connection: "radar", tunnel: nil),
            at: now
        )
        guard case .requestEnded(_, .failed(let failure))? = effects.last else {
            return #expect(Bool(false), "\(effects)")
        }
        #expect(failure.explanation.contains("as long as the configuration has them"))
        effects = controller.handle(
            .bringUp(RequestToken(rawValue: 2), connection: "radar", tunnel: "net"),
            at: now
        )
        guard case .requestEnded(_, .done)? = effects.last else {
            return #expect(Bool(false), "\(effects)")
        }
        for what in [KeySubject.ikeSA, .childSAs(tunnel: "net")] {
            effects = controller.handle(
                .rekey(RequestToken(rawValue: 3), connection: "radar", what),
                at: now
            )
            guard case .requestEnded(_, .failed(let failure))? = effects.last else {
                return #expect(Bool(false), "\(effects)")
            }
            #expect(failure.explanation.contains("nobody negotiates others"))
        }
    }

    @Test("where the packet path cannot take them, nothing is begun in their place")
    func refusedByPacketPath() throws {
        let controller = try controller(text())
        let effects = start(controller)
        let inbound = try #require(installed(effects).inbound.first)
        let failed = controller.handle(
            .packetPath(.commandFailed(inbound.identifier, .tooManySAs)),
            at: now
        )
        #expect(installed(failed).removed == 2 && controller.state(of: path) != .up)
        let packet = PacketTuple(
            source: IPAddress("10.1.0.1")!,
            destination: IPAddress("10.2.0.1")!,
            ipProtocol: 17,
            sourcePort: 7,
            destinationPort: 9
        )
        let acquired = controller.handle(.packetPath(.acquire(inbound.policy, packet)), at: now)
        #expect(acquired.count == 1)
        guard case .packetPath(.dropHeldPackets)? = acquired.first else {
            return #expect(Bool(false), "\(acquired)")
        }
        let up = controller.handle(
            .bringUp(RequestToken(rawValue: 2), connection: "radar", tunnel: "net"),
            at: now
        )
        guard case .requestEnded(_, .failed(let failure))? = up.last else {
            return #expect(Bool(false), "\(up)")
        }
        #expect(failure.explanation.contains("its table is full"))
    }
}
