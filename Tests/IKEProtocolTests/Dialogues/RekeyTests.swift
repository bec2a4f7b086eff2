import IKEProtocol
import IPsecPrimitives
import Testing

@Suite("Rekeying and closing")
struct RekeyTests {
    private func soften(_ dialogue: Dialogue, _ party: Party) throws {
        let spi = try #require(party.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: party)
        dialogue.settle()
    }

    @Test(
        "a child is replaced by either end, with and without fresh keys",
        arguments: [true, false],
        ["aes256gcm16", "aes256gcm16-x25519"]
    )
    func childRekey(byLeft: Bool, proposal: String) throws {
        var setup = Setup()
        setup.espProposals = [proposal]
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        let first = try #require(dialogue.left.active["net"])
        try soften(dialogue, byLeft ? dialogue.left : dialogue.right)
        #expect(dialogue.agree())
        #expect(dialogue.left.active["net"] != first)
        // The old pair still receives what is in flight, then goes.
        #expect(dialogue.left.present.count == 2 && dialogue.right.present.count == 2)
        dialogue.advance(by: .seconds(6))
        #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
        #expect(dialogue.agree())
        #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
    }

    @Test("another method is asked for in CREATE_CHILD_SA")
    func otherMethod() throws {
        var left = Setup()
        left.espProposals = ["aes256gcm16-x25519-ecp384"]
        var right = Setup().mirrored
        right.espProposals = ["aes256gcm16-ecp384"]
        let dialogue = Dialogue(left, right)
        dialogue.initiate()
        try soften(dialogue, dialogue.left)
        #expect(dialogue.agree())
        #expect(dialogue.left.count { $0 == .otherMethodDemanded(wanted: "ecp384") } == 1)
        #expect(dialogue.left.count { if case .childSARekeyed = $0 { true } else { false } } == 1)
    }

