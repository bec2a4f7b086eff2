import IKEProtocol
import IPsecPrimitives
import Testing

@Suite("Establishment")
struct EstablishmentTests {
    @Test("two messages each make an IKE SA and a Child SA that both ends agree on")
    func plain() {
        let dialogue = Dialogue()
        dialogue.initiate()
        #expect(dialogue.sent.count == 4)
        #expect(dialogue.agree())
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.right.establishedIKESAs.count == 1)
        #expect(dialogue.left.establishedIKESAs.first?.remoteIdentity == "right.example")
        #expect(dialogue.right.establishedIKESAs.first?.remoteIdentity == "left.example")
        #expect(dialogue.left.activeChild("net")?.isExtendedSequence == true)
        #expect(dialogue.left.activeChild("net")?.path.isEncapsulated == false)
        #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
    }

    /// Otherwise the first packet, which was waiting for the SA, finds none at the other end.
    @Test("the responder can receive before it answers, and sends packets only then")
    func readyBeforeTheAnswer() {
        let dialogue = Dialogue()
        dialogue.initiate()
        #expect(dialogue.right.steps == [.sends, .receivesByNewSA, .sends, .usesNewSA])
        #expect(dialogue.left.steps == [.sends, .sends, .receivesByNewSA, .usesNewSA])
    }

    static let encryptions = [
        "aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes128-sha256", "aes256-sha384",
        "aes256-sha512",
    ]

    @Test(
        "every IKE cipher with every pseudorandom function",
        arguments: encryptions,
        ["prfsha256", "prfsha384", "prfsha512"]
    )
    func ikeCiphers(encryption: String, prf: String) {
        var setup = Setup()
        setup.ikeProposals = ["\(encryption)-\(prf)-x25519"]
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        #expect(dialogue.agree())
    }

    @Test(
        "every key exchange method",
        arguments: ["x25519", "ecp256", "ecp384", "modp2048", "modp3072", "modp4096"]
    )
    func keyExchangeMethods(method: String) {
        var setup = Setup()
        setup.ikeProposals = ["aes128gcm16-prfsha256-\(method)"]
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        #expect(dialogue.agree())
    }

    @Test("every ESP suite", arguments: encryptions, ["", "-esn", "-noesn"])
    func espSuites(encryption: String, sequence: String) {
        var setup = Setup()
        setup.espProposals = [encryption + sequence]
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(
            dialogue.left.activeChild("net")?.isExtendedSequence == (sequence != "-noesn")
        )
    }

    @Test("an end without long sequence numbers gets short ones")
    func sequenceNumbersByPeer() {
        var right = Setup().mirrored
        right.espProposals = ["aes256gcm16-noesn"]
        let dialogue = Dialogue(Setup(), right)
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(dialogue.left.activeChild("net")?.isExtendedSequence == false)
    }

    @Test("a wrong guess of the method costs a round trip")
    func otherMethodInInit() {
        var left = Setup()
        left.ikeProposals = ["aes256gcm16-prfsha256-x25519-ecp256"]
        var right = Setup().mirrored
        right.ikeProposals = ["aes256gcm16-prfsha256-ecp256"]
        let dialogue = Dialogue(left, right)
        dialogue.initiate()
        #expect(dialogue.sent.count == 6)
        #expect(dialogue.agree())
        #expect(
            dialogue.left.count { $0 == .otherMethodDemanded(wanted: "ecp256") } == 1
        )
    }

    @Test("several children of a connection come up one after the other")
    func severalChildren() {
        var setup = Setup()
        setup.children["lab"] = ("10.3.0.0/16", "10.4.0.0/16")
        setup.children["six"] = ("2001:db8:1::/48", "2001:db8:2::/48")
        let dialogue = Dialogue(setup)
        dialogue.begin(dialogue.left, "net")
        dialogue.begin(dialogue.left, "lab")
        dialogue.settle()
        dialogue.begin(dialogue.left, "six")
        dialogue.settle()
        for child in ["net", "lab", "six"] { #expect(dialogue.agree(on: child)) }
        #expect(dialogue.left.establishedIKESAs.count == 1)
    }

    @Test("what is up is not begun again")
    func beginningTwice() {
        let dialogue = Dialogue()
        dialogue.initiate()
        dialogue.initiate()
        #expect(dialogue.left.present.count == 1)
        #expect(dialogue.sent.count == 4)
    }

    @Test("selectors are narrowed to what both ends allow")
    func narrowing() {
        var right = Setup().mirrored
        right.children = ["net": ("10.2.0.0/24 10.9.0.0/16", "10.1.7.0/24")]
        let dialogue = Dialogue(Setup(), right)
        dialogue.initiate()
        #expect(dialogue.agree())
        let child = dialogue.left.activeChild("net")
        #expect(child?.localSelectors == Setup.selectors("10.1.7.0/24"))
        #expect(child?.remoteSelectors == Setup.selectors("10.2.0.0/24"))
    }

    @Test("the IKE SA stays when the Child SA cannot be made")
    func childFails() {
        var right = Setup().mirrored
        right.espProposals = ["aes128gcm16"]
        right.children["other"] = ("10.3.0.0/16", "10.4.0.0/16")
        let dialogue = Dialogue(Setup(), right)
        dialogue.initiate()
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.right.establishedIKESAs.count == 1)
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
        #expect(dialogue.left.failures.first?.subject == .childProposal)
        #expect(dialogue.right.failures.first?.subject == .childProposal)
    }

    @Test("both ends may begin at the same time")
    func bothBegin() {
        let dialogue = Dialogue()
        dialogue.begin(dialogue.left)
        dialogue.begin(dialogue.right)
        dialogue.settle()
        #expect(!dialogue.left.present.isEmpty)
        #expect(
            Set(dialogue.left.present.compactMap { dialogue.left.installed[$0]?.outboundSPI })
                == Set(dialogue.right.present)
        )
        dialogue.advance(by: .seconds(600))
        #expect(!dialogue.left.present.isEmpty && !dialogue.right.present.isEmpty)
    }

    @Test("a peer that restarted is recognised by INITIAL_CONTACT")
    func initialContact() {
        let dialogue = Dialogue()
        dialogue.initiate()
        dialogue.advance(by: .seconds(5))
        let before = dialogue.right.present
        let reborn = Party("left", "192.0.2.1", settings: EngineSettings(), seed: 99)
        dialogue.configure(reborn, Setup())
        dialogue.begin(reborn)
        for _ in 0..<3 {
            dialogue.carry(from: reborn, to: dialogue.right)
            dialogue.carry(from: dialogue.right, to: reborn)
        }
        #expect(dialogue.right.establishedIKESAs.count == 1)
        #expect(dialogue.right.present.count == 1)
        #expect(dialogue.right.present != before)
        #expect(dialogue.right.count { $0 == .ikeSAClosed(.superseded) } == 1)
    }
}
