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

    /// The peer still has an IKE SA of before: it learns that this end has forgotten it, and keeps both
    /// that are new. A third, for an address where nobody answers, keeps nobody from telling.
    @Test(
        "is claimed by the first that is answered of several begun together",
        arguments: [false, true]
    )
    func severalBegun(besideSilence: Bool) {
        let dialogue = dialogue()
        begin("site", "net", dialogue)
        dialogue.settle()
        #expect(dialogue.right.establishedIKESAs.count == 1)
        dialogue.advance(by: .seconds(1))
        let restarted = Party("left", "192.0.2.1", settings: EngineSettings(), seed: 99)
        var other = Setup()
        other.children = ["more": ("10.3.0.0/16", "10.4.0.0/16")]
        other.adjustConnection = { $0.name = "other" }
        var silent = Setup()
        silent.children = ["third": ("10.5.0.0/16", "10.6.0.0/16")]
        silent.adjustConnection = {
            $0.name = "silent"
            $0.remoteIdentity = .any
            $0.remoteAddress = IPAddress("198.51.100.99")
        }
        dialogue.configure(restarted, Setup())
        restarted.absorb(
            restarted.engine.setConnections(
                Setup().connections + other.connections + silent.connections,
                credentials: Setup().credentials,
                at: dialogue.now
            )
        )
        let wishes = [("silent", "third"), ("site", "net"), ("other", "more")]
        for (connection, child) in wishes where besideSilence || connection != "silent" {
            let wish = IKEEvent.Initiation(connection: connection, child: child)
            dialogue.handle(.initiate(wish), at: restarted)
        }
        for _ in 0..<4 {
            dialogue.carry(from: restarted, to: dialogue.right)
            dialogue.carry(from: dialogue.right, to: restarted)
        }
        #expect(restarted.establishedIKESAs.count == 2)
        #expect(dialogue.right.establishedIKESAs.count == 2)
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