    @Test("both ends rekey the same child at once and end with one pair")
    func crossedChildRekey() throws {
        for seed in UInt64(1)...8 {
            let dialogue = Dialogue(seed: seed)
            dialogue.initiate()
            for party in [dialogue.left, dialogue.right] {
                let spi = try #require(party.active["net"])
                dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: party)
            }
            let crossing = (dialogue.left.outbox, dialogue.right.outbox)
            dialogue.left.outbox = []
            dialogue.right.outbox = []
            for datagram in crossing.0 { dialogue.deliver(datagram, to: dialogue.right) }
            for datagram in crossing.1 { dialogue.deliver(datagram, to: dialogue.left) }
            dialogue.settle()
            dialogue.advance(by: .seconds(20))
            #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
            #expect(dialogue.agree())
        }
    }

    @Test("lifetimes replace children and IKE SAs for days without losing one")
    func longLife() {
        var setup = Setup()
        setup.childLifetime = SALifetime(rekeyAfter: .seconds(3600))
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        dialogue.advance(by: .seconds(2 * 86400))
        #expect(dialogue.agree())
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.right.establishedIKESAs.count == 1)
        #expect(dialogue.left.count { if case .ikeSARekeyed = $0 { true } else { false } } >= 11)
        #expect(dialogue.left.count { if case .childSARekeyed = $0 { true } else { false } } >= 44)
        #expect(dialogue.left.count { if case .childSAClosed = $0 { true } else { false } } == 0)
        #expect(dialogue.left.count { if case .ikeSAClosed = $0 { true } else { false } } == 0)
        #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
    }

    @Test("lifetimes hold on a link that loses and duplicates")
    func longLifeOnBadLink() {
        var setup = Setup()
        setup.childLifetime = SALifetime(rekeyAfter: .seconds(3600))
        let dialogue = Dialogue(setup, seed: 3)
        var random = SeededRandomSource(seed: 11)
        dialogue.link = { datagram in
            switch random.next32() % 20 {
            case 0: []
            case 1, 2: [datagram, datagram]
            default: [datagram]
            }
        }
        dialogue.initiate()
        dialogue.advance(by: .seconds(86400))
        #expect(!dialogue.left.present.isEmpty && !dialogue.right.present.isEmpty)
        #expect(dialogue.left.count { $0 == .ikeSAClosed(.expired) } == 0)
    }

    /// RFC 7296 §2.8: the new IKE SA inherits the Child SAs, which grow old as before.
    @Test(
        "the lifetimes of children go on when their IKE SA is replaced",
        arguments: [true, false]
    )
    func inheritedLifetimes(byLeft: Bool) {
        func connected(_ lifetime: SALifetime) -> Dialogue {
            var setup = Setup()
            setup.childLifetime = lifetime
            let dialogue = Dialogue(setup)
            dialogue.initiate()
            dialogue.advance(by: .seconds(50))
            dialogue.handle(
                .rekeyIKESA(connection: "site"),
                at: byLeft ? dialogue.left : dialogue.right
            )
            dialogue.advance(by: .seconds(40))
            #expect(dialogue.agree() && dialogue.left.installed.count == 1)
            return dialogue
        }
        func rekeyings(_ party: Party) -> Int {
            party.count { if case .ikeSARekeyed = $0 { true } else { false } }
        }
        let replaced = connected(SALifetime(rekeyAfter: .seconds(100), jitterPercent: 0))
        replaced.advance(by: .seconds(15))
        #expect(rekeyings(replaced.left) == 1)
        #expect(replaced.agree() && replaced.left.installed.count > 1)
        // Nobody may use it beyond its end (RFC 4301 §4.4.2.1), whether it could be replaced or not.
        let expired = connected(
            SALifetime(rekeyAfter: nil, jitterPercent: 0, expireAfter: .seconds(100))
        )
        expired.advance(by: .seconds(15))
        #expect(rekeyings(expired.left) == 1)
        #expect(expired.left.present.isEmpty && expired.right.present.isEmpty)
    }

    @Test("both ends replace the same IKE SA at once, also when messages get lost")
    func crossedIKERekey() {
        for seed in UInt64(1)...4 {
            var setup = Setup()
            setup.ikeLifetime = SALifetime(rekeyAfter: .seconds(600), jitterPercent: 0)
            let dialogue = Dialogue(setup, seed: seed)
            var random = SeededRandomSource(seed: seed)
            if seed > 2 { dialogue.link = { random.next32() % 10 == 0 ? [] : [$0] } }
            dialogue.initiate()
            dialogue.advance(by: .seconds(10))
            dialogue.advance(by: .seconds(6000))
            dialogue.link = { [$0] }
            dialogue.advance(by: .seconds(200))
            #expect(dialogue.agree())
            #expect(dialogue.left.establishedIKESAs.count == 1)
            #expect(dialogue.right.establishedIKESAs.count == 1)
            for party in [dialogue.left, dialogue.right] {
                #expect(party.count { if case .ikeSARekeyed = $0 { true } else { false } } >= 9)
                #expect(party.count { if case .ikeSAClosed = $0 { true } else { false } } == 0)
                #expect(party.count { if case .childSAClosed = $0 { true } else { false } } == 0)
            }
        }
    }

    @Test("closing by either end leaves nothing on both", arguments: [true, false])
    func closing(byLeft: Bool) {
        let dialogue = Dialogue()
        dialogue.initiate()
        dialogue.handle(
            .terminate(connection: "site", child: nil),
            at: byLeft ? dialogue.left : dialogue.right
        )
        dialogue.settle()
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
        #expect(dialogue.left.engine.isIdle && dialogue.right.engine.isIdle)
        let other = byLeft ? dialogue.right : dialogue.left
        #expect(other.count { $0 == .ikeSAClosed(.deletedByPeer) } == 1)
    }

    @Test("a child is closed alone")
    func closingChild() {
        let dialogue = Dialogue()
        dialogue.initiate()
        dialogue.handle(.terminate(connection: "site", child: "net"), at: dialogue.right)
        dialogue.settle()
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
        #expect(dialogue.left.establishedIKESAs.count == 1)
        dialogue.initiate()
        #expect(dialogue.agree())
    }

    @Test("a peer that falls silent is given up, and its children with it")
    func deadPeer() {
        let dialogue = Dialogue()
        dialogue.initiate()
        dialogue.link = { _ in [] }
        dialogue.advance(by: .seconds(600))
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
        #expect(dialogue.left.count { $0 == .peerUnresponsive } == 1)
    }

    @Test("shutting down tells the peer")
    func shutDown() {
        let dialogue = Dialogue()
        dialogue.initiate()
        dialogue.handle(.shutDown, at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.right.present.isEmpty)
    }

    // RFC 7296 §2.3: no request leaves while the window is full, not even the last one.
    @Test("shutting down waits for the answer to what is under way")
    func shutDownWithRequestUnderWay() {
        var setup = Setup()
        setup.window = 1
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        dialogue.link = { _ in [] }
        dialogue.advance(by: .seconds(31))
        let before = dialogue.sent.count
        dialogue.handle(.shutDown, at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.sent.count == before)
        dialogue.link = { [$0] }
        dialogue.advance(by: .seconds(20))
        #expect(dialogue.left.engine.isIdle && dialogue.right.present.isEmpty)
    }
}
