import IKEMessages
import IPsecCrypto
import IPsecPrimitives
import Testing

@testable import IKEProtocol

@Suite("Postquantum preshared keys (RFC 8784)")
struct PostquantumPresharedKeyTests {
    private typealias Key = (identifier: String, secret: String, isRequired: Bool)

    private func dialogue(
        _ left: Key?,
        _ right: Key?,
        _ adjust: (inout Setup) -> Void = { _ in }
    ) -> Dialogue {
        var setup = Setup()
        adjust(&setup)
        var other = setup.mirrored
        setup.ppk = left
        other.ppk = right
        let dialogue = Dialogue(setup, other)
        dialogue.initiate()
        dialogue.advance(by: .seconds(5))
        return dialogue
    }

    /// SK_d of both ends.
    private func derivations(_ dialogue: Dialogue) -> [[UInt8]] {
        [dialogue.left, dialogue.right].compactMap {
            $0.engine.sas.all().first?.keys?.keys.derivation.copy()
        }
    }

    @Test("both ends have the same key, required or not", arguments: [true, false], [true, false])
    func used(left: Bool, right: Bool) {
        let dialogue = dialogue(("a", "secret", left), ("a", "secret", right))
        #expect(dialogue.agree())
        let keys = derivations(dialogue)
        #expect(keys.count == 2 && keys[0] == keys[1])
        #expect(keys[0] != derivations(self.dialogue(nil, nil))[0])
        dialogue.advance(by: .seconds(5 * 3600))
        #expect(dialogue.agree())
    }

    @Test("with additional key exchanges and a childless start")
    func together() {
        let dialogue = dialogue(("a", "secret", true), ("a", "secret", true)) { setup in
            setup.ikeProposals = ["aes256gcm16-prfsha384-x25519-ke1_mlkem768"]
            setup.espProposals = ["aes256gcm16-x25519-ke1_mlkem768"]
            setup.childless = .prefer
        }
        #expect(dialogue.agree())
    }

    @Test("optional keys that do not meet are left out")
    func leftOut() {
        for (left, right) in [
            (("a", "secret", false), nil), (nil, ("a", "secret", false)),
            (("a", "secret", false), ("b", "secret", false)),
        ] as [(Key?, Key?)] {
            let dialogue = dialogue(left, right)
            #expect(dialogue.agree())
            #expect(derivations(dialogue) == derivations(self.dialogue(nil, nil)))
        }
    }

    @Test("a key that is required is insisted on, and the failure says so")
    func required() {
        for (left, right, isLeftToExplain) in [
            (("a", "secret", true), nil, true), (nil, ("a", "secret", true), false),
            (("a", "secret", true), ("b", "secret", false), false),
            (("a", "secret", false), ("b", "secret", true), false),
        ] as [(Key?, Key?, Bool)] {
            let dialogue = dialogue(left, right)
            #expect(!dialogue.agree() && dialogue.left.establishedIKESAs.isEmpty)
            let party = isLeftToExplain ? dialogue.left : dialogue.right
            #expect(party.failures.contains { $0.source?.hasSuffix(".yaml:8") == true })
            #expect(party.failures.contains { $0.explanation.contains("postquantum") })
        }
    }

    @Test("two secrets of one name do not agree")
    func wrongSecret() {
        for isRequired in [true, false] {
            let dialogue = dialogue(("a", "one", isRequired), ("a", "other", isRequired))
            #expect(!dialogue.agree() && dialogue.right.establishedIKESAs.isEmpty)
        }
    }
}
