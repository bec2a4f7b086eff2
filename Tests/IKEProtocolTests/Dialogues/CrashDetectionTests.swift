import IKEMessages
import IKEProtocol
import IPsecPrimitives
import Testing

/// RFC 6290: a peer that has lost its state proves it.
@Suite("Quick crash detection")
struct CrashDetectionTests {
    private func connect(_ setup: Setup = Setup()) -> Dialogue {
        let dialogue = Dialogue(setup)
        dialogue.left.engine.useCrashSecret(SecretBytes([1, 2, 3]))
        dialogue.right.engine.useCrashSecret(SecretBytes([4, 5, 6]))
        dialogue.initiate()
        #expect(dialogue.agree())
        return dialogue
    }

    /// An engine in the right end's place that knows nothing.
    private func restarted(secret: [UInt8]?) -> Party {
        let party = Party("right", "192.0.2.2", settings: EngineSettings(), seed: 99)
        if let secret { party.engine.useCrashSecret(SecretBytes(secret)) }
        return party
    }

    /// The left end asks for a sign of life, the restarted end answers.
    private func ask(_ dialogue: Dialogue, _ party: Party) {
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.right.outbox = []
        var rounds = 0
        while dialogue.left.outbox.isEmpty, rounds < 20 {
            rounds += 1
            dialogue.tick()
            dialogue.right.outbox = []
        }
        dialogue.carry(from: dialogue.left, to: party)
        dialogue.carry(from: party, to: dialogue.left)
    }

    private func hasNoticed(_ dialogue: Dialogue) -> Bool {
        dialogue.left.count { $0 == .ikeSAClosed(.peerRestarted) } == 1
    }

    @Test("one question is enough to know that the peer has restarted")
    func restart() {
        let dialogue = connect()
        ask(dialogue, restarted(secret: [4, 5, 6]))
        #expect(hasNoticed(dialogue))
        #expect(dialogue.left.present.isEmpty)
        // "MUST silently discard": nothing is said.
        #expect(dialogue.left.outbox.isEmpty)
        dialogue.initiate()
        #expect(dialogue.left.present.count == 1)
    }

    @Test("without the token, or with one of another secret, nothing is believed")
    func unproven() {
        for secret in [nil, [9, 9, 9]] as [[UInt8]?] {
            let dialogue = connect()
            ask(dialogue, restarted(secret: secret))
            #expect(!hasNoticed(dialogue))
            #expect(dialogue.agree())
        }
    }

    @Test(
        "the token is that of the SA after its rekeying, by either end",
        arguments: [true, false]
    )
    func afterRekey(byLeft: Bool) {
        let dialogue = connect()
        let brief = SALifetime(rekeyAfter: .seconds(60), jitterPercent: 0)
        var near = Setup(), far = Setup().mirrored
        if byLeft { near.ikeLifetime = brief } else { far.ikeLifetime = brief }
        dialogue.configure(dialogue.left, near)
        dialogue.configure(dialogue.right, far)
        dialogue.advance(by: .seconds(65))
        #expect(dialogue.left.count { if case .ikeSARekeyed = $0 { true } else { false } } == 1)
        ask(dialogue, restarted(secret: [4, 5, 6]))
        #expect(hasNoticed(dialogue))
    }

    @Test("a request that overtakes the answer to a rekey is no sign of a restart")
    func overtakenAnswer() {
        let dialogue = connect()
        var near = Setup()
        near.ikeLifetime = SALifetime(rekeyAfter: .seconds(60), jitterPercent: 0)
        dialogue.configure(dialogue.left, near)
        dialogue.pass(.seconds(60))
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        // The answer is lost; what the right end asks in the new SA is not.
        dialogue.right.outbox = []
        dialogue.handle(.probe(connection: "site"), at: dialogue.right)
        #expect(dialogue.right.outbox.count == 1)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        #expect(dialogue.left.outbox.isEmpty)
        dialogue.advance(by: .seconds(20))
        #expect(dialogue.right.count { $0 == .ikeSAClosed(.peerRestarted) } == 0)
        #expect(dialogue.left.count { if case .ikeSARekeyed = $0 { true } else { false } } == 1)
        #expect(dialogue.agree())
    }

    @Test("an SA that is there never has its token told, whatever a stranger changes")
    func tokenOfLivingSA() throws {
        let dialogue = connect()
        let request = try #require(
            dialogue.sent.last { $0.local.address == dialogue.left.address }
        )
        for change in [19, 0, 7, 8, 15] {
            var forged = request
            // The I flag, or a bit of either SPI.
            forged.bytes[change] ^= change == 19 ? 0x08 : 1
            dialogue.deliver(forged, to: dialogue.right)
        }
        let forgetful = restarted(secret: [4, 5, 6])
        dialogue.deliver(request, to: forgetful)
        let token = try #require(tokens(of: forgetful.outbox).first)
        #expect(token.count == 32)
        #expect(try !tokens(of: dialogue.right.outbox).contains(token))
    }

    private func tokens(of datagrams: [IKEDatagram]) throws -> [[UInt8]] {
        try datagrams.flatMap { datagram in
            try IKEMessage(reading: datagram.bytes).payloads.compactMap { payload in
                guard case .notify(let notify) = payload, notify.type == .quickCrashDetection
                else { return nil }
                return notify.data
            }
        }
    }
}
