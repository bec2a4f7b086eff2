import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// Both ends begin at the same time, and end with one IKE SA and one pair a tunnel.
@Suite("Simultaneous starts")
struct SimultaneousStartTests {
    @Test("one IKE SA and one pair are left", arguments: orders)
    func start(order: Order) throws {
        for seed in UInt64(1)...8 {
            for isMirrored in [false, true] {
                let crossing = Crossing(seed: seed, hasTraffic: true, isUp: false)
                try crossing.play(order.script, mirrored: isMirrored)
                crossing.finish(order.end)
            }
        }
    }

    static let orders = [
        Order("the first messages cross", "L.start R.start L> R> L> R> L> R> L> R>"),
        Order("everything comes twice", "L.start R.start L= L> R= R> L= L> R= R>"),
        Order(
            "one end is done before the other begins to send",
            "L.start R.start L> R~ R> L> R~ R>"
        ),
        Order("one first message is lost", "L.start R.start L- R> L> R> L>"),
        Order("both first messages are lost", "L.start R.start L- R- @3 L> R> L> R>"),
        Order("the proofs cross", "L.start R.start L> R> L> R> L- R- @3 L> R>"),
        Order("one answer to a proof is lost", "L.start R.start L> R> L> R> L> R> L- R> @3"),
        Order("two children each", "L.start R.start L.more R.more L> R> L> R>", endsWith: .tunnels),
        Order("a child more at one end", "L.start R.start R.more L> R> L> R>", endsWith: .tunnels),
        Order("another child at each end", "L.start R.more L> R> L> R> L> R>", endsWith: .tunnels),
    ]

    /// Both ends ask for one child; the right end has its own, and the left end's request is late.
    private func beginTwice(seed: UInt64) -> (dialogue: Dialogue, late: [IKEDatagram]) {
        var setup = Setup()
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        let dialogue = Dialogue(setup, seed: seed)
        dialogue.initiate()
        dialogue.begin(dialogue.left, "more")
        let late = dialogue.left.outbox
        dialogue.left.outbox = []
        dialogue.begin(dialogue.right, "more")
        dialogue.settle()
        return (dialogue, late)
    }

    /// The peer's request comes late, when this end has used its own pair for a while. Shown by seed
    /// 800009455 of the simulator.
    @Test("what the peer may not have yet carries nothing", arguments: UInt64(1)...8)
    func lateRequest(seed: UInt64) throws {
        let (dialogue, late) = beginTwice(seed: seed)
        let (left, right) = (dialogue.left, dialogue.right)
        #expect(dialogue.agree(on: "more"))
        for datagram in late { dialogue.deliver(datagram, to: right) }
        #expect(right.children.count == 3)
        func understand() throws {
            for (sender, receiver) in [(left, right), (right, left)] {
                let spi = try #require(sender.activeChild("more")).outboundSPI
                #expect(receiver.present.contains(spi), "\(receiver.name) does not know \(spi)")
            }
        }
        try understand()
        for _ in 0..<20 {
            dialogue.advance(by: .seconds(1))
            try understand()
        }
        #expect(dialogue.agree(on: "more"))
        for party in [left, right] {
            #expect(party.children.map(\.child).sorted() == ["more", "net"])
        }
    }

    /// A peer that keeps the newest whatever the SPIs say.
    @Test("the pair that is left is used, whichever the peer closes", arguments: UInt64(1)...8)
    func foreignChoice(seed: UInt64) throws {
        let (dialogue, late) = beginTwice(seed: seed)
        let (left, right) = (dialogue.left, dialogue.right)
        let first = try #require(right.activeChild("more"))
        for datagram in late { dialogue.deliver(datagram, to: right) }
        dialogue.settle()
        let sa = try #require(left.engine.sas.all().first)
        left.engine.enqueue(
            .deleteChild(inboundSPI: first.outboundSPI),
            of: sa,
            at: dialogue.now
        )
        dialogue.handle(.timeout, at: left)
        dialogue.settle()
        let used = try #require(right.activeChild("more"))
        #expect(used.inboundSPI != first.inboundSPI)
        #expect(left.present.contains(used.outboundSPI))
        // It was used, and not only what the packet path falls back to.
        let child = right.engine.sas.all().first?.established?.children[used.inboundSPI]
        #expect(child?.isUsedOutbound == true)
    }

