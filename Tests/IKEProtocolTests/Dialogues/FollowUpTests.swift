import IKEMessages
import IPsecPrimitives
import Testing

@testable import IKEProtocol

@Suite("Additional key exchanges after CREATE_CHILD_SA (RFC 9370 §2.2.4)")
struct FollowUpTests {
    private static let methods = "x25519-ke1_mlkem768-ke3_ecp384"

    private func setup(_ methods: String = methods) -> Setup {
        var setup = Setup()
        setup.ikeProposals = ["aes256gcm16-prfsha256-\(methods)"]
        setup.espProposals = ["aes256gcm16-\(methods)"]
        setup.livenessInterval = nil
        return setup
    }

    private func established(_ setup: Setup? = nil) -> Dialogue {
        let dialogue = Dialogue(setup ?? self.setup())
        dialogue.initiate()
        #expect(dialogue.agree())
        return dialogue
    }

    private func rekeyChild(at party: Party, _ dialogue: Dialogue) {
        guard let spi = party.activeChild("net")?.inboundSPI else { return }
        dialogue.handle(
            .childLifetimeReached(inboundSPI: spi, limit: .soft),
            at: party
        )
    }

    private func rekeyIKESA(at party: Party, _ dialogue: Dialogue) {
        guard let sa = party.engine.sas.all().first(where: { $0.established != nil }) else {
            return
        }
        party.engine.enqueue(.rekeyIKESA, of: sa, at: dialogue.now)
        party.absorb(party.engine.effects)
        party.engine.effects = []
    }

    private func exchanges(_ dialogue: Dialogue, after count: Int, _ type: ExchangeType) -> Int {
        Set(
            dialogue.sent[count...].filter { $0.bytes[18] == type.rawValue }
                .map { Array($0.bytes[0..<16] + $0.bytes[19..<24]) }
        ).count
    }

    /// Nothing is left over of any series, and both ends use the same child.
    private func expectRest(_ dialogue: Dialogue, children: Int = 1) {
        #expect(dialogue.agree())
        for party in [dialogue.left, dialogue.right] {
            #expect(party.children.count == children)
            #expect(party.engine.sas.reservedSPICount == children)
            #expect(party.establishedIKESAs.count == 1)
            for sa in party.engine.sas.all() {
                #expect(sa.established?.followUps.isEmpty ?? true)
                #expect(sa.requests.isEmpty)
            }
        }
    }

    @Test("a child is rekeyed by either end", arguments: [true, false])
    func child(byLeft: Bool) {
        let dialogue = established()
        let before = dialogue.left.activeChild("net")?.inboundSPI
        let count = dialogue.sent.count
        rekeyChild(at: byLeft ? dialogue.left : dialogue.right, dialogue)
        dialogue.advance(by: .seconds(10))
        expectRest(dialogue)
        #expect(dialogue.left.activeChild("net")?.inboundSPI != before)
        #expect(exchanges(dialogue, after: count, .ikeFollowUpKE) == 4)
        #expect(exchanges(dialogue, after: count, .createChildSA) == 2)
        #expect(dialogue.sent.allSatisfy { $0.bytes.count + 28 <= 1280 })
    }

    @Test("the IKE SA is rekeyed by either end", arguments: [true, false])
    func ikeSA(byLeft: Bool) {
        let dialogue = established()
        let before = dialogue.left.establishedIKESAs.first?.initiatorSPI
        let count = dialogue.sent.count
        rekeyIKESA(at: byLeft ? dialogue.left : dialogue.right, dialogue)
        dialogue.advance(by: .seconds(10))
        expectRest(dialogue)
        #expect(dialogue.left.establishedIKESAs.first?.initiatorSPI != before)
        #expect(exchanges(dialogue, after: count, .ikeFollowUpKE) == 4)
        // The new keys work, in both directions and for one more replacement.
        rekeyIKESA(at: dialogue.right, dialogue)
        dialogue.advance(by: .seconds(10))
        rekeyChild(at: dialogue.left, dialogue)
        dialogue.advance(by: .seconds(10))
        expectRest(dialogue)
    }

