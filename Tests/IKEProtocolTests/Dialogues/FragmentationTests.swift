import IKEMessages
import IPsecPrimitives
import Testing

@testable import IKEProtocol

@Suite("Fragmentation (RFC 7383)")
struct FragmentationTests {
    /// A link that passes IP datagrams up to a size only.
    private static func passing(_ octets: Int) -> (IKEDatagram) -> [IKEDatagram] {
        { $0.bytes.count + 28 <= octets ? [$0] : [] }
    }

    /// So many selectors that IKE_AUTH does not fit into one datagram: 32 octets for each of
    /// `count` in either direction.
    private func setup(selectors count: Int = 80) -> Setup {
        var setup = Setup()
        let numbers = 0..<count
        setup.children["net"] = (
            numbers.map { "10.1.\($0).0/25" }.joined(separator: " "),
            numbers.map { "10.2.\($0).0/25" }.joined(separator: " ")
        )
        return setup
    }

    @Test("what is too large is cut in both directions")
    func both() {
        let dialogue = Dialogue(setup())
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(dialogue.sent.allSatisfy { $0.bytes.count + 28 <= 1280 })
        // IKE_SA_INIT in two, IKE_AUTH in three datagrams each way.
        #expect(dialogue.sent.count == 2 + 3 + 3)
        #expect(dialogue.fragmentsSent == dialogue.sent.count - 2)
        #expect(dialogue.left.engine.reassemblyBudget.used == 0)
        #expect(dialogue.right.engine.reassemblyBudget.used == 0)
    }

    @Test("a short message is not cut")
    func short() {
        let dialogue = Dialogue()
        dialogue.initiate()
        #expect(dialogue.agree() && dialogue.fragmentsSent == 0)
    }

    @Test("the size of the configuration holds from the first message on", arguments: [576, 900])
    func configured(size: Int) {
        var left = setup()
        left.fragmentSize = size
        let dialogue = Dialogue(left)
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(dialogue.sent.allSatisfy { $0.bytes.count + 28 <= size })
    }

    @Test("RFC 7383 §2.4: nothing is cut unless both ends want it")
    func refused() {
        for isLeftOff in [true, false] {
            var left = setup()
            var right = left.mirrored
            if isLeftOff { left.fragmentSize = nil } else { right.fragmentSize = nil }
            let dialogue = Dialogue(left, right)
            dialogue.initiate()
            #expect(dialogue.agree() && dialogue.fragmentsSent == 0)
        }
    }

    @Test("fragments arrive in any order and twice")
    func disorder() {
        let dialogue = Dialogue(setup())
        dialogue.begin(dialogue.left)
        for _ in 0..<3 {
            dialogue.left.outbox = dialogue.left.outbox.reversed() + dialogue.left.outbox
            dialogue.carry(from: dialogue.left, to: dialogue.right)
            dialogue.right.outbox = dialogue.right.outbox.reversed() + dialogue.right.outbox
            dialogue.carry(from: dialogue.right, to: dialogue.left)
        }
        #expect(dialogue.agree())
        #expect(dialogue.right.engine.counters.dropped(.repeatedFragment) > 0)
    }

