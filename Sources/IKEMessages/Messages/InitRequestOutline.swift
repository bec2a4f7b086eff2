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
    private static let payloadHeaderOctets = 4
    private static let notifyHeaderOctets = 4

    /// Nil when the message, with its header, does not hold together or has no nonce.
    package init?(of message: [UInt8]) {
        var cookie: Range<Int>?
        var nonce: Range<Int>?
        var hasPuzzleSolution = false
        let isWhole = Self.walk(message) { type, place in
            let body = place.lowerBound + Self.payloadHeaderOctets..<place.upperBound
            switch type {
            case .nonce: nonce = body
            case .puzzleSolution: hasPuzzleSolution = true
            case .notify where cookie == nil: cookie = Self.cookie(in: message, body)
            default: break
            }
        }
        guard isWhole, let nonce, NoncePayload.allowedOctets.contains(nonce.count) else {
            return nil
        }
        self.cookie = cookie
        self.nonce = nonce
        self.hasPuzzleSolution = hasPuzzleSolution
    }

    /// What a first request has alike in each of its versions: all but the cookie and the solution of
    /// a puzzle that its sender was asked for, with "all other payloads unchanged" (RFC 7296 §2.6,
    /// RFC 8019 §7.1.1.3). Nil when the message does not hold together.
    package static func sameInEachVersion(of message: [UInt8]) -> [UInt8]? {
        guard message.count >= MessageHeader.octets else { return nil }
        var same: [UInt8] = []
        same.reserveCapacity(message.count)
        // Of the header neither the type of the first payload nor the length.
        same += message[..<16]
        same += message[17..<24]
        let isWhole = walk(message) { type, place in
            let body = place.lowerBound + payloadHeaderOctets..<place.upperBound
            switch type {
            case .puzzleSolution: return
            case .notify where cookie(in: message, body) != nil: return
            default: break
            }
            same.append(type.rawValue)
            // Not the type of what comes next.
            same += message[place.dropFirst()]
        }
        return isWhole ? same : nil
    }

    /// Shows each payload's type and place, its header included; false when the message does not hold
    /// together.
    private static func walk(
        _ message: [UInt8],
        _ visit: (PayloadType, Range<Int>) -> Void
    ) -> Bool {
        guard message.count >= MessageHeader.octets else { return false }
        var type = PayloadType(rawValue: message[16])
        var start = MessageHeader.octets
        var count = 0
        while type != .none {
            count += 1
            guard count <= payloadLimit, start + payloadHeaderOctets <= message.count else {
                return false
            }
            let octets = Int(message[start + 2]) << 8 | Int(message[start + 3])
            guard octets >= payloadHeaderOctets, start + octets <= message.count else {
                return false
            }
            visit(type, start..<start + octets)
            type = PayloadType(rawValue: message[start])
            start += octets
        }
        return start == message.count
    }

    private static func cookie(in message: [UInt8], _ body: Range<Int>) -> Range<Int>? {
        guard body.count > notifyHeaderOctets else { return nil }
        let first = body.lowerBound
        let type = UInt16(message[first + 2]) << 8 | UInt16(message[first + 3])
        guard NotifyType(rawValue: type) == .cookie, message[first + 1] == 0 else { return nil }
        return first + notifyHeaderOctets..<body.upperBound
    }
}
