import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// RFC 7296 §2.8.1 and §2.25.1, each order by name.
@Suite("Crossings about a Child SA")
struct ChildRekeyCrossingTests {
    /// Each with either end as the left one, with nonces that let either win, and with and without
    /// traffic.
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
        Order("one end alone", "L.child L> R> L> R>"),
        Order("one end alone, the request lost once", "L.child L- @3 L> R> L> R>"),
        Order("one end alone, the answer lost once", "L.child L> R- @3 L> R> L> R>"),
        Order("one end alone, everything twice", "L.child L= L> R= R> L= L> R= R>"),
        Order("the Delete is lost", "L.child L> R> L- @3 L> R>"),
        Order("the answer to the Delete is lost", "L.child L> R> L> R- @3 L> R>"),
        Order("requests cross, the left one is answered first", "L.child R.child L> R> R> L>"),
        Order("requests cross, both answers in turn", "L.child R.child L> R> L> R> L> R>"),
        Order("requests cross, the right end learns all first", "L.child R.child R> L~ L> L>"),
        Order("requests cross, the left end learns all first", "L.child R.child L> R~ R> R>"),
        Order("requests cross and come twice", "L.child R.child L= R= L> R> L> R>"),
        Order("requests cross, every message twice", "L.child R.child L= L> R= R> L= L> R= R>"),
        Order("the left request is lost, the right end finishes", "L.child R.child L- R> L> R> L>"),
        Order(
            "the left request is lost and comes when the right end has deleted",
            "L.child R.child L- R> L> R> L> @3 L> R>"
        ),
        Order(
            "the left request is late, until the old SA has lingered to its end",
            "L.child R.child L~ R> L~ L> R> L~ L> @7 L> R>"
        ),
        Order(
            "requests cross, the answer to the left one is lost",
            "L.child R.child L> R> R- L> @3"
        ),
        Order(
            "requests cross, the answer to the right one is lost",
            "L.child R.child L> R> L- R> @3"
        ),
        Order(
            "requests cross, both answers are lost",
            "L.child R.child L> R> L- R- @4 L> R> L> R>"
        ),
        Order("both requests are lost", "L.child R.child L- R- @3 L> R> L> R>"),
        Order(
            "the Delete of the loser comes before the answer",
            "L.child R.child L> R> R~ L> R> R>"
        ),
        Order(
            "the Delete of the old SA is lost in a crossing",
            "L.child R.child L> R> L> R> L- R- @3"
        ),
        Order(
            "the right end rekeys once more what it has just made",
            "L.child L> R> R.child L> R> R> L>"
        ),
        Order(
            "the right end rekeys the new SA before the old is gone",
            "L.child L> R> L~ R.child R>"
        ),
        Order("the left end rekeys twice in a row", "L.child L> R> L.child L> R> L> R>"),
        Order("the right end begins when it has answered", "L.child L> R.child R> R> L>"),
        Order(
            "close against rekey, the close first",
            "L.close R.child L> R> L> R>",
            endsWith: .noChild
        ),
        Order(
            "close against rekey, the rekey first",
            "L.close R.child R> L> L> R>",
            endsWith: .noChild
        ),
        Order(
            "close against rekey, the close is lost",
            "L.close R.child L- R> L> @3",
            endsWith: .noChild
        ),
        Order(
            "closed by the end that rekeys, while the request is under way",
            "L.child L.close L> R> L> R>",
            endsWith: .noChild
        ),
        Order(
            "the answer is lost, and the peer closes what this end does not know yet",
            "L.child L> R- R.close R> L> R> @3 L> R>",
            endsWith: .noChild
        ),
        Order(
            "the answer is overtaken by a rekeying of what it made",
            "L.child L> R.child R~ R> R> L>"
        ),
        Order("both ends close the same child", "L.close R.close L> R> L> R>", endsWith: .noChild),
        Order(
            "both ends close, one Delete lost",
            "L.close R.close L- R> L> @3 L> R>",
            endsWith: .noChild
        ),
        Order(
            "a rekey, and another child by the peer",
            "L.child R.more L> R> L> R>",
            endsWith: .tunnels
        ),
        Order(
            "both ends ask for the same new child",
            "L.more R.more L> R> L> R>",
            endsWith: .tunnels
        ),
        Order(
            "both ends ask for the same new child, one request is late",
            "L.more R.more R> L~ L> L> R>",
            endsWith: .tunnels
        ),
        Order(
            "a rekey and the closing of the connection",
            "L.child R.end L> R> L> R>",
            endsWith: .nothing
        ),
        Order(
            "the closing of the connection and a rekey",
            "L.child R.end R> L> R>",
            endsWith: .nothing
        ),
    ]

    @Test("any order whatever", arguments: UInt64(0)..<60)
    func anyOrder(seed: UInt64) throws {
        var random = SeededRandomSource(seed: seed)
        for _ in 0..<4 {
            let crossing = Crossing(seed: random.next64(), hasTraffic: random.next32() & 1 == 1)
            try crossing.play("L.child R.child")
            try crossing.wander(80, with: &random, [".child"])
            crossing.finish(.tunnel)
        }
    }

    /// The Delete of what was replaced waits for its turn when the peer closes the successor.
    @Test("what comes back in its successor's place is not closed after all")
    func successorRefused() throws {
        var setup = Setup()
        setup.window = 1
        let dialogue = Dialogue(setup)
        let (left, right) = (dialogue.left, dialogue.right)
        dialogue.initiate()
        let old = try #require(left.activeChild("net"))
        let sa = try #require(left.engine.sas.all().first)
        let peer = try #require(right.engine.sas.all().first)
        dialogue.handle(
            .childLifetimeReached(inboundSPI: old.inboundSPI, limit: .soft),
            at: left
        )
        left.engine.enqueue(.checkLiveness, of: sa, at: dialogue.now)
        dialogue.carry(from: left, to: right)
        dialogue.carry(from: right, to: left)
        let new = try #require(left.activeChild("net"))
        #expect(new.inboundSPI != old.inboundSPI)
        let liveness = left.outbox
        left.outbox = []
        #expect(liveness.count == 1)
        right.engine.enqueue(
            .deleteChild(inboundSPI: new.outboundSPI),
            of: peer,
            at: dialogue.now
        )
        dialogue.handle(.timeout, at: right)
        dialogue.settle()
        for datagram in liveness { dialogue.deliver(datagram, to: right) }
        dialogue.advance(by: .milliseconds(300))
        #expect(left.activeChild("net")?.inboundSPI == old.inboundSPI)
        #expect(right.present.contains(old.outboundSPI))
        dialogue.advance(by: .seconds(30))
        #expect(dialogue.agree())
    }
}