    /// The new pair waits to be used while it is replaced itself.
    @Test("a pair that was replaced is not used late", arguments: UInt64(1)...8)
    func replacedMeanwhile(seed: UInt64) throws {
        let (dialogue, late) = beginTwice(seed: seed)
        let (left, right) = (dialogue.left, dialogue.right)
        for datagram in late { dialogue.deliver(datagram, to: right) }
        let second = try #require(right.children.last)
        dialogue.settle()
        dialogue.advance(by: .seconds(1))
        let sa = right.engine.sas.all()[0]
        guard sa.timers[.childUse(second.inboundSPI)] != nil else { return }
        dialogue.handle(
            .childLifetimeReached(inboundSPI: second.inboundSPI, limit: .soft),
            at: right
        )
        dialogue.carry(from: right, to: left)
        dialogue.carry(from: left, to: right)
        // The Delete of what was replaced is under way for long.
        right.outbox = []
        let used = try #require(right.activeChild("more")).inboundSPI
        #expect(used != second.inboundSPI)
        dialogue.pass(.seconds(12))
        #expect(right.activeChild("more")?.inboundSPI == used)
    }

    @Test("any order whatever", arguments: UInt64(0)..<60)
    func anyOrder(seed: UInt64) throws {
        var random = SeededRandomSource(seed: seed)
        for _ in 0..<4 {
            let crossing = Crossing(
                seed: random.next64(),
                hasTraffic: random.next32() & 1 == 1,
                isUp: false
            )
            try crossing.play("L.start R.start")
            try crossing.wander(60, with: &random, [".start"])
            // Whatever was given up on the way.
            try crossing.play("L.start R.start")
            crossing.finish(.tunnel)
        }
    }
}

/// NO_ADDITIONAL_SAS (RFC 7296 §1.3): the children are in several IKE SAs, and each is there once.
@Suite("Crossings where the ends take few children in an IKE SA")
struct ScarcityCrossingTests {
    static let limits: [[Int?]] = [[1, nil], [nil, 1], [1, 1], [2, 1], [2, 2]]

    @Test("both begin both tunnels, in any order", arguments: UInt64(0)..<30)
    func starts(seed: UInt64) throws {
        var random = SeededRandomSource(seed: seed)
        for limits in ScarcityCrossingTests.limits {
            let crossing = Crossing(
                seed: random.next64(),
                hasTraffic: random.next32() & 1 == 1,
                isUp: false,
                limits: limits
            )
            try crossing.play("L.start R.start L.more R.more")
            try crossing.wander(60, with: &random, [".start", ".more"])
            try crossing.play("L.start R.start L.more R.more")
            crossing.finish(.tunnels)
        }
    }

    @Test("rekeying, in any order", arguments: UInt64(0)..<30)
    func rekeying(seed: UInt64) throws {
        var random = SeededRandomSource(seed: seed)
        for limits in ScarcityCrossingTests.limits {
            let crossing = Crossing(
                seed: random.next64(),
                hasTraffic: random.next32() & 1 == 1,
                limits: limits
            )
            try crossing.play("R.more")
            try crossing.wander(60, with: &random, [".child", ".ike", ".reauth", ".more"])
            try crossing.playOnceCalm("L.start R.more")
            crossing.finish(.tunnels)
        }
    }
}

/// RFC 7296 §2.8.3.
@Suite("Reauthentication")
struct ReauthenticationTests {
    @Test("the new IKE SA is up before the old one goes", arguments: orders)
    func reauthentication(order: Order) throws {
        for seed in UInt64(1)...8 {
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
        Order("by one end", "L.reauth L> R> L> R> L> R>"),
        Order("by one end, with losses", "L.reauth L- @3 L> R> L> R- @3 L> R>"),
        Order("with two children", "L.more L> R> L.reauth L> R> L> R> L> R>", endsWith: .tunnels),
        Order("by both ends", "L.reauth R.reauth L> R> L> R> L> R> L> R>"),
        Order("against the rekeying of the IKE SA", "L.reauth R.ike L> R> L> R> L> R>"),
        Order("against the rekeying of the child", "L.reauth R.child L> R> L> R> L> R>"),
        Order("against the closing", "L.reauth R.end L> R> L> R>", endsWith: .nothing),
    ]

    @Test(
        "a child that is being closed is not made anew in the new IKE SA",
        arguments: 1...8 as ClosedRange<UInt64>,
        [false, true]
    )
    func closedMeanwhile(seed: UInt64, isQueued: Bool) throws {
        var setup = Setup()
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        setup.window = isQueued ? 1 : 8
        setup.reauthenticateAfter = .seconds(86_400)
        let dialogue = Dialogue(setup, seed: seed)
        let (left, right) = (dialogue.left, dialogue.right)
        dialogue.initiate()
        dialogue.begin(left, "more")
        dialogue.settle()
        let old = try #require(left.engine.sas.all().first)
        left.engine.arm(.reauthentication, of: old, at: dialogue.now)
        dialogue.handle(.timeout, at: left)
        // IKE_SA_INIT is answered, and IKE_AUTH under way.
        dialogue.carry(from: left, to: right)
        dialogue.carry(from: right, to: left)
        let proof = left.outbox
        left.outbox = []
        if isQueued {
            left.engine.enqueue(.checkLiveness, of: old, at: dialogue.now)
            dialogue.handle(.timeout, at: left)
        }
        dialogue.handle(.terminate(connection: "site", child: "more"), at: left)
        // What the old IKE SA asks is lost once.
        left.outbox = []
        for datagram in proof { dialogue.deliver(datagram, to: right) }
        dialogue.advance(by: .seconds(300))
        for party in [left, right] {
            #expect(party.children.map(\.child) == ["net"], "\(party.name)")
            #expect(party.establishedIKESAs.count == 1)
        }
        #expect(dialogue.agree())
    }

    @Test("in time, for days")
    func days() {
        var setup = Setup()
        setup.reauthenticateAfter = .seconds(3 * 3600)
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        dialogue.advance(by: .seconds(2 * 86_400))
        #expect(dialogue.agree())
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.left.count { if case .ikeSAEstablished = $0 { true } else { false } } > 15)
        #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
        #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
    }

