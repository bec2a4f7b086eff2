internal import IKEMessages
internal import IPsecPrimitives

/// Puts the fragments of encrypted messages together (RFC 7383 §2.6).
struct FragmentCollector {
    struct Place: Hashable {
        let number: UInt16
        let total: UInt16
    }

    private struct MessageName: Hashable {
        let initiator: IKESPI
        let responder: IKESPI
        let messageID: UInt32
        let isResponse: Bool
        let isFromOriginalInitiator: Bool
        let total: UInt16
    }

    private struct Parts {
        var first = PayloadType.none
        var contents: [UInt16: [UInt8]] = [:]
    }

    private var messages: [MessageName: Parts] = [:]

    /// The whole content with the type of its first payload, when `content` was the last part that
    /// was missing.
    mutating func add(
        _ content: [UInt8],
        at place: Place,
        firstPayload: PayloadType,
        of header: MessageHeader
    ) -> (PayloadType, [UInt8])? {
        let name = MessageName(
            initiator: header.initiatorSPI,
            responder: header.responderSPI,
            messageID: header.messageID,
            isResponse: header.isResponse,
            isFromOriginalInitiator: header.isFromOriginalInitiator,
            total: place.total
        )
        var parts = messages[name] ?? Parts()
        if place.number == 1 { parts.first = firstPayload }
        parts.contents[place.number] = content
        guard parts.contents.count == Int(place.total) else {
            messages[name] = parts
            return nil
        }
        messages[name] = nil
        let numbers = parts.contents.keys.sorted()
        return (parts.first, numbers.flatMap { parts.contents[$0] ?? [] })
    }
}
