import IPsecPrimitives
import Testing

@testable import IKEProtocol

@Suite("IKE SAs without a child (RFC 6023)")
struct ChildlessTests {
    private func dialogue(_ left: Childless, _ right: Childless) -> Dialogue {
        var setup = Setup()
        setup.childless = left
        var other = setup.mirrored
        other.childless = right
        return Dialogue(setup, other)
    }

    @Test("the child comes by CREATE_CHILD_SA where both ends want it so")
    func separate() {
        for left in [Childless.prefer, .force] {
            for right in [Childless.allow, .prefer, .force] {
                let dialogue = dialogue(left, right)
                dialogue.initiate()
                #expect(dialogue.agree() && dialogue.sent.count == 6)
            }
        }
    }

    @Test("the child goes with IKE_AUTH otherwise")
    func together() {
        for (left, right) in [
            (Childless.never, Childless.allow), (.allow, .prefer), (.prefer, .never),
            (.allow, .never),
        ] {
            let dialogue = dialogue(left, right)
            dialogue.initiate()
            #expect(dialogue.agree() && dialogue.sent.count == 4)
        }
    }

    @Test("an initiator that insists says why it gives up")
    func insistentInitiator() {
        let dialogue = dialogue(.force, .never)
        dialogue.initiate()
        #expect(!dialogue.agree())
        let failure = dialogue.left.failures.first
        #expect(failure?.source == "left.example.yaml:7")
        #expect(failure?.explanation.contains("RFC 6023") == true)
    }

    @Test("a responder that insists refuses the child, and the IKE SA stays")
    func insistentResponder() {
        let dialogue = dialogue(.allow, .force)
        dialogue.initiate()
        #expect(dialogue.left.establishedIKESAs.count == 1 && !dialogue.agree())
        #expect(dialogue.right.failures.first?.source == "right.example.yaml:7")
        // The next wish is a CREATE_CHILD_SA of its own.
        dialogue.initiate()
        #expect(dialogue.agree())
    }
}
