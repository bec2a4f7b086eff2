import IPsecPrimitives
import Testing

@testable import IKEProtocol

@Suite("SAs under another configuration")
struct ReconfigurationTests {
    private func running(_ setup: Setup = Setup()) throws -> Dialogue {
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        try #require(dialogue.agree())
        return dialogue
    }

    @Test("the same configuration, elsewhere in the file, touches nothing")
    func same() throws {
        let dialogue = try running()
        let sent = dialogue.sent.count
        let present = dialogue.left.present
        dialogue.configure(dialogue.left, Setup())
        dialogue.settle()
        #expect(dialogue.sent.count == sent && dialogue.left.present == present)
    }

    @Test("what is agreed on with each SA is agreed on anew, without a gap")
    func traits() throws {
        let dialogue = try running()
        let old = try #require(dialogue.left.active["net"])
        var setup = Setup()
        setup.adjustChild = { $0.acceptsPadding = false }
        dialogue.configure(dialogue.left, setup)
        dialogue.settle()
        #expect(dialogue.agree() && dialogue.left.active["net"] != old)
        #expect(dialogue.left.present.contains(old))
        dialogue.advance(by: .seconds(6))
        #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
    }

    @Test("an SA of another mode ends at once, before the peer has answered")
    func mode() throws {
        let dialogue = try running()
        var setup = Setup()
        setup.adjustChild = { $0.mode = .transport }
        dialogue.configure(dialogue.left, setup)
        #expect(dialogue.left.present.isEmpty && !dialogue.right.present.isEmpty)
        dialogue.settle()
        #expect(dialogue.right.present.isEmpty)
        #expect(dialogue.left.engine.status(at: dialogue.now).ikeSAs.count == 1)
    }

    @Test("a peer that would have to prove another identity is told to go")
    func otherIdentity() throws {
        let dialogue = try running()
        var setup = Setup()
        setup.remoteIdentity = "another.example"
        dialogue.configure(dialogue.left, setup)
        #expect(dialogue.left.present.isEmpty)
        dialogue.settle()
        #expect(dialogue.right.present.isEmpty)
        #expect(dialogue.right.engine.status(at: dialogue.now).ikeSAs.isEmpty)
    }

    @Test("a child that was asked for before its policy was narrowed does not stay")
    func outdatedOffer() throws {
        var setup = Setup()
        setup.children = [
            "net": ("10.1.0.0/16", "10.2.0.0/16"), "lab": ("10.3.0.0/16", "10.4.0.0/16"),
        ]
        let dialogue = try running(setup)
        dialogue.begin(dialogue.left, "lab")
        setup.children["lab"] = ("10.3.0.0/24", "10.4.0.0/16")
        dialogue.configure(dialogue.left, setup)
        dialogue.settle()
        #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
        #expect(dialogue.left.active["lab"] == nil && dialogue.right.active["lab"] == nil)
    }

    @Test(
        "what is agreed on while the proposals change is agreed on anew",
        arguments: [false, true]
    )
    func proposalsAmidAnExchange(isRekeying: Bool) throws {
        var setup = Setup()
        setup.espProposals = ["aes256gcm16", "aes128gcm16"]
        setup.children = [
            "net": ("10.1.0.0/16", "10.2.0.0/16"), "lab": ("10.3.0.0/16", "10.4.0.0/16"),
        ]
        let dialogue = try running(setup)
        let name = isRekeying ? "net" : "lab"
        if isRekeying {
            let spi = try #require(dialogue.left.active["net"])
            dialogue.handle(
                .childLifetimeReached(inboundSPI: spi, limit: .soft),
                at: dialogue.left
            )
        } else {
            dialogue.begin(dialogue.left, "lab")
        }
        setup.espProposals = ["aes128gcm16"]
        dialogue.configure(dialogue.left, setup)
        dialogue.settle()
        dialogue.advance(by: .seconds(10))
        let child = try #require(dialogue.left.activeChild(name))
        #expect(child.encryption == .encryption(.aesGCM16, keyLengthBits: 128))
        #expect(dialogue.agree(on: name))
    }

    @Test("an IKE SA that is rekeyed while the proposals change is rekeyed once more")
    func ikeProposalsAmidAnExchange() throws {
        var setup = Setup()
        setup.ikeProposals = ["aes256gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-x25519"]
        let dialogue = try running(setup)
        func begun() -> Int { dialogue.sent.count { $0.bytes[18] == 36 } }
        let sa = try #require(dialogue.left.engine.sas.all().first)
        dialogue.left.engine.enqueue(.rekeyIKESA, of: sa, at: dialogue.now)
        dialogue.left.absorb(dialogue.left.engine.effects)
        dialogue.left.engine.effects = []
        setup.ikeProposals = ["aes128gcm16-prfsha256-x25519"]
        dialogue.configure(dialogue.left, setup)
        let before = begun()
        dialogue.settle()
        dialogue.advance(by: .seconds(10))
        // Two exchanges, of a request and an answer each.
        #expect(begun() == before + 4)
        #expect(dialogue.left.establishedIKESAs.count == 1 && dialogue.agree())
    }
}
