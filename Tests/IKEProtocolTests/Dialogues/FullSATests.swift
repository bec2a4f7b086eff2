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
}