    @Test("what waits in an IKE SA that is being replaced is done: it may have to stay")
    func unfinished() throws {
        var setup = Setup()
        setup.window = 1
        setup.reauthenticateAfter = .seconds(86_400)
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        dialogue.initiate("more")
        let engine = dialogue.left.engine
        let old = try #require(engine.sas.ofConnection("site").first)
        let child = try #require(dialogue.left.activeChild("net")?.inboundSPI)
        var isOldCut = true
        var isNewCut = true
        let createChildSA: UInt8 = 36
        dialogue.link = { datagram in
            let initiator = datagram.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
            if initiator == old.localSPI.rawValue { return isOldCut ? [] : [datagram] }
            return isNewCut && datagram.bytes[18] == createChildSA ? [] : [datagram]
        }
        dialogue.handle(.probe(connection: "site"), at: dialogue.left)
        dialogue.handle(.childLifetimeReached(inboundSPI: child, limit: .soft), at: dialogue.left)
        engine.arm(.reauthentication, of: old, at: dialogue.now)
        dialogue.handle(.timeout, at: dialogue.left)
        dialogue.settle()
        #expect(old.established?.isRetiring == true, "the new one is not up")
        isOldCut = false
        dialogue.advance(by: .seconds(20))
        #expect(engine.sas[old.localSPI] === old && old.established?.isRetiring == true)
        #expect(!dialogue.left.present.contains(child), "no new keys")
        isNewCut = false
        dialogue.advance(by: .seconds(600))
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.agree() && dialogue.agree(on: "more"))
    }

    @Test("a peer that cannot prove itself any more loses the old IKE SA as well")
    func otherSecret() {
        var left = Setup()
        left.reauthenticateAfter = .seconds(3600)
        var right = Setup().mirrored
        let dialogue = Dialogue(left, right)
        dialogue.initiate()
        right.secret = "another"
        dialogue.advance(by: .seconds(3000))
        var changed = left
        changed.secret = "a third"
        dialogue.configure(dialogue.left, changed)
        dialogue.advance(by: .seconds(2000))
        // The peer refuses; the old IKE SA goes when its time is over.
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
    }
}

