import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// RFC 7296 §2.8.2 and §2.25.2, each order by name.
@Suite("Crossings about an IKE SA")
struct IKERekeyCrossingTests {
    @Test("both ends agree afterwards, and no packet was lost", arguments: orders)
    func crossing(order: Order) throws {
        for seed in UInt64(1)...6 {
            for isMirrored in [false, true] {
                for hasTraffic in [false, true] {
                    let crossing = Crossing(seed: seed, hasTraffic: hasTraffic)
                    try crossing.play(order.script, mirrored: isMirrored)
                    crossing.finish(order.end)
                }
            }
        }
    }

    static let orders = [
        Order("one end alone", "L.ike L> R> L> R>"),
        Order("one end alone, every message lost once", "L.ike L- @3 L> R- @5 L> R> L- @3 L> R>"),
        Order("one end alone, everything twice", "L.ike L= L> R= R> L= L> R= R>"),
        Order("requests cross, both answers in turn", "L.ike R.ike L> R> L> R> L> R>"),
        Order("requests cross, the left end learns all first", "L.ike R.ike L> R> R>"),
        Order("requests cross, the right end learns all first", "L.ike R.ike R> L> L>"),
        Order("requests cross, every message twice", "L.ike R.ike L= L> R= R> L= L> R= R>"),
        Order("the left request is lost, the right end finishes", "L.ike R.ike L- R> L> R> L>"),
        Order(
            "the left request comes when the old SA is deleted",
            "L.ike R.ike L~ R> L~ L> L= R> L>"
        ),
        Order(
            "the left request comes between the answer and the Delete",
            "L.ike R.ike L~ R> L~ L> R~ L> R> R>"
        ),
        Order("requests cross, the answer to the left one is lost", "L.ike R.ike L> R> R- L> @3"),
        Order("requests cross, the answer to the right one is lost", "L.ike R.ike L> R> L- R> @3"),
        Order("requests cross, both answers are lost", "L.ike R.ike L> R> L- R- @4 L> R> L> R>"),
        Order("both requests are lost", "L.ike R.ike L- R- @3 L> R> L> R>"),
        Order("both Deletes are lost", "L.ike R.ike L> R> L> R> L- R- @3"),
        Order(
            "the loser is deleted before the other end has its answer",
            "L.ike R.ike L> R> R~ L> R>"
        ),
        Order("against the rekeying of the child", "L.ike R.child L> R> L> R>"),
        Order(
            "against the rekeying of the child, which comes late",
            "L.ike R.child L> R~ R> R> L>"
        ),
        Order("against the rekeying of the child, which comes first", "L.ike R.child R> L> L> R>"),
        Order(
            "against the rekeying of the child, which is lost",
            "L.ike R.child L> R- R> @3 R> L>"
        ),
        Order("against a new child", "L.ike R.more L> R> L> R>", endsWith: .tunnels),
        Order(
            "against a new child, which comes late",
            "L.ike R.more L> R~ R> R> L>",
            endsWith: .tunnels
        ),
        Order("against the closing of the child", "L.ike R.close L> R> L> R>", endsWith: .noChild),
        Order(
            "against the closing of the child, which is lost",
            "L.ike R.close L> R- R> @3",
            endsWith: .noChild
        ),
        Order("a child is rekeyed and then the IKE SA", "L.child L.ike L> R> L> R> L> R>"),
        Order("the child, at once on the new IKE SA", "L.ike L> R> L.child L> L> R> R>"),
        Order("the child by the other end, at once on the new IKE SA", "L.ike L> R.child R> R> L>"),
        Order("against the closing of the IKE SA", "L.ike R.end L> R> L> R>", endsWith: .nothing),
        Order("against the closing, which comes first", "L.ike R.end R> L> R>", endsWith: .nothing),
        Order(
            "against the closing, the answer is lost",
            "L.ike L> R- R.end R> @3",
            endsWith: .nothing
        ),
        Order("closed by the end that rekeys", "L.ike L.end L> R> L> R>", endsWith: .nothing),
        Order(
            "closed by the end that rekeys, the answer is lost",
            "L.ike L.end L> R- @3 L> R>",
            endsWith: .nothing
        ),
        Order(
            "requests cross, and then one end closes",
            "L.ike R.ike L> R> R.end L> R>",
            endsWith: .nothing
        ),
        Order("both ends close", "L.end R.end L> R> L> R>", endsWith: .nothing),
        Order("both ends close, one Delete is lost", "L.end R.end L- R> L> @3", endsWith: .nothing),
        Order("twice in a row", "L.ike L> R> R.ike R> L> R> L> R> L>"),
    ]

