internal import IPsecPrimitives

/// Where cookie and nonce stand in a first request, found without building anything: under a
/// flood, most requests are worth no more than this look (RFC 7296 §2.6).
package struct InitRequestOutline: Hashable, Sendable {
    /// The data of the COOKIE notification, if there is one.
    package let cookie: Range<Int>?
    package let nonce: Range<Int>
    package let hasPuzzleSolution: Bool

    /// Payloads that are looked at.
    private static let payloadLimit = 64
    private static let notifyHeaderOctets = 4

    /// Nil when the message, with its header, does not hold together or has no nonce.
    package init?(of message: [UInt8]) {
        guard message.count >= MessageHeader.octets else { return nil }
        var cookie: Range<Int>?
        var nonce: Range<Int>?
        var hasPuzzleSolution = false
        var type = PayloadType(rawValue: message[16])
        var start = MessageHeader.octets
        var count = 0
        while type != .none {
            count += 1
            guard count <= InitRequestOutline.payloadLimit, start + 4 <= message.count else {
                return nil
            }
            let octets = Int(message[start + 2]) << 8 | Int(message[start + 3])
            guard octets >= 4, start + octets <= message.count else { return nil }
            let body = start + 4..<start + octets
            switch type {
            case .nonce: nonce = body
            case .puzzleSolution: hasPuzzleSolution = true
            case .notify where cookie == nil: cookie = Self.cookie(in: message, body)
            default: break
            }
            type = PayloadType(rawValue: message[start])
            start += octets
        }
        guard start == message.count, let nonce, NoncePayload.allowedOctets.contains(nonce.count)
        else { return nil }
        self.cookie = cookie
        self.nonce = nonce
        self.hasPuzzleSolution = hasPuzzleSolution
    }

    private static func cookie(in message: [UInt8], _ body: Range<Int>) -> Range<Int>? {
        guard body.count > notifyHeaderOctets else { return nil }
        let first = body.lowerBound
        let type = UInt16(message[first + 2]) << 8 | UInt16(message[first + 3])
        guard NotifyType(rawValue: type) == .cookie, message[first + 1] == 0 else { return nil }
        return first + notifyHeaderOctets..<body.upperBound
    }
}
