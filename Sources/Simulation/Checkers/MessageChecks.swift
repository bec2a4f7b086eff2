internal import IKEMessages
internal import IPsecPrimitives

/// IKE on the wire: no message ID for two messages.
struct MessageChecks {
    private struct Key: Hashable {
        let initiator: UInt64
        let responder: UInt64
        let number: UInt32
        /// Request or response, from initiator or responder.
        let flags: UInt8
    }

    /// Hash of the message of each number.
    private var sent: [[Key: UInt64]]

    init(gateways: Int) { sent = Array(repeating: [:], count: gateways) }

    mutating func forget(_ gateway: Int) { sent[gateway] = [:] }

    mutating func sent(
        _ message: [UInt8],
        by gateway: SimulatedGateway,
        _ now: UInt64,
        _ coverage: inout Coverage
    ) -> Violation? {
        guard let wire = try? WireHeader(reading: message) else {
            return Violation(
                checker: .reuse,
                text: "\(gateway.plan.name) sends what is no IKE message",
                time: now
            )
        }
        let header = wire.header
        coverage.count(
            "exchange",
            "\(header.exchangeType) \(header.isResponse ? "response" : "request")"
        )
        // Answers to strangers and first requests may come again with a cookie or another group.
        guard header.exchangeType != .ikeSAInit, wire.firstPayload == .encrypted else { return nil }
        let key = Key(
            initiator: header.initiatorSPI.rawValue,
            responder: header.responderSPI.rawValue,
            number: header.messageID,
            flags: (header.isResponse ? 1 : 0) | (header.isFromOriginalInitiator ? 2 : 0)
        )
        let hash = MessageChecks.hash(message)
        if let before = sent[gateway.index].updateValue(hash, forKey: key), before != hash {
            return Violation(
                checker: .reuse,
                text: "\(gateway.plan.name) sends two messages as "
                    + WireHeaderText.text(message),
                time: now
            )
        }
        return nil
    }

    private static func hash(_ bytes: [UInt8]) -> UInt64 {
        var word: UInt64 = UInt64(bytes.count)
        for byte in bytes { word = (word ^ UInt64(byte)) &* 0x1000_0000_01b3 }
        return Dice.mix(word)
    }
}
