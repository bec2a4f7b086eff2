import IKEMessages
import IKEProtocol
import IPsecPrimitives
import Testing

/// Two ends of which the right one gives tickets, and what can befall their IKE SA.
struct ResumptionDialogue {
    static let secret = SecretBytes(Array("a secret of the right end's only".utf8))
    /// What the clock on the right end's wall says when a dialogue begins.
    static let wallSeconds: UInt64 = 1_900_000_000

    let dialogue: Dialogue

    static func setup(ticketLifetime: Duration = .seconds(3600)) -> Setup {
        var setup = Setup()
        setup.adjustConnection = {
            $0.resumption = ResumptionPolicy(
                ticketLifetime: ticketLifetime,
                source: "\($0.localIdentity).yaml:9"
            )
        }
        return setup
    }

    init(
        _ left: Setup = setup(),
        _ right: Setup? = nil,
        settings: EngineSettings = EngineSettings()
    ) {
        var patient = right ?? left.mirrored
        patient.livenessInterval = nil
        dialogue = Dialogue(left, patient, settings: settings)
        dialogue.right.engine.useTicketSealer(ResumptionDialogue.sealer(at: dialogue.now))
        dialogue.initiate()
    }

    static func sealer(
        _ secret: SecretBytes = secret,
        seconds: UInt64 = wallSeconds,
        at now: Instant
    ) -> TicketSealer {
        TicketSealer(secret: secret, secondsSince1970: seconds, at: now)!
    }

    var left: Party { dialogue.left }
    var right: Party { dialogue.right }

    /// The path fails for so long that the left end gives the peer up; the right end, which asks
    /// nothing by itself, keeps its half.
    func lose() {
        dialogue.link = { _ in [] }
        let before = left.count { $0 == .ikeSAClosed(.peerUnresponsive) }
        var rounds = 0
        while left.count({ $0 == .ikeSAClosed(.peerUnresponsive) }) == before, rounds < 100 {
            rounds += 1
            dialogue.advance(by: .seconds(10))
        }
        dialogue.link = { [$0] }
        #expect(left.present.isEmpty)
    }

    func isResumed(_ party: Party) -> Bool {
        party.establishedIKESAs.count == 1 && party.establishedIKESAs[0].isResumed
    }

    /// The exchange types of first requests since `count` datagrams had been sent.
    func firstRequests(since count: Int) -> [ExchangeType] {
        dialogue.sent[count...].compactMap { try? WireHeader(reading: $0.bytes).header }
            .filter { !$0.isResponse && $0.messageID == 0 }
            .map(\.exchangeType)
            .filter { $0 == .ikeSAInit || $0 == .ikeSessionResume }
    }

    /// The right end's answers to first requests that are refusals.
    func nacks(since count: Int) throws -> Int {
        try dialogue.sent[count...].count { datagram in
            let message = try IKEMessage(reading: datagram.bytes)
            guard message.protection == .none else { return false }
            return message.payloads.contains { payload in
                if case .notify(let notify) = payload { notify.type == .ticketNACK } else { false }
            }
        }
    }

    /// The left end tries again; returns the exchanges that it began with.
    func tryAgain() -> [ExchangeType] {
        let before = dialogue.sent.count
        dialogue.initiate()
        return firstRequests(since: before)
    }
}
