import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// NO_ADDITIONAL_SAS (RFC 7296 §1.3): a peer that makes one Child SA an IKE SA.
@Suite("IKE SAs that take no more children")
struct FullSATests {
    private func dialogue() -> Dialogue {
        var settings = EngineSettings()
        settings.childLimit = 1
        var setup = Setup()
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        let dialogue = Dialogue(setup, settings: settings)
        dialogue.initiate()
        return dialogue
    }

    @Test("another child gets an IKE SA of its own")
    func anotherChild() {
        let dialogue = dialogue()
        dialogue.initiate("more")
        #expect(dialogue.agree(on: "net") && dialogue.agree(on: "more"))
        #expect(dialogue.left.establishedIKESAs.count == 2)
        dialogue.advance(by: .seconds(120))
        #expect(dialogue.agree(on: "net") && dialogue.agree(on: "more"))
        #expect(dialogue.left.establishedIKESAs.count == 2)
    }

    @Test("a child is rekeyed by a new IKE SA, and the old one goes")
    func rekey() throws {
        let dialogue = dialogue()
        let first = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: first, limit: .soft), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.agree() && dialogue.left.active["net"] != first)
        dialogue.advance(by: .seconds(120))
        #expect(dialogue.agree())
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.right.establishedIKESAs.count == 1)
        #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
    }

    @Test("what is asked for while its IKE SA is replaced comes, though the old one is closed")
    func askedForMeanwhile() throws {
        let dialogue = dialogue()
        let first = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: first, limit: .soft), at: dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        let beginning = dialogue.left.outbox
        try #require(!beginning.isEmpty)
        dialogue.left.outbox = []
        // The new IKE SA is slow, and the child that it was begun for ends.
        dialogue.handle(.childLifetimeReached(inboundSPI: first, limit: .hard), at: dialogue.left)
        dialogue.begin(dialogue.left)
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.right)
        dialogue.settle()
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
        dialogue.left.outbox = beginning
        dialogue.settle()
        #expect(dialogue.agree())
        #expect(dialogue.left.establishedIKESAs.count == 1)
    }

    @Test(
        "of two IKE SAs that replace a full one, one stays, whichever end's proof is on its way",
        arguments: 1...16
    )
    func bothReplace(seed: UInt64) throws {
        var settings = EngineSettings()
        settings.childLimit = 1
        let dialogue = Dialogue(settings: settings, seed: seed * 100)
        dialogue.initiate()
        let near = try #require(dialogue.left.active["net"])
        let far = try #require(dialogue.right.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: near, limit: .soft), at: dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        // The left end, refused, has begun another one; the right end does so half a step later.
        dialogue.handle(.childLifetimeReached(inboundSPI: far, limit: .soft), at: dialogue.right)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        // With the answer to the right end's first message comes the end of the old one.
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        // What the left end asks in the right end's IKE SA overtakes the answer that completes it.
        dialogue.left.outbox.reverse()
        dialogue.settle()
        // By whichever an end sends meanwhile, the other has it.
        for (here, there) in [(dialogue.left, dialogue.right), (dialogue.right, dialogue.left)] {
            let child = try #require(here.activeChild("net"))
            #expect(there.present.contains(child.outboundSPI))
        }
        dialogue.advance(by: .seconds(120))
        #expect(dialogue.agree())
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.right.establishedIKESAs.count == 1)
        #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
    }

    @Test("what is replaced goes as soon as the peer has heard of it")
    func replacedGoesSoon() throws {
        let dialogue = dialogue()
        let first = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: first, limit: .soft), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.left.present.count == 2 && dialogue.right.present.count == 2)
        dialogue.advance(by: .seconds(6))
        #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
    }

    @Test("what both ends replace at once goes as soon, though neither waits for an answer")
    func replacedByBoth() throws {
        let dialogue = dialogue()
        let parties = [dialogue.left, dialogue.right]
        let first = try parties.map { try #require($0.active["net"]) }
        for (party, spi) in zip(parties, first) {
            dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: party)
        }
        dialogue.advance(by: .seconds(6))
        for (party, spi) in zip(parties, first) { #expect(!party.present.contains(spi)) }
        dialogue.advance(by: .seconds(120))
        #expect(dialogue.agree())
        #expect(parties.allSatisfy { $0.present.count == 1 })
    }

    @Test("what arrives late by a pair that was handed over does not bring it back")
    func latePackets() throws {
        let dialogue = dialogue()
        let first = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: first, limit: .soft), at: dialogue.left)
        dialogue.settle()
        for party in [dialogue.left, dialogue.right] {
            // As one is that was made and replaced before the peer used it.
            let states = party.engine.sas.all().compactMap(\.established)
            for state in states {
                for child in state.orderedChildren where child.stage == .lingering {
                    state.children[child.inboundSPI]?.isUsedOutbound = false
                }
            }
            let active = party.active["net"]
            #expect(states.flatMap(\.orderedChildren).contains { $0.stage == .lingering })
            for spi in party.present { dialogue.handle(.childSAInUse(inboundSPI: spi), at: party) }
            #expect(party.active["net"] == active)
        }
    }

    /// Only the right end takes few children, and it asks for more itself.
    private func crowded() -> Dialogue {
        var setup = Setup()
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        setup.children["most"] = ("10.5.0.0/16", "10.6.0.0/16")
        let dialogue = Dialogue(setup)
        dialogue.right.engine.settings.childLimit = 1
        dialogue.initiate()
        for name in ["more", "most"] { dialogue.begin(dialogue.right, name) }
        dialogue.settle()
        return dialogue
    }

    @Test("what replaces an IKE SA has all its children, in as many IKE SAs as the peer wants")
    func severalInsteadOfOne() throws {
        let dialogue = crowded()
        let names = ["more", "most", "net"]
        #expect(dialogue.left.establishedIKESAs.count == 1)
        let first = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: first, limit: .soft), at: dialogue.left)
        for _ in 0..<40 {
            dialogue.carry(from: dialogue.left, to: dialogue.right)
            dialogue.carry(from: dialogue.right, to: dialogue.left)
            for name in names {
                let sending = try #require(dialogue.left.activeChild(name), "\(name) is down")
                #expect(dialogue.right.present.contains(sending.outboundSPI))
                let answering = try #require(dialogue.right.activeChild(name), "\(name) is down")
                #expect(dialogue.left.present.contains(answering.outboundSPI))
            }
        }
        dialogue.advance(by: .seconds(60))
        for party in [dialogue.left, dialogue.right] {
            #expect(party.children.map(\.child).sorted() == names)
            #expect(party.establishedIKESAs.count == 3)
            #expect(party.establishedIKESAs.allSatisfy { $0.children.count == 1 })
        }
        #expect(names.allSatisfy(dialogue.agree) && dialogue.left.active["net"] != first)
    }

    @Test("what is handed over is not sent by any more, though it was used last")
    func handedOver() throws {
        let dialogue = crowded()
        let first = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: first, limit: .soft), at: dialogue.left)
        while dialogue.left.children.count(where: { $0.child == "net" }) == 1 {
            dialogue.carry(from: dialogue.left, to: dialogue.right)
            dialogue.carry(from: dialogue.right, to: dialogue.left)
        }
        // The peer uses it only now.
        for state in dialogue.left.engine.sas.all().compactMap(\.established) {
            state.children[first]?.isUsedOutbound = false
        }
        dialogue.handle(.childSAInUse(inboundSPI: first), at: dialogue.left)
        #expect(dialogue.left.active["net"] == first)
        dialogue.settle()
        #expect(dialogue.left.present.contains(first))
        #expect(dialogue.left.active["net"] != first && dialogue.agree())
    }

    @Test("a replacement that comes to nothing is tried again")
    func anotherTry() throws {
        let dialogue = dialogue()
        let first = try #require(dialogue.left.active["net"])
        // Octet 18 is the exchange type: no IKE_SA_INIT gets through.
        dialogue.link = { $0.bytes[18] == 34 ? [] : [$0] }
        dialogue.handle(.childLifetimeReached(inboundSPI: first, limit: .soft), at: dialogue.left)
        dialogue.advance(by: .seconds(400))
        #expect(dialogue.agree() && dialogue.left.active["net"] == first)
        dialogue.link = { [$0] }
        dialogue.advance(by: .seconds(400))
        #expect(dialogue.agree() && dialogue.left.active["net"] != first)
        #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
    }

    @Test("a peer whose address nobody wrote down is called where it is")
    func unknownAddress() {
        var left = Setup()
        left.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        left.children["most"] = ("10.5.0.0/16", "10.6.0.0/16")
        let right = left.mirrored
        left.remoteAddress = ""
        let dialogue = Dialogue(left, right)
        dialogue.right.engine.settings.childLimit = 1
        dialogue.begin(dialogue.right)
        dialogue.settle()
        for name in ["more", "most"] {
            dialogue.advance(by: .seconds(1))
            dialogue.initiate(name)
        }
        #expect(["net", "more", "most"].allSatisfy(dialogue.agree))
        #expect(dialogue.left.failures.isEmpty)
        #expect(dialogue.left.establishedIKESAs.count == 3)
    }

    @Test("where a child has ended there is room for another")
    func roomAgain() throws {
        let dialogue = dialogue()
        dialogue.initiate("more")
        let full = try #require(dialogue.left.establishedIKESAs.first { $0.children.count == 1 })
        dialogue.handle(.terminate(connection: "site", child: "net"), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.left.active["net"] == nil)
        dialogue.initiate("net")
        #expect(dialogue.agree(on: "net") && dialogue.agree(on: "more"))
        // In the IKE SA that was full, and not in a third one.
        #expect(dialogue.left.establishedIKESAs.count == 2)
        #expect(dialogue.left.establishedIKESAs.map(\.initiatorSPI).contains(full.initiatorSPI))
        #expect(dialogue.left.establishedIKESAs.allSatisfy { $0.children.count == 1 })
    }

    @Test("a rekeyed IKE SA is asked anew")
    func rekeyedIKESA() {
        var settings = EngineSettings()
        settings.childLimit = 1
        var setup = Setup()
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        setup.ikeLifetime = SALifetime(rekeyAfter: .seconds(60), expireAfter: .seconds(3600))
        let dialogue = Dialogue(setup, settings: settings)
        func full() -> Int {
            dialogue.left.engine.sas.all().count { $0.established?.isFull == true }
        }
        dialogue.initiate()
        dialogue.initiate("more")
        #expect(full() == 1)
        dialogue.advance(by: .seconds(70))
        #expect(dialogue.left.count { if case .ikeSARekeyed = $0 { true } else { false } } == 2)
        #expect(full() == 0)
        #expect(dialogue.agree(on: "net") && dialogue.agree(on: "more"))
    }

    /// Until the left end begins to make its proof again; another child is asked for in the old IKE SA,
    /// and lost, so that the new one has it to make.
    private func renewing() throws -> Dialogue {
        var setup = Setup()
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        setup.children["most"] = ("10.5.0.0/16", "10.6.0.0/16")
        setup.reauthenticateAfter = .seconds(1000)
        var right = setup.mirrored
        right.reauthenticateAfter = nil
        let dialogue = Dialogue(setup, right)
        dialogue.initiate()
        var steps = 0
        while dialogue.left.outbox.isEmpty, steps < 1000 {
            steps += 1
            dialogue.tick()
            if dialogue.left.outbox.first?.bytes[18] != 34 { dialogue.settle() }
        }
        let beginning = dialogue.left.outbox
        try #require(beginning.first?.bytes[18] == 34)
        dialogue.left.outbox = []
        dialogue.begin(dialogue.left, "more")
        dialogue.left.outbox = beginning
        return dialogue
    }

    @Test("a child that the peer makes in an IKE SA that is being replaced outlives it")
    func madeInTheOld() throws {
        let dialogue = try renewing()
        for _ in 0..<2 {
            dialogue.carry(from: dialogue.left, to: dialogue.right)
            dialogue.carry(from: dialogue.right, to: dialogue.left)
        }
        let rest = dialogue.left.outbox
        dialogue.left.outbox = []
        dialogue.begin(dialogue.right, "most")
        dialogue.settle()
        #expect(dialogue.left.children.contains { $0.child == "most" })
        dialogue.left.outbox = rest
        dialogue.settle()
        dialogue.advance(by: .seconds(60))
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.agree() && dialogue.agree(on: "more") && dialogue.agree(on: "most"))
    }

    @Test("what the new IKE SA has made is not told as failed when the old one goes")
    func doneByTheNew() throws {
        let dialogue = try renewing()
        dialogue.settle()
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.agree() && dialogue.agree(on: "more"))
        #expect(dialogue.left.failures.isEmpty)
    }
}
