import IKEProtocol
import IPsecPrimitives
import Testing

@Suite("Peers that have proven nothing")
struct UnprovenPeerTests {
    /// Strangers that go through IKE_SA_INIT and then fail in IKE_AUTH.
    private func strangers(_ count: Int, against dialogue: Dialogue) -> [Party] {
        var setup = Setup()
        setup.secret = "a guess"
        return (0..<count).map { number in
            let stranger = Party(
                "left",
                "192.0.2.1",
                settings: EngineSettings(),
                seed: UInt64(100 + number)
            )
            dialogue.configure(stranger, setup)
            dialogue.begin(stranger)
            for _ in 0..<4 {
                dialogue.carry(from: stranger, to: dialogue.right)
                dialogue.carry(from: dialogue.right, to: stranger)
            }
            return stranger
        }
    }

    @Test("whoever fails in IKE_AUTH counts among the half-open SAs until it is forgotten")
    func failuresAreBounded() {
        var settings = EngineSettings()
        settings.halfOpenLimitPerAddress = 5
        let dialogue = Dialogue(settings: settings)
        _ = strangers(20, against: dialogue)
        #expect(dialogue.right.engine.counters.dropped(.halfOpenLimit) == 15)
        dialogue.right.outbox = []
        dialogue.advance(by: .seconds(40))
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 0)
        dialogue.initiate()
        #expect(dialogue.agree())
    }

    @Test("the addresses of one IPv6 network of 64 bits count as one")
    func addressesOfOneNetwork() {
        var settings = EngineSettings()
        settings.halfOpenLimitPerAddress = 5
        let dialogue = Dialogue(settings: settings)
        var right = Setup().mirrored
        right.localAddress = "2001:db8:ffff::1"
        right.remoteAddress = "any"
        dialogue.configure(dialogue.right, right)
        for number in 1...20 {
            var setup = Setup()
            setup.localAddress = "2001:db8:0:\(number > 10 ? 1 : 0)::\(number)"
            setup.remoteAddress = right.localAddress
            let stranger = Party(
                "left",
                setup.localAddress,
                settings: settings,
                seed: UInt64(number)
            )
            dialogue.configure(stranger, setup)
            dialogue.begin(stranger)
            dialogue.carry(from: stranger, to: dialogue.right)
        }
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 10)
        #expect(dialogue.right.engine.counters.dropped(.halfOpenLimit) == 10)
    }

    @Test("the first request of one that has failed begins nothing when it comes again")
    func repeatedFirstRequest() throws {
        let dialogue = Dialogue()
        _ = strangers(1, against: dialogue)
        let first = try #require(dialogue.sent.first)
        for _ in 0..<3 { dialogue.deliver(first, to: dialogue.right) }
        #expect(dialogue.right.outbox.isEmpty)
        dialogue.advance(by: .seconds(40))
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 0)
    }

    @Test("a first request that is larger than any honest one is not kept")
    func oversizedFirstRequest() throws {
        let dialogue = Dialogue()
        dialogue.begin(dialogue.left)
        var first = try #require(dialogue.left.outbox.first)
        first.bytes += [UInt8](repeating: 0, count: 9000 - first.bytes.count)
        first.bytes.replaceSubrange(24..<28, with: [0, 0, 0x23, 0x28])
        dialogue.deliver(first, to: dialogue.right)
        #expect(dialogue.right.engine.counters.dropped(.oversized) == 1)
    }

    /// The left end offers two methods and guesses the one that the right end does not take.
    private func guessingWrong(_ settings: EngineSettings = EngineSettings()) -> Dialogue {
        var left = Setup()
        left.ikeProposals = ["aes256gcm16-prfsha256-x25519-ecp256"]
        var right = Setup().mirrored
        right.ikeProposals = ["aes256gcm16-prfsha256-ecp256"]
        return Dialogue(left, right, settings: settings)
    }

    @Test("INVALID_KE_PAYLOAD is answered while rubbish has used up all other answers")
    func otherMethodUnderFlood() {
        var settings = EngineSettings()
        settings.unprotectedAnswersPerSecond = 0
        let dialogue = guessingWrong(settings)
        dialogue.initiate()
        #expect(dialogue.agree())
    }

    @Test("a second INVALID_KE_PAYLOAD for a repeated request does not end the negotiation")
    func repeatedOtherMethod() {
        let dialogue = guessingWrong()
        var answers = 0
        dialogue.link = { datagram in
            guard datagram.local.address == dialogue.right.address else { return [datagram] }
            answers += 1
            return answers == 1 ? [datagram, datagram] : answers == 2 ? [] : [datagram]
        }
        dialogue.initiate()
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.agree())
        #expect(dialogue.left.failures.isEmpty)
    }

    @Test("a forged refusal is forgotten when the peer's true answer leads on")
    func forgedRefusal() {
        var settings = EngineSettings()
        settings.cookieThreshold = 0
        let dialogue = Dialogue(settings: settings)
        var answers = 0
        dialogue.link = { datagram in
            guard datagram.local.address == dialogue.right.address else { return [datagram] }
            answers += 1
            guard answers == 1 else { return answers == 2 ? [] : [datagram] }
            // NO_PROPOSAL_CHOSEN under the header of the COOKIE.
            var forged = datagram
            forged.bytes = Array(datagram.bytes.prefix(28)) + [0, 0, 0, 8, 0, 0, 0, 14]
            forged.bytes.replaceSubrange(24..<28, with: [0, 0, 0, 36])
            return [forged, datagram]
        }
        dialogue.initiate()
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.agree())
        #expect(dialogue.left.failures.isEmpty)
    }

    @Test("an end that shuts down begins nothing with anybody")
    func shuttingDown() {
        let dialogue = Dialogue()
        dialogue.handle(.shutDown, at: dialogue.right)
        dialogue.initiate()
        #expect(dialogue.right.engine.isIdle)
        #expect(dialogue.right.reports.isEmpty)
    }
}
