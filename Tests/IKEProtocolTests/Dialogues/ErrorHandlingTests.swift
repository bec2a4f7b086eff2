import IKEMessages
import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// RFC 7296 §2.21, clause by clause.
@Suite("Error handling (RFC 7296 §2.21)")
struct ErrorHandlingTests {
    private func first(_ dialogue: Dialogue) throws -> IKEDatagram {
        dialogue.begin(dialogue.left)
        return try #require(dialogue.left.outbox.first)
    }

    /// The notifications of a message in clear.
    private func clearNotifies(_ datagram: IKEDatagram) throws -> [NotifyType] {
        let message = try IKEMessage(reading: datagram.bytes)
        #expect(message.protection == .none)
        return message.payloads.compactMap { payload in
            if case .notify(let notify) = payload { notify.type } else { nil }
        }
    }

    /// Sends what one end would as a request of its IKE SA, whatever it says.
    private func request(
        _ type: ExchangeType,
        _ payloads: [Payload],
        from party: Party,
        in dialogue: Dialogue
    ) throws {
        let engine = party.engine
        let sa = try #require(engine.sas.all().first { $0.established != nil })
        engine.request(.checkLiveness, type, payloads, of: sa, at: dialogue.now)
        dialogue.handle(.timeout, at: party)
    }

    private func isAlive(_ party: Party) -> Bool { !party.establishedIKESAs.isEmpty }

    // MARK: §2.21.1, in IKE_SA_INIT

    @Test("§2.21.1, §3.10.1: a malformed first request is not answered, and our log says why")
    func malformedInit() throws {
        let dialogue = Dialogue()
        let right = dialogue.right
        let sound = try first(dialogue)
        var wrong: [[UInt8]] = []
        // A payload longer than the message, an SA payload cut off, and no payload at all.
        var long = sound.bytes
        long[30] = 0xFF
        wrong.append(long)
        var cut = Array(sound.bytes.prefix(40))
        cut.replaceSubrange(24..<28, with: [0, 0, 0, 40])
        wrong.append(cut)
        var empty = Array(sound.bytes.prefix(28))
        empty[16] = 0
        empty.replaceSubrange(24..<28, with: [0, 0, 0, 28])
        wrong.append(empty)
        for bytes in wrong {
            var datagram = sound
            datagram.bytes = bytes
            dialogue.deliver(datagram, to: right)
        }
        #expect(right.outbox.isEmpty)
        #expect(right.engine.counters.dropped(.malformed) == 3)
        #expect(right.failures.map(\.subject) == Array(repeating: .malformedMessage, count: 3))
        #expect(right.engine.sas.count == 0)
        // Nobody is kept out by it.
        dialogue.settle()
        #expect(dialogue.agree())
    }

    @Test("§3.10.1: nor is a malformed one with a ticket")
    func malformedResumption() throws {
        let session = ResumptionDialogue()
        session.lose()
        let right = session.right
        var datagram = try first(session.dialogue)
        #expect(try WireHeader(reading: datagram.bytes).header.exchangeType == .ikeSessionResume)
        datagram.bytes[30] = 0xFF
        let before = right.engine.counters.dropped(.malformed)
        session.dialogue.deliver(datagram, to: right)
        #expect(right.outbox.isEmpty)
        #expect(right.engine.counters.dropped(.malformed) == before + 1)
        #expect(right.failures.last?.subject == .malformedMessage)
    }

    @Test("§2.5, §2.21.1: a critical payload that is unknown is told in clear")
    func criticalInit() throws {
        let dialogue = Dialogue()
        var datagram = try first(dialogue)
        // The first payload becomes one of a type that nobody knows, with the critical flag.
        datagram.bytes[16] = 200
        datagram.bytes[29] = 0x80
        dialogue.deliver(datagram, to: dialogue.right)
        let answer = try #require(dialogue.right.outbox.first)
        #expect(try clearNotifies(answer) == [.unsupportedCriticalPayload])
    }

    @Test("§2.21.1: so many answers a second to what anybody could send, and so many lines")
    func limitedAnswers() throws {
        let dialogue = Dialogue()
        var datagram = try first(dialogue)
        datagram.bytes[16] = 200
        datagram.bytes[29] = 0x80
        for number in 0..<200 {
            datagram.bytes[7] = UInt8(number)
            dialogue.deliver(datagram, to: dialogue.right)
        }
        #expect(dialogue.right.outbox.count == EngineSettings().unprotectedAnswersPerSecond)
        let before = dialogue.right.reports.count
        datagram.bytes[29] = 0
        for number in 0..<200 {
            datagram.bytes[7] = UInt8(number)
            dialogue.deliver(datagram, to: dialogue.right)
        }
        #expect(dialogue.right.reports.count - before <= 20)
    }

