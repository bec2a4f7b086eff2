import IKEProtocol
import IPsecPrimitives
import Testing

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
}