    @Test("a further child, and one that has to wait for the IKE SA of a childless start")
    func furtherChild() {
        var left = setup()
        left.childless = .prefer
        left.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        let dialogue = Dialogue(left)
        dialogue.initiate("net")
        dialogue.initiate("more")
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.agree(on: "net") && dialogue.agree(on: "more"))
        expectRest(dialogue, children: 2)
        #expect(exchanges(dialogue, after: 0, .ikeFollowUpKE) == 8)
    }

    @Test("what is optional and left out costs no exchange")
    func optional() {
        let left = setup("x25519-ke1_mlkem768-ke1_none")
        let right = setup("x25519").mirrored
        let dialogue = Dialogue(left, right)
        dialogue.initiate()
        rekeyChild(at: dialogue.left, dialogue)
        rekeyIKESA(at: dialogue.right, dialogue)
        dialogue.advance(by: .seconds(10))
        expectRest(dialogue)
        #expect(exchanges(dialogue, after: 0, .ikeFollowUpKE) == 0)
    }

    @Test("any lost datagram costs a retransmission only", arguments: 0..<11, [true, false])
    func loss(of index: Int, ofChild: Bool) {
        let dialogue = established()
        var count = 0
        dialogue.link = { datagram in
            defer { count += 1 }
            return count == index ? [] : [datagram]
        }
        if ofChild {
            rekeyChild(at: dialogue.right, dialogue)
        } else {
            rekeyIKESA(at: dialogue.right, dialogue)
        }
        dialogue.advance(by: .seconds(60))
        expectRest(dialogue)
    }

    @Test("everything twice")
    func twice() {
        let dialogue = established()
        dialogue.link = { [$0, $0] }
        rekeyChild(at: dialogue.left, dialogue)
        dialogue.advance(by: .seconds(10))
        rekeyIKESA(at: dialogue.left, dialogue)
        dialogue.advance(by: .seconds(10))
        expectRest(dialogue)
    }

    /// "the initiator of this exchange just stops the rekeying process".
    @Test("both ends rekey the same child at once", arguments: 0..<6 as Range<UInt64>)
    func crossedChildren(seed: UInt64) {
        let dialogue = Dialogue(setup(), seed: 100 + seed)
        dialogue.initiate()
        let count = dialogue.sent.count
        rekeyChild(at: dialogue.left, dialogue)
        rekeyChild(at: dialogue.right, dialogue)
        // At once: a series that is waited for in vain would hold up the rekey of the IKE SA.
        dialogue.advance(by: .seconds(5))
        expectRest(dialogue)
        // One series goes on to its end.
        #expect(exchanges(dialogue, after: count, .ikeFollowUpKE) == 4)
        #expect(dialogue.left.installed.count == 2 && dialogue.right.installed.count == 2)
    }

    @Test("both ends replace the IKE SA at once", arguments: 0..<6 as Range<UInt64>)
    func crossedIKESAs(seed: UInt64) {
        let dialogue = Dialogue(setup(), seed: 200 + seed)
        dialogue.initiate()
        let count = dialogue.sent.count
        rekeyIKESA(at: dialogue.left, dialogue)
        rekeyIKESA(at: dialogue.right, dialogue)
        dialogue.advance(by: .seconds(100))
        expectRest(dialogue)
        #expect(exchanges(dialogue, after: count, .ikeFollowUpKE) == 4)
    }

    /// RFC 9370 §2.2.4: "a TEMPORARY_FAILURE notification MUST be sent".
    @Test("a rekeying that comes while the other end's goes on is refused for now")
    func lateCrossing() {
        let dialogue = established()
        // The peer's request is on its way for so long that ours is answered meanwhile.
        rekeyChild(at: dialogue.right, dialogue)
        let held = dialogue.right.outbox
        dialogue.right.outbox = []
        rekeyChild(at: dialogue.left, dialogue)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        #expect(
            dialogue.left.outbox.contains { $0.bytes[18] == ExchangeType.ikeFollowUpKE.rawValue }
        )
        for datagram in held { dialogue.deliver(datagram, to: dialogue.left) }
        dialogue.advance(by: .seconds(60))
        expectRest(dialogue)
        #expect(dialogue.left.installed.count <= 3)
    }

    @Test("a child that the peer is rekeying is not rekeyed by this end as well")
    func childAwaited() {
        let dialogue = established()
        rekeyChild(at: dialogue.left, dialogue)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.right.outbox = []
        rekeyChild(at: dialogue.right, dialogue)
        #expect(dialogue.right.outbox.isEmpty)
        dialogue.advance(by: .seconds(60))
        expectRest(dialogue)
        #expect(dialogue.left.installed.count == 2)
    }

    /// A peer that does so notes no crossing, and goes on to the end as well.
    @Test("a peer that begins all the same leaves one child too", arguments: 0..<6 as Range<UInt64>)
    func childAwaitedInVain(seed: UInt64) throws {
        let dialogue = Dialogue(setup(), seed: 300 + seed)
        dialogue.initiate()
        rekeyChild(at: dialogue.left, dialogue)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        let party = dialogue.right
        let sa = try #require(party.engine.sas.all().first)
        let state = try #require(sa.established)
        let child = try #require(party.activeChild("net"))
        party.outbox = []
        party.engine.startChildRekey(child.inboundSPI, of: sa, state, at: dialogue.now)
        party.absorb(party.engine.effects)
        party.engine.effects = []
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        dialogue.left.outbox = []
        dialogue.advance(by: .seconds(60))
        expectRest(dialogue)
    }

    /// Its answer would come to an IKE SA that has no children any more.
    @Test("a child is not rekeyed while the peer replaces the IKE SA, but at once thereafter")
    func childDuringIKERekey() {
        let dialogue = established()
        let before = dialogue.left.activeChild("net")?.inboundSPI
        rekeyIKESA(at: dialogue.right, dialogue)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        rekeyChild(at: dialogue.left, dialogue)
        #expect(dialogue.left.outbox.isEmpty)
        dialogue.settle()
        #expect(dialogue.left.activeChild("net")?.inboundSPI != before)
        dialogue.advance(by: .seconds(10))
        expectRest(dialogue)
    }

    @Test("a series of the peer's that never ends delays a child, and no longer than that")
    func childAfterAbandonedSeries() {
        let dialogue = established()
        let before = dialogue.left.activeChild("net")?.inboundSPI
        rekeyIKESA(at: dialogue.right, dialogue)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        // The peer has lost what it began, and with it the answer.
        for sa in dialogue.right.engine.sas.all() { sa.requests.removeAll() }
        dialogue.left.outbox = []
        rekeyChild(at: dialogue.left, dialogue)
        #expect(dialogue.left.outbox.isEmpty)
        dialogue.advance(by: .seconds(25))
        #expect(dialogue.left.activeChild("net")?.inboundSPI != before)
    }

    @Test(
        "what the responder has forgotten is begun anew (STATE_NOT_FOUND)",
        arguments: [true, false]
    )
    func stateNotFound(ofChild: Bool) {
        let dialogue = established()
        let start = dialogue.now
        dialogue.link = { [unowned dialogue] datagram in
            let isFollowUp = datagram.bytes[18] == ExchangeType.ikeFollowUpKE.rawValue
            return isFollowUp && dialogue.now < start + .seconds(25) ? [] : [datagram]
        }
        if ofChild {
            rekeyChild(at: dialogue.left, dialogue)
        } else {
            rekeyIKESA(at: dialogue.left, dialogue)
        }
        dialogue.advance(by: .seconds(22))
        for sa in dialogue.right.engine.sas.all() {
            #expect(sa.established?.followUps.isEmpty ?? true)
        }
        #expect(dialogue.right.engine.sas.reservedSPICount == 1)
        dialogue.advance(by: .seconds(120))
        expectRest(dialogue)
        #expect(exchanges(dialogue, after: 0, .createChildSA) >= 4)
    }

    /// Of the further key exchanges nothing arrives until the right end has another configuration.
    private func series(amid change: (inout Setup) -> Void) -> Dialogue {
        var setup = self.setup()
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        let dialogue = established(setup)
        dialogue.link = { $0.bytes[18] == ExchangeType.ikeFollowUpKE.rawValue ? [] : [$0] }
        dialogue.initiate("more")
        #expect(dialogue.right.engine.sas.reservedSPICount == 2)
        var right = setup.mirrored
        change(&right)
        dialogue.configure(dialogue.right, right)
        dialogue.link = { [$0] }
        dialogue.advance(by: .seconds(10))
        return dialogue
    }

    @Test("a child that the configuration loses amid its key exchanges is not made")
    func withdrawnMeanwhile() {
        let dialogue = series { $0.children["more"] = nil }
        #expect(dialogue.right.activeChild("more") == nil)
        #expect(dialogue.left.activeChild("more") == nil)
        #expect(
            dialogue.left.reports.contains { report in
                guard case .initiationFailed(let failure) = report.event else { return false }
                return failure.subject == .trafficSelectors
            }
        )
        expectRest(dialogue)
    }

    @Test("a child with a suite that is not wanted any more amid its key exchanges is not made")
    func otherSuiteMeanwhile() {
        let dialogue = series { $0.espProposals = ["aes128gcm16-x25519"] }
        #expect(dialogue.right.activeChild("more") == nil)
        #expect(dialogue.left.activeChild("more") == nil)
    }

    @Test("a child whose place in the configuration changes amid its key exchanges is made")
    func keptMeanwhile() {
        let dialogue = series { $0.livenessInterval = .seconds(30) }
        #expect(dialogue.agree(on: "more"))
        expectRest(dialogue, children: 2)
    }

    @Test("an unknown link is answered with STATE_NOT_FOUND and harms nothing")
    func unknownLink() {
        let dialogue = established()
        guard let sa = dialogue.left.engine.sas.all().first, let state = sa.established else {
            return
        }
        dialogue.left.engine.request(
            .checkLiveness,
            .ikeFollowUpKE,
            [.notify(NotifyPayload(.additionalKeyExchange, data: [1, 2, 3]))],
            of: sa,
            at: dialogue.now
        )
        dialogue.left.absorb(dialogue.left.engine.effects)
        dialogue.left.engine.effects = []
        dialogue.settle()
        let answer = dialogue.sent.last
        #expect(answer?.bytes[18] == ExchangeType.ikeFollowUpKE.rawValue)
        sa.requests.removeAll()
        sa.timers = [:]
        #expect(state.children.count == 1)
        #expect(dialogue.right.establishedIKESAs.count == 1 && dialogue.agree())
    }

    @Test("an IKE SA closed while it is replaced takes its successor along", arguments: 1...3)
    func closedWhileReplaced(exchanges: Int) {
        let dialogue = established()
        rekeyIKESA(at: dialogue.left, dialogue)
        for _ in 1..<exchanges {
            dialogue.carry(from: dialogue.left, to: dialogue.right)
            dialogue.carry(from: dialogue.right, to: dialogue.left)
        }
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.left)
        dialogue.advance(by: .seconds(200))
        for party in [dialogue.left, dialogue.right] {
            #expect(party.children.isEmpty)
            #expect(party.establishedIKESAs.isEmpty)
            #expect(party.engine.sas.all().allSatisfy { $0.established == nil })
        }
    }

    @Test(
        "closing the child or the SA in the middle leaves nothing behind",
        arguments: [true, false]
    )
    func closedMeanwhile(wholeSA: Bool) {
        let dialogue = established()
        rekeyChild(at: dialogue.left, dialogue)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        dialogue.handle(
            .terminate(connection: "site", child: wholeSA ? nil : "net"),
            at: dialogue.left
        )
        dialogue.advance(by: .seconds(200))
        for party in [dialogue.left, dialogue.right] {
            #expect(party.children.isEmpty)
            #expect(party.engine.sas.reservedSPICount == 0)
        }
    }

    @Test("a child that is closed amid the peer's rekeying does not come back")
    func closedAmid() {
        let dialogue = established()
        let (left, right) = (dialogue.left, dialogue.right)
        rekeyChild(at: right, dialogue)
        dialogue.carry(from: right, to: left)
        dialogue.carry(from: left, to: right)
        let followUp = right.outbox
        right.outbox = []
        #expect(!followUp.isEmpty)
        dialogue.handle(.terminate(connection: "site", child: "net"), at: left)
        let deletion = left.outbox
        left.outbox = []
        for datagram in followUp { dialogue.deliver(datagram, to: left) }
        dialogue.settle()
        for datagram in deletion { dialogue.deliver(datagram, to: right) }
        dialogue.advance(by: .seconds(30))
        #expect(left.present.isEmpty && right.present.isEmpty)
        #expect(left.establishedIKESAs.count == 1)
    }

    /// This end's own rekeying has waited for the peer's, which ends with what is asked for here; the other
    /// child is closed first.
    @Test(
        "of two children that are closed amid the peer's rekeying of one none is rekeyed any more"
    )
    func bothClosedAmid() throws {
        var near = setup()
        near.adjustChild = { $0.codePointSets = [CodePointSet([46])] }
        let dialogue = Dialogue(near, setup().mirrored)
        let (left, right) = (dialogue.left, dialogue.right)
        dialogue.initiate()
        var wish = IKEEvent.Initiation(connection: "site", child: "net")
        wish.codePoints = CodePointSet([46])
        dialogue.handle(.initiate(wish), at: left)
        dialogue.advance(by: .seconds(5))
        let children = left.children.sorted { $0.inboundSPI < $1.inboundSPI }
        #expect(children.count == 2)
        let last = try #require(children.last)
        dialogue.handle(
            .childLifetimeReached(inboundSPI: last.outboundSPI, limit: .soft),
            at: right
        )
        dialogue.carry(from: right, to: left)
        right.outbox = []
        left.outbox = []
        dialogue.handle(
            .childLifetimeReached(inboundSPI: last.inboundSPI, limit: .soft),
            at: left
        )
        let isWaiting = left.outbox.isEmpty
        #expect(isWaiting)
        dialogue.handle(.terminate(connection: "site", child: "net"), at: left)
        dialogue.advance(by: .seconds(60))
        #expect(left.present.isEmpty && right.present.isEmpty)
        #expect(left.establishedIKESAs.count == 1)
    }
}
