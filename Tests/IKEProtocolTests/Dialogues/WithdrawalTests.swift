import IPsecPrimitives
import Testing

@testable import IKEProtocol

@Suite("Changing one's mind on the way")
struct WithdrawalTests {
    private var twoChildren: Setup {
        var setup = Setup()
        setup.children["other"] = ("10.3.0.0/16", "10.4.0.0/16")
        return setup
    }

    @Test("a connection that is closed before IKE_AUTH is answered", arguments: [nil, "net"])
    func closedWhileAuthenticating(child: String?) {
        let dialogue = Dialogue()
        dialogue.begin(dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.handle(.terminate(connection: "site", child: child), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
        #expect(dialogue.left.engine.isIdle && dialogue.right.engine.isIdle)
        dialogue.initiate()
        #expect(dialogue.agree())
    }

    @Test("a child that is wanted again while it is rekeyed comes up, whatever comes of that")
    func wantedAgainAmidRekey() throws {
        let dialogue = Dialogue()
        dialogue.initiate()
        for party in [dialogue.left, dialogue.right] {
            let spi = try #require(party.active["net"])
            if party === dialogue.left {
                dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: party)
                let end = IKEEvent.terminate(connection: "site", child: "net")
                dialogue.handle(end, at: party)
                dialogue.begin(party)
            }
            dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .hard), at: party)
        }
        dialogue.settle()
        #expect(dialogue.agree())
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.agree())
        #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
    }

    /// Seed 440019902 of the simulator: the rekeying went first, and its child outlived `cygnet down`.
    @Test("a rekeying that waits for its turn is not begun for a child that is ended meanwhile")
    func endedBeforeItsRekeying() throws {
        var far = twoChildren.mirrored
        far.window = 1
        let dialogue = Dialogue(twoChildren, far)
        dialogue.initiate()
        dialogue.initiate("other")
        let spi = try #require(dialogue.left.active["net"])
        // Something that the window has no room besides.
        let first = IKEEvent.terminate(connection: "site", child: "other")
        dialogue.handle(first, at: dialogue.left)
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: dialogue.left)
        dialogue.handle(.terminate(connection: "site", child: "net"), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
    }

    @Test("closing before a refusal comes leaves nothing to wait for")
    func closedBeforeRefusal() {
        var right = Setup().mirrored
        right.secret = "another"
        let dialogue = Dialogue(Setup(), right)
        dialogue.begin(dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.left.engine.isIdle)
    }

    @Test("the first child is not wanted any more, the second is")
    func firstChildWithdrawn() {
        let dialogue = Dialogue(twoChildren)
        dialogue.begin(dialogue.left, "net")
        dialogue.begin(dialogue.left, "other")
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        dialogue.handle(.terminate(connection: "site", child: "net"), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.left.children.map(\.child) == ["other"])
        #expect(dialogue.right.children.map(\.child) == ["other"])
    }

    @Test(
        "a child is closed while it is being created, and wanted again",
        arguments: [true, false]
    )
    func closedWhileCreated(isWantedAgain: Bool) {
        let dialogue = Dialogue(twoChildren)
        dialogue.initiate("net")
        dialogue.begin(dialogue.left, "other")
        dialogue.handle(.terminate(connection: "site", child: "other"), at: dialogue.left)
        if isWantedAgain { dialogue.begin(dialogue.left, "other") }
        dialogue.settle()
        let expected = isWantedAgain ? ["net", "other"] : ["net"]
        #expect(dialogue.left.children.map(\.child) == expected)
        #expect(dialogue.right.children.map(\.child) == expected)
    }

    @Test("a child is closed while it is being rekeyed")
    func closedWhileRekeyed() throws {
        let dialogue = Dialogue()
        dialogue.initiate()
        let spi = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: dialogue.left)
        dialogue.handle(.terminate(connection: "site", child: "net"), at: dialogue.left)
        dialogue.settle()
        dialogue.advance(by: .seconds(6))
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
        #expect(dialogue.left.establishedIKESAs.count == 1)
    }

    @Test("a child that was replaced does not come back when its successor is closed")
    func closedAfterRekey() throws {
        let dialogue = Dialogue()
        dialogue.initiate()
        let left = dialogue.left.address
        // No Delete of the left end passes, nor any other INFORMATIONAL request of it.
        dialogue.link = { datagram in
            let isRequest = datagram.bytes[18] == 37 && datagram.bytes[19] & 0x20 == 0
            return datagram.local.address == left && isRequest ? [] : [datagram]
        }
        let spi = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: dialogue.left)
        dialogue.settle()
        dialogue.handle(.terminate(connection: "site", child: "net"), at: dialogue.right)
        dialogue.settle()
        #expect(dialogue.right.active["net"] == nil)
        dialogue.advance(by: .seconds(6))
        #expect(dialogue.right.present.isEmpty && dialogue.left.present.isEmpty)
    }

    @Test("what was under way when the peer closes the IKE SA is said to have failed")
    func closedByPeer() {
        let dialogue = Dialogue(twoChildren)
        dialogue.initiate("net")
        dialogue.begin(dialogue.left, "other")
        dialogue.left.outbox = []
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.right)
        dialogue.settle()
        let failed = dialogue.left.reports.filter { report in
            if case .initiationFailed = report.event { true } else { false }
        }
        #expect(failed.map(\.child) == ["other"])
    }

    @Test("the successor carries traffic when the old child expires without a Delete")
    func expiryOfReplacedChild() throws {
        let dialogue = Dialogue()
        dialogue.initiate()
        let old = try #require(dialogue.right.active["net"])
        // Nothing of INFORMATIONAL passes.
        dialogue.link = { $0.bytes[18] == 37 ? [] : [$0] }
        let spi = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.right.active["net"] == old)
        dialogue.handle(.childLifetimeReached(inboundSPI: old, limit: .hard), at: dialogue.right)
        #expect(dialogue.right.present.count == 1)
        #expect(dialogue.agree())
    }

    @Test("no SPI stays reserved when the peer dies with a Delete under way")
    func reservedSPIs() throws {
        let dialogue = Dialogue()
        dialogue.initiate()
        dialogue.link = { _ in [] }
        let spi = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .hard), at: dialogue.left)
        dialogue.advance(by: .seconds(600))
        #expect(dialogue.left.engine.sas.count == 0)
        #expect(dialogue.left.engine.sas.reservedSPICount == 0)
    }
}