    @Test("any one lost fragment costs a retransmission of the whole set", arguments: 2..<8)
    func loss(of index: Int) {
        let dialogue = Dialogue(setup())
        var count = 0
        dialogue.link = { datagram in
            defer { count += 1 }
            return count == index ? [] : [datagram]
        }
        dialogue.initiate()
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.agree())
        #expect(dialogue.left.engine.counters.retransmitted == 1)
    }

    @Test("RFC 7383 §2.5.2: a path that large fragments do not pass gets smaller ones")
    func smallPath() {
        let dialogue = Dialogue(setup())
        dialogue.link = Self.passing(600)
        dialogue.initiate()
        dialogue.advance(by: .seconds(30))
        #expect(dialogue.agree())
        // Further messages begin with the size that passed.
        let before = dialogue.sent.count
        dialogue.begin(dialogue.left, nil)
        dialogue.advance(by: .seconds(60))
        #expect(dialogue.sent[before...].allSatisfy { $0.bytes.count + 28 <= 576 })
    }

    /// The request is small, so that its sender has no reason to try another size.
    @Test("an answer that does not pass is cut smaller when it is asked for again")
    func smallPathOfAnswer() {
        var left = Setup()
        left.remoteIdentity = "keyid:" + String(repeating: "r", count: 900)
        let right = left.mirrored
        left.remoteIdentity = "any"
        let dialogue = Dialogue(left, right)
        dialogue.link = { datagram in
            datagram.local.address == IPAddress("192.0.2.2") && datagram.bytes.count > 560
                ? [] : [datagram]
        }
        dialogue.initiate()
        dialogue.advance(by: .seconds(30))
        #expect(dialogue.agree())
    }

    @Test("a message that fits one datagram but not the path is cut as well")
    func wholeButTooLarge() {
        let dialogue = Dialogue(setup(selectors: 20))
        dialogue.link = Self.passing(600)
        dialogue.initiate()
        #expect(!dialogue.agree())
        dialogue.advance(by: .seconds(30))
        #expect(dialogue.agree())
    }

    @Test("a silent peer is given up after as many sendings of the last size as configured")
    func silence() {
        var left = setup()
        left.retransmission.tries = 3
        let dialogue = Dialogue(left)
        dialogue.link = { $0.isFragment ? [] : [$0] }
        dialogue.initiate()
        dialogue.advance(by: .seconds(120))
        #expect(dialogue.left.failures.contains { $0.subject == .peerUnresponsive })
        let sizes = dialogue.sent.filter(\.isFragment).map(\.bytes.count)
        // Two sets of two large ones and a rest, then three of five smaller ones and a rest.
        #expect(sizes.filter { $0 > 600 }.count == 2 * 2)
        #expect(sizes.filter { $0 > 500 && $0 <= 548 }.count == 3 * 5)
    }

    @Test("RFC 7383 §2.6.1: of an answered request only the first fragment brings the answer again")
    func repetition() {
        let dialogue = Dialogue(setup())
        dialogue.initiate()
        let request = dialogue.sent[2..<5]
        let before = dialogue.right.engine.counters
        for fragment in request.dropFirst() { dialogue.deliver(fragment, to: dialogue.right) }
        #expect(dialogue.right.outbox.isEmpty)
        dialogue.deliver(request.first!, to: dialogue.right)
        #expect(dialogue.right.outbox.count == 3)
        #expect(dialogue.right.outbox.map(\.bytes) == dialogue.sent[5...].map(\.bytes))
        let after = dialogue.right.engine.counters
        #expect(after.answeredAgain == before.answeredAgain + 1)
        #expect(after.dropped(.repeatedFragment) == before.dropped(.repeatedFragment) + 2)
    }

    @Test("fragments that are not authentic, or of nothing that is awaited, change nothing")
    func forgeries() {
        let dialogue = Dialogue(setup())
        dialogue.begin(dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        let fragments = dialogue.left.outbox
        for var forged in fragments {
            forged.bytes[forged.bytes.count - 1] ^= 1
            dialogue.deliver(forged, to: dialogue.right)
        }
        #expect(dialogue.right.engine.counters.dropped(.unauthentic) == 3)
        #expect(dialogue.right.engine.reassemblyBudget.used == 0)
        dialogue.settle()
        #expect(dialogue.agree())
    }

    @Test("what never completes is forgotten, and the memory is bounded before")
    func incomplete() {
        var settings = EngineSettings()
        settings.reassemblyOctetLimit = 3000
        settings.halfOpenTimeout = .seconds(300)
        let dialogue = Dialogue(setup(), settings: settings)
        dialogue.begin(dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        let held = dialogue.right.engine.reassemblyBudget.used
        #expect(held > 1000 && held <= 1500)
        #expect(dialogue.right.engine.counters.dropped(.reassemblyLimit) > 0)
        dialogue.link = { _ in [] }
        dialogue.advance(by: .seconds(31))
        #expect(dialogue.right.engine.reassemblyBudget.used == 0)
    }

    @Test("an SA that is rekeyed goes on cutting")
    func rekeyed() {
        var left = setup()
        left.ikeLifetime = SALifetime(rekeyAfter: .seconds(100), jitterPercent: 0)
        left.fragmentSize = 576
        let dialogue = Dialogue(left)
        dialogue.initiate()
        dialogue.advance(by: .seconds(110))
        #expect(dialogue.left.engine.sas.all().allSatisfy { $0.agreed.contains(.fragmentation) })
        #expect(dialogue.left.count { if case .ikeSARekeyed = $0 { true } else { false } } > 0)
    }
}

extension Dialogue {
    var fragmentsSent: Int { sent.count { $0.isFragment } }
}

extension IKEDatagram {
    var isFragment: Bool { bytes.count > 16 && bytes[16] == PayloadType.encryptedFragment.rawValue }
}