@Suite("Duplicate peers")
struct DuplicateTests {
    /// The left end begins and reaches nobody; meanwhile the right end, from another address, begins as
    /// well, and then is where the left one looks for it. For the left end the two were begun at the
    /// same time, for the right one they were not.
    @Test("a first message that is late brings up nothing twice")
    func lateFirstMessage() throws {
        var setup = Setup()
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        var right = setup.mirrored
        right.localAddress = ""
        setup.remotePrefixes = ["192.0.2.2/32", "198.51.100.7/32"]
        let dialogue = Dialogue(setup, right)
        dialogue.begin(dialogue.left)
        dialogue.left.outbox = []
        let away = IPAddress("198.51.100.7")!
        dialogue.handle(
            .initiate(
                IKEEvent.Initiation(connection: "site", child: "net", localAddress: away)
            ),
            at: dialogue.right
        )
        dialogue.settle()
        dialogue.begin(dialogue.right, "more")
        dialogue.settle()
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.left.activeChild("net")?.path.remote.address == away)
        // The first message of the left end comes again.
        dialogue.advance(by: .seconds(5))
        #expect(dialogue.left.establishedIKESAs.count == 2)
        dialogue.advance(by: .seconds(20))
        #expect(dialogue.agree(on: "net") && dialogue.agree(on: "more"))
        for party in [dialogue.left, dialogue.right] {
            #expect(party.children.map(\.child).sorted() == ["more", "net"])
        }
        dialogue.advance(by: .seconds(3600))
        #expect(dialogue.agree(on: "net") && dialogue.agree(on: "more"))
        #expect(dialogue.left.present.count == 2 && dialogue.right.present.count == 2)
    }

    private func twin(of dialogue: Dialogue, _ setup: Setup, seed: UInt64) -> Party {
        let twin = Party("left", "192.0.2.1", settings: EngineSettings(), seed: seed)
        dialogue.configure(twin, setup)
        return twin
    }

    /// Another machine with the same identity connects; the first one lives on.
    private func connectTwin(_ policy: IKEConnection.Duplicates) -> (Dialogue, Party) {
        var right = Setup().mirrored
        right.duplicates = policy
        let dialogue = Dialogue(Setup(), right)
        dialogue.initiate()
        dialogue.advance(by: .seconds(5))
        var setup = Setup()
        // It expects nobody in particular, and so says nothing of a first contact.
        setup.remoteIdentity = "any"
        let twin = twin(of: dialogue, setup, seed: 99)
        dialogue.begin(twin)
        for _ in 0..<6 {
            dialogue.carry(from: twin, to: dialogue.right)
            dialogue.carry(from: dialogue.right, to: twin)
        }
        return (dialogue, twin)
    }

    @Test("keep: both stay")
    func keep() {
        let (dialogue, twin) = connectTwin(.keep)
        #expect(dialogue.right.establishedIKESAs.count == 2)
        #expect(twin.present.count == 1)
    }

    @Test("refuse: the second is refused and the first asked whether it lives")
    func refuse() {
        let (dialogue, twin) = connectTwin(.refuse)
        #expect(dialogue.right.establishedIKESAs.count == 1)
        #expect(twin.present.isEmpty && !twin.failures.isEmpty)
        #expect(
            dialogue.right.failures.contains { $0.explanation.contains("duplicates are refused") }
        )
    }

    @Test("replace: the older one goes when it is certain that the newer one does the same")
    func replace() {
        let (dialogue, _) = connectTwin(.replace)
        #expect(dialogue.right.establishedIKESAs.count == 2)
        dialogue.link = { _ in [] }
        dialogue.pass(.seconds(31))
        #expect(dialogue.right.establishedIKESAs.count == 1)
        #expect(dialogue.right.count { $0 == .ikeSAClosed(.superseded) } == 1)
    }

    @Test("one identity has so many IKE SAs and no more")
    func limit() {
        var settings = EngineSettings()
        settings.ikeSALimitPerPeer = 3
        var right = Setup().mirrored
        right.duplicates = .keep
        let dialogue = Dialogue(Setup(), right, settings: settings)
        var setup = Setup()
        setup.remoteIdentity = "any"
        for seed in UInt64(50)..<56 {
            let twin = twin(of: dialogue, setup, seed: seed)
            dialogue.begin(twin)
            for _ in 0..<4 {
                dialogue.carry(from: twin, to: dialogue.right)
                dialogue.carry(from: dialogue.right, to: twin)
            }
        }
        #expect(dialogue.right.establishedIKESAs.count == 3)
    }

    @Test(
        "one of two that both ends made is rekeyed before the other is there: one stays",
        arguments: 1...24,
        [false, true]
    )
    func rekeyedBeforeItsTwin(seed: UInt64, isRekeyedAgain: Bool) throws {
        var setup = Setup()
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        let dialogue = Dialogue(setup, seed: seed)
        dialogue.initiate()
        dialogue.begin(dialogue.right, "more")
        let late = dialogue.right.outbox
        dialogue.right.outbox = []
        dialogue.initiate("more")
        let first = try #require(dialogue.left.active["more"])
        dialogue.handle(.childLifetimeReached(inboundSPI: first, limit: .soft), at: dialogue.left)
        let rekey = dialogue.left.outbox
        dialogue.left.outbox = []
        for datagram in late { dialogue.deliver(datagram, to: dialogue.left) }
        dialogue.settle()
        for datagram in rekey { dialogue.deliver(datagram, to: dialogue.right) }
        dialogue.settle()
        if isRekeyedAgain {
            dialogue.advance(by: .seconds(1))
            for child in dialogue.left.children where child.child == "more" {
                dialogue.handle(
                    .childLifetimeReached(inboundSPI: child.inboundSPI, limit: .soft),
                    at: dialogue.left
                )
            }
        }
        dialogue.advance(by: .seconds(60))
        for party in [dialogue.left, dialogue.right] {
            #expect(party.children.count { $0.child == "more" } == 1)
        }
        #expect(dialogue.agree(on: "more") && dialogue.agree())
    }
}
