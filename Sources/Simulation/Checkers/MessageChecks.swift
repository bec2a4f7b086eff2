internal import IKEMessages
internal import IPsecPrimitives

/// IKE on the wire: no message ID for two messages, no nonce and no initialisation vector twice,
/// and no more requests outstanding than the peer takes.
struct MessageChecks {
    private struct Number: Hashable {
        let pair: SPIPair
        let number: UInt32
        let isResponse: Bool
        let isFromInitiator: Bool
        /// Number and total of a fragment: fragments of one message are messages of one number, and
        /// what is not answered may come again in smaller ones (RFC 7383 §2.5.2).
        let fragment: UInt32
    }

    private struct Vector: Hashable {
        let keys: UInt64
        let isFromInitiator: Bool
        let content: [UInt8]
    }

    private struct Window {
        var next: UInt32 = 0
        var outstanding: Set<UInt32> = []
    }

    private struct End: Hashable {
        let gateway: Int
        let pair: SPIPair
    }

    /// Fingerprint of the message of each number, by gateway.
    private var sent: [[Number: UInt64]]
    private var vectors: [Vector: UInt64] = [:]
    /// What each nonce was sent in: the initiator's SPI for first messages, which may be repeated
    /// with a cookie, the message's fingerprint for others.
    private var nonces: [[UInt8]: UInt64] = [:]
    private var windows: [End: Window] = [:]
    /// What an end said that it takes (RFC 7296 §2.3).
    private var windowSizes: [End: UInt32] = [:]

    init(gateways: Int) { sent = Array(repeating: [:], count: gateways) }

    mutating func forget(_ gateway: Int) { sent[gateway] = [:] }

    /// Precondition: `message` is what `bytes` hold.
    mutating func sent(
        _ message: ReadMessage,
        _ bytes: [UInt8],
        by gateway: Int,
        _ now: UInt64
    ) -> Violation? {
        func violation(_ checker: Checker, _ text: String) -> Violation {
            Violation(
                checker: checker,
                text: "g\(gateway): \(text): \(WireHeaderText.text(bytes))",
                time: now
            )
        }
        let isFirst = [.ikeSAInit, .ikeSessionResume].contains(message.header.exchangeType)
        if message.isProtected {
            let number = MessageChecks.number(message, bytes)
            if let before = sent[gateway].updateValue(message.fingerprint, forKey: number) {
                // The same again, or another under the same number.
                return before == message.fingerprint
                    ? nil : violation(.reuse, "two messages with one number")
            }
            if !message.initialisationVector.isEmpty {
                let vector = Vector(
                    keys: message.keys,
                    isFromInitiator: message.header.isFromOriginalInitiator,
                    content: message.initialisationVector
                )
                if let before = vectors.updateValue(message.fingerprint, forKey: vector),
                    before != message.fingerprint
                {
                    return violation(.reuse, "an initialisation vector comes twice")
                }
            }
        }
        for case .nonce(let payload) in message.payloads ?? [] {
            let use = isFirst ? message.pair.initiator.rawValue : message.fingerprint
            if let before = nonces.updateValue(use, forKey: Array(payload.nonce)), before != use {
                return violation(.reuse, "a nonce comes twice")
            }
        }
        // The answer to a request in fragments may have come in part: then all of it is sent again.
        let isPart = bytes.count > 16 && bytes[16] == PayloadType.encryptedFragment.rawValue
        return message.isProtected
            ? window(message, gateway, isPart: isPart).map { violation(.window, $0) } : nil
    }

    private static func number(_ message: ReadMessage, _ bytes: [UInt8]) -> Number {
        var fragment: UInt32 = 0
        if bytes.count > 36, bytes[16] == PayloadType.encryptedFragment.rawValue {
            fragment = bytes[32..<36].reduce(0) { $0 << 8 | UInt32($1) }
        }
        return Number(
            pair: message.pair,
            number: message.header.messageID,
            isResponse: message.header.isResponse,
            isFromInitiator: message.header.isFromOriginalInitiator,
            fragment: fragment
        )
    }

    private mutating func window(
        _ message: ReadMessage,
        _ gateway: Int,
        isPart: Bool
    ) -> String? {
        let end = End(gateway: gateway, pair: message.pair)
        for case .notify(let notify) in message.payloads ?? []
        where notify.type == .setWindowSize && notify.data.count == 4 {
            windowSizes[end] = notify.data.reduce(0) { $0 << 8 | UInt32($1) }
        }
        guard !message.header.isResponse else { return nil }
        var window = windows[end] ?? Window(next: message.header.messageID)
        defer { windows[end] = window }
        if window.outstanding.contains(message.header.messageID) { return nil }
        if isPart, message.header.messageID < window.next { return nil }
        guard message.header.messageID == window.next else {
            return "request \(message.header.messageID) where \(window.next) is next"
        }
        window.next += 1
        window.outstanding.insert(message.header.messageID)
        let size = windowSizes.first { $0.key.pair == message.pair && $0.key.gateway != gateway }
        let allowed = max(size?.value ?? 1, 1)
        let oldest = window.outstanding.min() ?? message.header.messageID
        guard message.header.messageID - oldest >= allowed else { return nil }
        return "request \(message.header.messageID) while \(oldest) is not answered"
    }

    /// A response has come to a gateway: its request is no longer outstanding.
    mutating func received(_ header: MessageHeader, at gateway: Int) {
        guard header.isResponse else { return }
        windows[End(gateway: gateway, pair: SPIPair(header))]?.outstanding.remove(header.messageID)
    }
}