    @Test("RFC 6989 §2.5: a key exchange value that is none may be told of")
    func badValue() throws {
        var setup = Setup()
        setup.ikeProposals = ["aes256gcm16-prfsha256-ecp256"]
        let dialogue = Dialogue(setup)
        var datagram = try first(dialogue)
        let payload = try #require(offset(of: 34, in: datagram.bytes))
        for index in payload + 8..<payload + 72 { datagram.bytes[index] = 0xAA }
        dialogue.deliver(datagram, to: dialogue.right)
        let answer = try #require(dialogue.right.outbox.first)
        #expect(try clearNotifies(answer) == [.invalidSyntax])
        #expect(dialogue.right.engine.sas.count == 0)
    }

    private func offset(of wanted: UInt8, in message: [UInt8]) -> Int? {
        var type = message[16]
        var start = 28
        while type != 0, start + 4 <= message.count {
            if type == wanted { return start }
            type = message[start]
            start += Int(message[start + 2]) << 8 | Int(message[start + 3])
        }
        return nil
    }

    @Test(
        "§2.21.1: no error in IKE_SA_INIT is believed at once: the true answer still counts",
        arguments: [UInt8(1), 5, 7, 14, 24]
    )
    func forgedError(number: UInt8) {
        let dialogue = Dialogue()
        var isFirst = true
        dialogue.directedLink = { datagram, isFromLeft in
            guard !isFromLeft, isFirst else { return [datagram] }
            isFirst = false
            var forged = datagram
            forged.bytes = Array(datagram.bytes.prefix(28)) + [0, 0, 0, 8, 0, 0, 0, number]
            forged.bytes[16] = 41
            forged.bytes.replaceSubrange(24..<28, with: [0, 0, 0, 36])
            return [forged, datagram]
        }
        dialogue.initiate()
        #expect(dialogue.agree() && dialogue.left.failures.isEmpty)
    }

    // MARK: §2.21.2, in IKE_AUTH

