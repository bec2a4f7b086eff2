import IKECredentials
import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// INITIAL_CONTACT (RFC 7296 §2.4), where an end makes several IKE SAs with one peer.
@Suite("Initial contact")
struct InitialContactTests {
    /// The left end has two connections to the right end, each with a child of its own; the right
    /// end has one for both.
    private func dialogue() -> Dialogue {
        var right = Setup().mirrored
        right.children["more"] = ("10.4.0.0/16", "10.3.0.0/16")
        right.duplicates = .keep
        let dialogue = Dialogue(Setup(), right)
        var other = Setup()
        other.children = ["more": ("10.3.0.0/16", "10.4.0.0/16")]
        other.adjustConnection = { $0.name = "other" }
        let effects = dialogue.left.engine.setConnections(
            Setup().connections + other.connections,
            credentials: Setup().credentials,
            at: dialogue.now
        )
        dialogue.left.absorb(effects)
        return dialogue
    }

    private func begin(_ connection: String, _ child: String, _ dialogue: Dialogue) {
        let wish = IKEEvent.Initiation(connection: connection, child: child)
        dialogue.handle(.initiate(wish), at: dialogue.left)
    }

    /// The peer has the first one already, and its answer is lost.
    @Test("is not claimed beside an IKE SA whose proof is on its way")
    func besideOneBeingProven() {
        let dialogue = dialogue()
        begin("site", "net", dialogue)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.right.outbox = []
        #expect(dialogue.right.establishedIKESAs.count == 1)
        dialogue.pass(.milliseconds(10))
        begin("other", "more", dialogue)
        dialogue.settle()
        #expect(dialogue.right.establishedIKESAs.count == 2)
        dialogue.advance(by: .seconds(60))
        #expect(dialogue.left.establishedIKESAs.count == 2)
        #expect(dialogue.right.establishedIKESAs.count == 2)
        #expect(dialogue.agree(on: "net") && dialogue.agree(on: "more"))
    }

    /// A peer that takes the claim at its word, whenever the other IKE SA came up.
    @Test("is not claimed beside an IKE SA that is only begun")
    func besideOneBegun() throws {
        let dialogue = dialogue()
        begin("site", "net", dialogue)
        begin("other", "more", dialogue)
        for sa in dialogue.left.engine.sas.all() {
            let peer = try #require(Identity("right.example"))
            #expect(!dialogue.left.engine.isInitialContact(sa, with: peer))
        }
        dialogue.settle()
        #expect(dialogue.left.establishedIKESAs.count == 2)
        #expect(dialogue.right.establishedIKESAs.count == 2)
        #expect(dialogue.agree(on: "net") && dialogue.agree(on: "more"))
    }

    @Test("is claimed by an end that begins anew")
    func anew() {
        let dialogue = dialogue()
        begin("site", "net", dialogue)
        dialogue.settle()
        dialogue.advance(by: .seconds(1))
        let restarted = Party("left", "192.0.2.1", settings: EngineSettings(), seed: 99)
        dialogue.configure(restarted, Setup())
        dialogue.begin(restarted)
        for _ in 0..<4 {
            dialogue.carry(from: restarted, to: dialogue.right)
            dialogue.carry(from: dialogue.right, to: restarted)
        }
        #expect(restarted.establishedIKESAs.count == 1)
        #expect(dialogue.right.establishedIKESAs.count == 1)
    }
}
