import IKECredentials
import IKEMessages
import IKEProtocol
import IPsecPrimitives
import Testing

/// RFC 5723, both roles.
@Suite("Session resumption")
struct ResumptionTests {
    @Test("an IKE SA that was lost comes back with one exchange and no key exchange")
    func resumes() throws {
        let session = ResumptionDialogue()
        session.lose()
        let before = session.dialogue.sent.count
        #expect(session.tryAgain() == [.ikeSessionResume])
        #expect(session.isResumed(session.left) && session.isResumed(session.right))
        #expect(session.dialogue.agree())
        // The old SA of the end that had noticed nothing has gone without a word (§4.3.4).
        #expect(session.right.children.count == 1)
        #expect(session.dialogue.sent.count - before == 4)
        let identity = try #require(session.right.establishedIKESAs.first?.remoteIdentity)
        #expect(identity == "left.example")
    }

    @Test("a resumed IKE SA rekeys, makes children and can be resumed in turn")
    func livesOn() {
        var setup = ResumptionDialogue.setup()
        setup.children["other"] = ("10.3.0.0/16", "10.4.0.0/16")
        let session = ResumptionDialogue(setup)
        for _ in 0..<3 {
            session.lose()
            #expect(session.tryAgain() == [.ikeSessionResume])
            #expect(session.dialogue.agree())
            session.dialogue.initiate("other")
            #expect(session.dialogue.agree(on: "other"))
        }
        session.dialogue.advance(by: .seconds(4 * 3600 + 600))
        #expect(session.left.count { if case .ikeSARekeyed = $0 { true } else { false } } >= 1)
        #expect(session.dialogue.agree() && session.dialogue.agree(on: "other"))
        session.lose()
        #expect(session.tryAgain() == [.ikeSessionResume])
        #expect(session.dialogue.agree())
    }