    /// RFC 7296 §2.25.1 and §2.25.2 have both refused, and both try again: not so that they meet
    /// once more, for a child near the end of its life can wait for a few seconds only.
    @Test(
        "of an IKE SA and a child that refused each other, the child goes first",
        arguments: 1...30 as ClosedRange<UInt64>
    )
    func childFirst(seed: UInt64) throws {
        let dialogue = Dialogue(seed: seed)
        dialogue.initiate()
        let (left, right) = (dialogue.left, dialogue.right)
        let child = try #require(right.activeChild("net"))
        let sa = try #require(left.engine.sas.all().first)
        left.engine.arm(.rekey, of: sa, at: dialogue.now)
        dialogue.handle(.timeout, at: left)
        dialogue.handle(
            .childLifetimeReached(inboundSPI: child.inboundSPI, limit: .soft),
            at: right
        )
        let crossing = (left.outbox, right.outbox)
        left.outbox = []
        right.outbox = []
        for datagram in crossing.0 { dialogue.deliver(datagram, to: right) }
        for datagram in crossing.1 { dialogue.deliver(datagram, to: left) }
        dialogue.advance(by: .seconds(2))
        #expect(right.activeChild("net")?.inboundSPI != child.inboundSPI)
        #expect(left.establishedIKESAs.first?.initiatorSPI == sa.initiatorSPI)
        dialogue.advance(by: .seconds(2))
        #expect(left.establishedIKESAs.first?.initiatorSPI != sa.initiatorSPI)
    }

    /// Shown by seed 900000209 of the simulator: a peer with a dozen children was always rekeying one of
    /// them, and the IKE SA ran out.
    @Test(
        "after a refusal, children with time to spare wait for the IKE SA's next try",
        arguments: 1...8 as ClosedRange<UInt64>,
        [false, true]
    )
    func turn(seed: UInt64, isNearItsEnd: Bool) throws {
        var setup = Setup()
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        setup.children["third"] = ("10.5.0.0/16", "10.6.0.0/16")
        let dialogue = Dialogue(setup, seed: seed)
        dialogue.initiate()
        for child in ["more", "third"] {
            dialogue.begin(dialogue.left, child)
            dialogue.settle()
        }
        let (left, right) = (dialogue.left, dialogue.right)
        let sa = try #require(right.engine.sas.all().first)
        func fallDue(_ child: String) throws {
            let spi = try #require(right.activeChild(child)).inboundSPI
            right.engine.arm(.childRekey(spi), of: sa, at: dialogue.now)
            if isNearItsEnd {
                right.engine.arm(.childExpiry(spi), of: sa, at: dialogue.now + .seconds(8))
            }
            dialogue.handle(.timeout, at: right)
        }
        try fallDue("net")
        let first = right.outbox
        right.outbox = []
        left.engine.arm(.rekey, of: try #require(left.engine.sas.all().first), at: dialogue.now)
        dialogue.handle(.timeout, at: left)
        dialogue.carry(from: left, to: right)
        dialogue.carry(from: right, to: left)
        for datagram in first { dialogue.deliver(datagram, to: left) }
        dialogue.settle()
        let before = dialogue.sent.count
        try fallDue("more")
        try fallDue("third")
        dialogue.settle()
        #expect((dialogue.sent.count > before) == isNearItsEnd)
        dialogue.advance(by: .seconds(6))
        #expect(right.count { if case .ikeSARekeyed = $0 { true } else { false } } == 1)
        #expect(right.count { if case .childSARekeyed = $0 { true } else { false } } == 3)
        for child in ["net", "more", "third"] { #expect(dialogue.agree(on: child)) }
        #expect(left.failures.isEmpty && right.failures.isEmpty)
    }

    @Test("any order whatever", arguments: UInt64(0)..<60)
    func anyOrder(seed: UInt64) throws {
        var random = SeededRandomSource(seed: seed)
        for _ in 0..<4 {
            let crossing = Crossing(seed: random.next64(), hasTraffic: random.next32() & 1 == 1)
            try crossing.play("L.ike R.ike")
            try crossing.wander(80, with: &random, [".ike", ".child"])
            crossing.finish(.tunnel)
        }
    }
}