    @Test("§2.21.2: whatever is wrong with the peer, it hears AUTHENTICATION_FAILED and no more")
    func authenticationFailed() {
        let changes: [(inout Setup) -> Void] = [
            { $0.secret = "another" }, { $0.remoteIdentity = "somebody.example" },
            { $0.localIdentity = "renamed.example" },
        ]
        for change in changes {
            var right = Setup().mirrored
            change(&right)
            let dialogue = Dialogue(Setup(), right)
            dialogue.initiate()
            #expect(
                dialogue.left.failures.first?.explanation.contains("AUTHENTICATION_FAILED") == true
            )
            #expect(!isAlive(dialogue.left) && !isAlive(dialogue.right))
        }
    }

    @Test("§2.21.2: the initiator that does not believe says so in an exchange of its own")
    func disbelief() {
        // The responder knows two secrets: one for us, and proves itself with it to nobody else.
        let dialogue = Dialogue()
        var right = Setup().mirrored
        right.localIdentity = "right.example"
        dialogue.configure(dialogue.right, right)
        var left = Setup()
        left.remoteIdentity = "right.example"
        dialogue.configure(dialogue.left, left)
        dialogue.begin(dialogue.left)
        for _ in 0..<2 {
            dialogue.carry(from: dialogue.left, to: dialogue.right)
            if dialogue.left.engine.sas.all().first?.peerSPI != .zero {
                // Our secret is another by the time that the answer comes.
                left.secret = "another"
                dialogue.left.absorb(
                    dialogue.left.engine.setConnections(
                        left.connections,
                        credentials: left.credentials,
                        at: dialogue.now
                    )
                )
            }
            dialogue.carry(from: dialogue.right, to: dialogue.left)
        }
        dialogue.settle()
        #expect(!isAlive(dialogue.left) && !isAlive(dialogue.right))
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
    }

    @Test("§2.21.2: a child that fails does not take the IKE SA along")
    func childFails() {
        var right = Setup().mirrored
        right.children = ["net": ("10.9.0.0/16", "10.8.0.0/16")]
        let dialogue = Dialogue(Setup(), right)
        dialogue.initiate()
        #expect(isAlive(dialogue.left) && isAlive(dialogue.right))
        #expect(dialogue.left.failures.map(\.subject) == [.trafficSelectors])
    }

    // MARK: §2.21.3, within an IKE SA

    @Test(
        "§2.21.3: who is asked what makes no sense answers, and the IKE SA is over",
        arguments: [ExchangeType.createChildSA, ExchangeType(rawValue: 200)]
    )
    func senseless(type: ExchangeType) throws {
        let dialogue = Dialogue()
        dialogue.initiate()
        let notify = NotifyPayload(.initialContact)
        try request(type, [.notify(notify)], from: dialogue.left, in: dialogue)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        #expect(!isAlive(dialogue.right) && dialogue.right.present.isEmpty)
        #expect(dialogue.right.outbox.count == 1)
    }

    @Test("§2.21.3: INVALID_SYNTAX is fatal at both ends, without a Delete")
    func syntaxIsFatal() throws {
        let dialogue = Dialogue()
        dialogue.initiate()
        let before = dialogue.sent.count
        let nonce = NoncePayload(nonce: [UInt8](repeating: 1, count: 32))
        let twice: [Payload] = [.nonce(nonce), .nonce(nonce)]
        try request(.informational, twice, from: dialogue.left, in: dialogue)
        dialogue.settle()
        #expect(!isAlive(dialogue.left) && !isAlive(dialogue.right))
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
        dialogue.advance(by: .seconds(120))
        #expect(dialogue.sent.count == before + 2)
        #expect(dialogue.left.count { $0 == .errorFromPeer(notify: "INVALID_SYNTAX") } == 1)
    }

    @Test("§2.21.3: other errors end what they are about, and not the IKE SA")
    func otherErrors() throws {
        let dialogue = Dialogue()
        dialogue.initiate()
        let errors: [NotifyType] = [.noProposalChosen, .tsUnacceptable, .invalidIKESPI]
        try request(
            .informational,
            errors.map { .notify(NotifyPayload($0)) },
            from: dialogue.left,
            in: dialogue
        )
        dialogue.settle()
        #expect(isAlive(dialogue.left) && isAlive(dialogue.right) && dialogue.agree())
        #expect(
            dialogue.right.count { if case .errorFromPeer = $0 { true } else { false } } == 3
        )
    }

    @Test("§2.21.3: a refused child leaves the IKE SA and the other children")
    func refusedChild() {
        var left = Setup()
        left.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        let dialogue = Dialogue(left, Setup().mirrored)
        dialogue.initiate()
        dialogue.initiate("more")
        #expect(isAlive(dialogue.left) && dialogue.agree() && !dialogue.agree(on: "more"))
    }

    // MARK: §2.21.4, outside any IKE SA

    @Test("§2.21.4: a request for an IKE SA that nobody has may be answered, a response never is")
    func unknownSA() throws {
        let dialogue = Dialogue()
        dialogue.initiate()
        let sample = try #require(dialogue.sent.last)
        let stranger = Party("right", "192.0.2.2", settings: EngineSettings(), seed: 5)
        var request = sample
        request.bytes[19] &= ~0x20
        dialogue.deliver(request, to: stranger)
        let answer = try #require(stranger.outbox.first)
        #expect(try clearNotifies(answer) == [.invalidIKESPI])
        // "with the same IKE SPIs and the Message ID copied".
        #expect(answer.bytes[0..<16] == request.bytes[0..<16])
        #expect(answer.bytes[20..<24] == request.bytes[20..<24])
        stranger.outbox = []
        var response = sample
        response.bytes[19] |= 0x20
        dialogue.deliver(response, to: stranger)
        #expect(stranger.outbox.isEmpty)
    }

    @Test("§2.21.4: an INVALID_IKE_SPI that nothing protects changes no SA and is not answered")
    func forgedInvalidSPI() throws {
        let dialogue = Dialogue()
        dialogue.initiate()
        let sa = try #require(dialogue.left.engine.sas.all().first)
        for isResponse in [true, false] {
            let header = MessageHeader(
                initiatorSPI: sa.initiatorSPI,
                responderSPI: sa.responderSPI,
                exchangeType: .informational,
                isFromOriginalInitiator: false,
                isResponse: isResponse,
                messageID: sa.requests.nextMessageID
            )
            let bytes = IKEMessage.serialise(
                header,
                payloads: [.notify(NotifyPayload(.invalidIKESPI))]
            )
            let (near, far) = (sa.path.local, sa.path.remote)
            dialogue.handle(
                .datagram(IKEDatagram(bytes: bytes, local: near, remote: far)),
                at: dialogue.left
            )
        }
        #expect(dialogue.left.outbox.isEmpty && isAlive(dialogue.left) && dialogue.agree())
    }
}