    @Test("a gateway that has restarted with its secret takes its tickets, else it refuses")
    func restart() throws {
        for keepsSecret in [true, false] {
            let session = ResumptionDialogue()
            session.lose()
            let dialogue = session.dialogue
            let party = Party("right", "192.0.2.2", settings: EngineSettings(), seed: 99)
            party.engine.useTicketSealer(
                ResumptionDialogue.sealer(
                    keepsSecret
                        ? ResumptionDialogue.secret : SecretBytes([UInt8](repeating: 3, count: 32)),
                    seconds: ResumptionDialogue.wallSeconds + 300,
                    at: dialogue.now
                )
            )
            dialogue.configure(party, ResumptionDialogue.setup().mirrored)
            let before = dialogue.sent.count
            dialogue.begin(dialogue.left)
            for _ in 0..<8 {
                dialogue.carry(from: dialogue.left, to: party)
                dialogue.carry(from: party, to: dialogue.left)
            }
            #expect(party.establishedIKESAs.count == 1)
            #expect(party.establishedIKESAs.first?.isResumed == keepsSecret)
            #expect(
                session.firstRequests(since: before)
                    == (keepsSecret ? [.ikeSessionResume] : [.ikeSessionResume, .ikeSAInit])
            )
        }
    }

    @Test("under load a cookie is asked for, and given")
    func cookie() {
        var settings = EngineSettings()
        settings.cookieThreshold = 0
        let session = ResumptionDialogue(settings: settings)
        session.lose()
        #expect(session.tryAgain() == [.ikeSessionResume, .ikeSessionResume])
        #expect(session.isResumed(session.right))
        #expect(session.right.engine.counters.cookiesGiven >= 2)
    }

    @Test("an expired ticket is not shown, and not taken")
    func expired() throws {
        let session = ResumptionDialogue(ResumptionDialogue.setup(ticketLifetime: .seconds(600)))
        session.lose()
        session.dialogue.advance(by: .seconds(700))
        #expect(session.tryAgain() == [.ikeSAInit])
        // A client that does not know that it is too late: the gateway's clock is ahead.
        let other = ResumptionDialogue()
        other.lose()
        other.right.engine.useTicketSealer(
            ResumptionDialogue.sealer(
                seconds: ResumptionDialogue.wallSeconds + 3700,
                at: other.dialogue.now
            )
        )
        let before = other.dialogue.sent.count
        #expect(other.tryAgain() == [.ikeSessionResume, .ikeSAInit])
        #expect(try other.nacks(since: before) == 1)
        #expect(other.dialogue.agree())
    }

    @Test("a ticket serves once")
    func replayed() throws {
        let session = ResumptionDialogue()
        session.lose()
        let before = session.dialogue.sent.count
        _ = session.tryAgain()
        let request = try #require(session.dialogue.sent[before...].first)
        let nacks = try session.nacks(since: before)
        let halfOpen = session.right.engine.status(at: .origin).halfOpenSAs
        // From elsewhere, lest it be the repetition of a request.
        var replay = request
        replay.local.port = 40_000
        session.dialogue.deliver(replay, to: session.right)
        session.dialogue.settle()
        #expect(try session.nacks(since: before) == nacks + 1)
        #expect(session.right.engine.status(at: .origin).halfOpenSAs == halfOpen)
        #expect(session.dialogue.agree())
    }

    @Test("whoever repeats a request keeps the peer neither out nor busy")
    func repeatedByStranger() throws {
        let session = ResumptionDialogue()
        session.lose()
        session.dialogue.begin(session.left)
        let request = try #require(session.left.outbox.first)
        for port in 1...UInt16(50) {
            var replay = request
            replay.local.port = 40_000 + port
            session.dialogue.deliver(replay, to: session.right)
        }
        session.right.outbox = []
        #expect(session.right.engine.status(at: .origin).halfOpenSAs == 4)
        // The peer's own is the fifth and refused: it begins from scratch, and is there.
        session.dialogue.settle()
        #expect(session.dialogue.agree())
    }

    @Test("tickets forged, cut or changed in any octet are refused")
    func forged() throws {
        let session = ResumptionDialogue()
        session.lose()
        session.dialogue.begin(session.left)
        let request = try #require(session.left.outbox.first)
        session.left.outbox = []
        let message = try IKEMessage(reading: request.bytes)
        let header = try WireHeader(reading: request.bytes).header
        let ticket = try #require(shownTicket(message))
        var forgeries: [[UInt8]] = ticket.indices.map { index in
            var changed = ticket
            changed[index] ^= 0x40
            return changed
        }
        forgeries += (0..<ticket.count).map { Array(ticket.prefix($0)) }
        forgeries += [ticket + [0], [UInt8](repeating: 0xff, count: 5000)]
        var port: UInt16 = 1024
        for forgery in forgeries {
            port += 1
            let payloads = message.payloads.map { payload in
                guard case .notify(let notify) = payload, notify.type == .ticketOpaque else {
                    return payload
                }
                return Payload.notify(NotifyPayload(.ticketOpaque, data: forgery))
            }
            var forged = request
            forged.bytes = IKEMessage.serialise(header, payloads: payloads)
            forged.local.port = port
            session.right.outbox = []
            session.dialogue.deliver(forged, to: session.right)
            let answer = try #require(session.right.outbox.first)
            #expect(try IKEMessage(reading: answer.bytes).payloads.count == 1)
            #expect(answer.bytes.count < 40)
        }
        #expect(session.right.engine.status(at: .origin).halfOpenSAs == 0)
    }

    @Test("a ticket of a connection that says something else now is refused")
    func reconfigured() throws {
        let changes: [(inout Setup) -> Void] = [
            { $0.secret = "another secret" },
            { $0.ikeProposals = ["aes128gcm16-prfsha256-x25519"] },
            { $0.ppk = (identifier: "key", secret: "quantum", isRequired: false) },
            { $0.adjustConnection = { $0.resumption = nil } },
            {
                $0.adjustConnection = {
                    $0.resumption = ResumptionPolicy(
                        ticketLifetime: .seconds(60),
                        source: "right.yaml:9"
                    )
                }
            },
        ]
        for change in changes {
            let session = ResumptionDialogue()
            session.lose()
            var setup = ResumptionDialogue.setup().mirrored
            change(&setup)
            session.dialogue.configure(session.right, setup)
            let before = session.dialogue.sent.count
            #expect(session.tryAgain() == [.ikeSessionResume, .ikeSAInit])
            #expect(try session.nacks(since: before) == 1)
            #expect(!session.isResumed(session.right))
        }
    }

    @Test("what the initiator's own configuration no longer covers is forgotten")
    func reconfiguredInitiator() {
        let changes: [(inout Setup) -> Void] = [
            { $0.secret = "another secret" },
            { $0.ikeProposals = ["aes128gcm16-prfsha256-x25519"] },
            { $0.adjustConnection = { $0.resumption = nil } },
            { $0.remoteIdentity = "other.example" },
        ]
        for change in changes {
            let session = ResumptionDialogue()
            session.lose()
            var setup = ResumptionDialogue.setup()
            change(&setup)
            session.dialogue.configure(session.left, setup)
            session.dialogue.configure(session.left, ResumptionDialogue.setup())
            #expect(session.tryAgain() == [.ikeSAInit])
        }
    }

    @Test("an IKE SA that somebody ended is not resumed", arguments: [true, false])
    func ended(byLeft: Bool) throws {
        let session = ResumptionDialogue()
        session.dialogue.handle(
            .terminate(connection: "site", child: nil),
            at: byLeft ? session.left : session.right
        )
        session.dialogue.settle()
        #expect(session.tryAgain() == [.ikeSAInit])
        // And one that was ended after it was lost.
        session.lose()
        session.dialogue.handle(
            .terminate(connection: "site", child: nil),
            at: byLeft ? session.left : session.right
        )
        session.right.outbox = []
        #expect(session.tryAgain() == (byLeft ? [.ikeSAInit] : [.ikeSessionResume, .ikeSAInit]))
        #expect(session.dialogue.agree())
    }

    @Test("a silent gateway is tried from scratch, and the ticket is for the next time")
    func silent() {
        let session = ResumptionDialogue()
        session.lose()
        session.dialogue.link = { _ in [] }
        let before = session.dialogue.sent.count
        session.dialogue.begin(session.left)
        session.dialogue.advance(by: .seconds(300))
        let requests = session.firstRequests(since: before)
        #expect(requests.prefix(3).allSatisfy { $0 == .ikeSessionResume })
        #expect(requests.dropFirst(3).allSatisfy { $0 == .ikeSAInit } && requests.count > 3)
        session.dialogue.link = { [$0] }
        #expect(session.tryAgain() == [.ikeSessionResume])
        #expect(session.dialogue.agree())
    }

    @Test("a ticket is not shown to another gateway")
    func otherGateway() {
        var setup = ResumptionDialogue.setup()
        setup.remoteAddress = "192.0.2.2"
        let session = ResumptionDialogue(setup)
        session.lose()
        let before = session.dialogue.sent.count
        session.dialogue.handle(
            .initiate(
                IKEEvent.Initiation(
                    connection: "site",
                    child: "net",
                    remoteAddress: IPAddress("192.0.2.9")!
                )
            ),
            at: session.left
        )
        session.dialogue.carry(from: session.left, to: session.right)
        #expect(session.firstRequests(since: before) == [.ikeSAInit])
    }

    @Test("neither end asks for tickets or gives any where the configuration does not say so")
    func off() throws {
        let silent = ResumptionDialogue(Setup(), ResumptionDialogue.setup().mirrored)
        silent.lose()
        #expect(silent.tryAgain() == [.ikeSAInit])
        let refused = ResumptionDialogue(ResumptionDialogue.setup(), Setup().mirrored)
        refused.lose()
        #expect(refused.tryAgain() == [.ikeSAInit])
    }

    @Test("a gateway that is sure of a crash announces it, and the ticket brings the SA back")
    func afterCrashNotice() {
        let session = ResumptionDialogue()
        let dialogue = session.dialogue
        let party = Party("right", "192.0.2.2", settings: EngineSettings(), seed: 99)
        for engine in [dialogue.right.engine, party.engine] {
            engine.useCrashSecret(SecretBytes([4, 5, 6]))
        }
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.left)
        dialogue.settle()
        dialogue.initiate()
        party.engine.useTicketSealer(ResumptionDialogue.sealer(at: dialogue.now))
        dialogue.configure(party, ResumptionDialogue.setup().mirrored)
        dialogue.handle(.probe(connection: "site"), at: dialogue.left)
        for _ in 0..<8 {
            dialogue.carry(from: dialogue.left, to: party)
            dialogue.carry(from: party, to: dialogue.left)
        }
        #expect(dialogue.left.count { $0 == .ikeSAClosed(.peerRestarted) } == 1)
        dialogue.begin(dialogue.left)
        for _ in 0..<8 {
            dialogue.carry(from: dialogue.left, to: party)
            dialogue.carry(from: party, to: dialogue.left)
        }
        #expect(party.establishedIKESAs.first?.isResumed == true)
    }

    @Test("a postquantum key is in the old keys and is not mixed in again")
    func postquantum() {
        var setup = ResumptionDialogue.setup()
        setup.ppk = (identifier: "key", secret: "quantum", isRequired: true)
        let session = ResumptionDialogue(setup)
        session.lose()
        #expect(session.tryAgain() == [.ikeSessionResume])
        #expect(session.isResumed(session.right))
        #expect(session.dialogue.agree())
    }

    @Test("childless, behind a NAT, with MOBIKE, with additional key exchanges: all as agreed anew")
    func extensions() {
        let changes: [(inout Setup) -> Void] = [
            { $0.childless = .prefer }, { $0.encapsulation = .udp },
            { $0.mobility = MobilityPolicy() }, { $0.signsFullTranscript = false },
            { $0.fragmentSize = nil },
            { $0.ikeProposals = ["aes256gcm16-prfsha256-x25519-ke1_mlkem768"] },
            { $0.ikeProposals = ["aes256-sha256-prfsha384-ecp256"] },
        ]
        for change in changes {
            var setup = ResumptionDialogue.setup()
            change(&setup)
            let session = ResumptionDialogue(setup)
            session.lose()
            #expect(session.tryAgain() == [.ikeSessionResume])
            #expect(session.isResumed(session.right))
            #expect(session.dialogue.agree())
        }
    }

    private func shownTicket(_ message: IKEMessage) -> [UInt8]? {
        for case .notify(let notify) in message.payloads where notify.type == .ticketOpaque {
            return notify.data
        }
        return nil
    }
}
