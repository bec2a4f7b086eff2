import IKEMessages
import IPsecCrypto
import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// What the answer to a Delete names (RFC 7296 §1.4.1).
@Suite("Answers to Deletes")
struct DeletionTests {
    private func connected() -> Dialogue {
        var settings = EngineSettings()
        settings.exposesKeys = true
        let dialogue = Dialogue(settings: settings)
        dialogue.initiate()
        return dialogue
    }

    private func close(at party: Party, _ dialogue: Dialogue) throws -> IKEDatagram {
        dialogue.handle(.terminate(connection: "site", child: "net"), at: party)
        return try answer(of: party)
    }

    /// The one message that an end wants sent.
    private func answer(of party: Party) throws -> IKEDatagram {
        #expect(party.outbox.count == 1)
        let datagram = try #require(party.outbox.last)
        party.outbox = []
        return datagram
    }

    /// The SPIs that a message names in its Deletes.
    private func named(_ datagram: IKEDatagram, by party: Party) throws -> [SPI] {
        let message = try IKEMessage(reading: datagram.bytes)
        guard case .encrypted(let encrypted) = message.protection else { return [] }
        let exposed = try #require(party.engine.exposedKeys.last)
        let isInitiator = message.header.isFromOriginalInitiator
        let keys = exposed.keys
        let cipher = try IKECipher(
            suite: exposed.cipherSuite,
            encryptionKey: isInitiator ? keys.encryptionInitiator : keys.encryptionResponder,
            integrityKey: isInitiator ? keys.integrityInitiator : keys.integrityResponder
        )
        let plaintext = try cipher.open(
            encrypted.content[...],
            associatedData: encrypted.associatedData[...]
        )
        return try encrypted.payloads(in: plaintext).flatMap { payload -> [SPI] in
            if case .delete(let delete) = payload { delete.childSPIs } else { [] }
        }
    }

    @Test("the answer names the other half of the pair", arguments: [true, false])
    func otherHalf(byLeft: Bool) throws {
        let dialogue = connected()
        let (near, far) =
            byLeft ? (dialogue.left, dialogue.right) : (dialogue.right, dialogue.left)
        let (own, other) = (near.present, far.present)
        let request = try close(at: near, dialogue)
        #expect(try named(request, by: near) == own)
        dialogue.deliver(request, to: far)
        #expect(try named(answer(of: far), by: far) == other)
    }

    /// "In that case, the responses MUST NOT include Delete payloads for the deleted SAs, since that
    /// would result in duplicate deletion and could in theory delete the wrong SA."
    @Test("where two Deletes for one pair cross, no answer names it again")
    func crossing() throws {
        let dialogue = connected()
        let (left, right) = (dialogue.left, dialogue.right)
        let requests = (try close(at: left, dialogue), try close(at: right, dialogue))
        dialogue.deliver(requests.0, to: right)
        dialogue.deliver(requests.1, to: left)
        let answers = (try answer(of: left), try answer(of: right))
        #expect(try named(answers.0, by: left).isEmpty)
        #expect(try named(answers.1, by: right).isEmpty)
        dialogue.deliver(answers.0, to: right)
        dialogue.deliver(answers.1, to: left)
        #expect(left.present.isEmpty && right.present.isEmpty)
        #expect(left.establishedIKESAs.count == 1 && right.establishedIKESAs.count == 1)
    }

    /// RFC 7296 §2.25: after several minutes of nothing else the two ends no longer agree. One refusal
    /// that the peer's Delete has settled, and another much later, are no such thing.
    @Test("refusals far apart, each of them settled, end no IKE SA")
    func refusalsFarApart() throws {
        var setup = Setup()
        setup.livenessInterval = nil
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        let (left, right) = (dialogue.left, dialogue.right)
        let before = left.establishedIKESAs.map(\.initiatorSPI)
        for _ in 0..<3 {
            let spi = try #require(left.active["net"])
            dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: left)
            dialogue.handle(.terminate(connection: "site", child: "net"), at: right)
            dialogue.settle()
            #expect(left.present.isEmpty && right.present.isEmpty)
            dialogue.begin(right)
            dialogue.settle()
            dialogue.advance(by: .seconds(400))
            #expect(dialogue.agree())
        }
        #expect(left.establishedIKESAs.map(\.initiatorSPI) == before)
    }
}
