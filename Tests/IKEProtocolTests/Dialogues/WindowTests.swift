import IKEMessages
import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// RFC 7296 §2.3: several exchanges at once.
@Suite("Request windows between two ends")
struct WindowTests {
    private func setup(window: Int = 8, children: Int = 6) -> Setup {
        var setup = Setup()
        setup.window = window
        setup.children = Dictionary(
            uniqueKeysWithValues: (0..<children).map {
                ("net\($0)", ("10.1.\($0).0/24", "10.2.\($0).0/24"))
            }
        )
        return setup
    }

    /// Up with the first child, and the others asked for but not sent yet by the link.
    private func ready(_ left: Setup, _ right: Setup? = nil) -> Dialogue {
        let dialogue = Dialogue(left, right)
        dialogue.initiate("net0")
        return dialogue
    }

    private func askForAll(_ dialogue: Dialogue, children: Int = 6) {
        for index in 1..<children { dialogue.begin(dialogue.left, "net\(index)") }
    }

    @Test("a request that was given up leaves no gap in the numbers of the old IKE SA")
    func requestGivenUp() throws {
        var setup = Setup()
        setup.livenessInterval = nil
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        let sa = try #require(dialogue.right.engine.sas.all().first)
        let old = sa.localSPI
        let left = IPAddress("192.0.2.1")
        func responder(_ bytes: [UInt8]) -> UInt64 {
            bytes[8..<16].reduce(0) { $0 << 8 | UInt64($1) }
        }
        // The right end's request never arrives, nor does the left end's Delete of the old IKE SA.
        dialogue.link = { datagram in
            let isRequest = datagram.bytes[19] & 0x20 == 0
            let type = ExchangeType(rawValue: datagram.bytes[18])
            let isOfRight = datagram.remote.address == left
            let isLost = isOfRight ? type == .createChildSA : type == .informational
            let isOfOld = responder(datagram.bytes) == old.rawValue
            return isOfOld && isRequest && isLost ? [] : [datagram]
        }
        dialogue.handle(.rekeyIKESA(connection: "site"), at: dialogue.right)
        dialogue.handle(.rekeyIKESA(connection: "site"), at: dialogue.left)
        dialogue.settle()
        // Only who has moved the children to the new IKE SA asks there for another.
        let child = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: child, limit: .soft), at: dialogue.left)
        dialogue.advance(by: .seconds(600))
        var last: UInt32?
        for datagram in dialogue.sent where datagram.remote.address == left {
            let bytes = datagram.bytes
            guard bytes[19] & 0x20 == 0, responder(bytes) == old.rawValue else { continue }
            let number = bytes[20..<24].reduce(0) { $0 << 8 | UInt32($1) }
            #expect(last == nil || last == number, "request \(number) behind \(last ?? 0)")
            last = number
        }
        #expect(last != nil)
        #expect(!dialogue.right.engine.sas.all().contains { $0.localSPI == old })
        #expect(dialogue.agree())
    }

    @Test("as many requests leave at once as the peer has promised to keep")
    func severalAtOnce() {
        let dialogue = ready(setup(), setup(window: 3).mirrored)
        askForAll(dialogue)
        #expect(dialogue.left.outbox.count == 3)
        dialogue.settle()
        for index in 0..<6 { #expect(dialogue.agree(on: "net\(index)")) }
    }

    @Test("a peer that says nothing of windows gets one request at a time")
    func oneAtATime() {
        let dialogue = ready(setup(), setup(window: 1).mirrored)
        askForAll(dialogue)
        #expect(dialogue.left.outbox.count == 1)
        dialogue.settle()
        for index in 0..<6 { #expect(dialogue.agree(on: "net\(index)")) }
    }

    @Test("the window is one until the initial exchanges are complete")
    func initialExchanges() {
        let dialogue = Dialogue(setup())
        dialogue.begin(dialogue.left, "net0")
        askForAll(dialogue)
        #expect(dialogue.left.outbox.count == 1)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        #expect(dialogue.left.outbox.count == 1)
        dialogue.settle()
        for index in 0..<6 { #expect(dialogue.agree(on: "net\(index)")) }
    }

    @Test("requests in any order, and answers in any order")
    func anyOrder() {
        for seed in UInt64(1)...12 {
            let dialogue = ready(setup())
            var random = SeededRandomSource(seed: seed)
            askForAll(dialogue)
            while !dialogue.left.outbox.isEmpty || !dialogue.right.outbox.isEmpty {
                dialogue.left.outbox.scramble(with: &random)
                dialogue.carry(from: dialogue.left, to: dialogue.right)
                dialogue.right.outbox.scramble(with: &random)
                dialogue.carry(from: dialogue.right, to: dialogue.left)
            }
            for index in 0..<6 { #expect(dialogue.agree(on: "net\(index)")) }
            #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
        }
    }

    @Test("each request is sent again on its own, and answered again with the same octets")
    func retransmission() {
        let dialogue = ready(setup())
        askForAll(dialogue)
        let requests = dialogue.left.outbox
        dialogue.left.outbox = []
        // The second is lost, and so is the answer to the fourth.
        for (index, request) in requests.enumerated() where index != 1 {
            dialogue.deliver(request, to: dialogue.right)
        }
        var answers = dialogue.right.outbox
        dialogue.right.outbox = []
        let lost = answers.remove(at: 2)
        for answer in answers { dialogue.deliver(answer, to: dialogue.left) }
        #expect(dialogue.left.outbox.isEmpty)
        var again: [[UInt8]] = []
        dialogue.link = {
            again.append($0.bytes)
            return [$0]
        }
        dialogue.advance(by: .seconds(4))
        #expect(again.contains(requests[1].bytes) && again.contains(requests[3].bytes))
        #expect(again.contains(lost.bytes))
        #expect(again.count == 4)
        for index in 0..<6 { #expect(dialogue.agree(on: "net\(index)")) }
        #expect(dialogue.right.installed.count == 6)
    }

    @Test("a request beyond the window is dropped")
    func beyond() throws {
        // The left end believes in more than the right one keeps.
        let dialogue = ready(setup(), setup(window: 8).mirrored)
        askForAll(dialogue)
        let first = dialogue.left.outbox.removeFirst()
        dialogue.settle()
        // Five more each time: the first of all holds the window back.
        for child in 1..<6 {
            dialogue.handle(.terminate(connection: "site", child: "net\(child)"), at: dialogue.left)
        }
        #expect(dialogue.left.outbox.count == 3)
        dialogue.settle()
        #expect(dialogue.left.outbox.isEmpty)
        dialogue.deliver(first, to: dialogue.right)
        dialogue.settle()
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
    }

    @Test("what an answer leads to waits as well when an older request holds the window back")
    func continuation() {
        // The right end wants another method than the left one guesses.
        var left = setup(window: 2)
        left.espProposals = ["aes256gcm16-x25519-ecp256"]
        var right = setup(window: 2)
        right.espProposals = ["aes256gcm16-ecp256"]
        let dialogue = ready(left, right.mirrored)
        askForAll(dialogue)
        #expect(dialogue.left.outbox.count == 2)
        let lost = dialogue.left.outbox.removeFirst()
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        #expect(dialogue.left.outbox.isEmpty)
        dialogue.deliver(lost, to: dialogue.right)
        dialogue.settle()
        for index in 0..<6 { #expect(dialogue.agree(on: "net\(index)")) }
    }

    @Test("a rekeyed IKE SA begins with a window of one, and is widened again")
    func afterRekey() {
        var left = setup()
        left.ikeLifetime = SALifetime(rekeyAfter: .seconds(100), jitterPercent: 0)
        var right = setup().mirrored
        right.ikeLifetime = SALifetime(rekeyAfter: nil)
        let dialogue = ready(left, right)
        dialogue.advance(by: .seconds(110))
        #expect(dialogue.left.count { if case .ikeSARekeyed = $0 { true } else { false } } == 1)
        askForAll(dialogue)
        #expect(dialogue.left.outbox.count == 1)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        #expect(dialogue.left.outbox.count == 4)
        dialogue.settle()
        for index in 0..<6 { #expect(dialogue.agree(on: "net\(index)")) }
    }

    @Test("a peer that is more patient than this end still gets its answer")
    func patientPeer() {
        var right = setup(window: 1)
        right.retransmission.interval = .milliseconds(500)
        right.retransmission.tries = 3
        right.livenessInterval = nil
        var left = setup()
        left.livenessInterval = nil
        let dialogue = ready(left, right.mirrored)
        dialogue.begin(dialogue.left, "net1")
        // The request arrives, and no answer for two minutes.
        var isDeaf = true
        dialogue.directedLink = { datagram, isFromLeft in
            isFromLeft || !isDeaf ? [datagram] : []
        }
        dialogue.settle()
        dialogue.advance(by: .seconds(60))
        isDeaf = false
        dialogue.advance(by: .seconds(120))
        #expect(dialogue.agree(on: "net0") && dialogue.agree(on: "net1"))
    }

    @Test("answers are forgotten in time, and an old request then changes nothing")
    func oldAnswers() {
        let dialogue = ready(setup())
        let requests = dialogue.sent.filter { $0.local.address == dialogue.left.address }
        dialogue.advance(by: .seconds(3000))
        dialogue.right.outbox = []
        for request in requests { dialogue.deliver(request, to: dialogue.right) }
        #expect(dialogue.right.outbox.filter { $0.bytes[18] != 34 }.isEmpty)
        #expect(dialogue.right.present.count == 1)
    }
}

extension [IKEDatagram] {
    mutating func scramble(with random: inout SeededRandomSource) {
        for index in indices.reversed() {
            swapAt(index, Int(random.next32() % UInt32(index + 1)))
        }
    }
}
