internal import ConnectionControl
internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// An IKE message that a gateway sent, as far as it can be read.
struct ReadMessage {
    let header: MessageHeader
    let pair: SPIPair
    /// Those in clear and those within; nil where the protected part cannot be opened, or is a
    /// fragment of a message that is not complete.
    let payloads: [Payload]?
    /// Of the protected part; empty where there is none.
    let initialisationVector: [UInt8]
    /// Of the keys that it is protected with.
    let keys: UInt64
    let isProtected: Bool
    let fingerprint: UInt64
}

/// Opens what the gateways send, with the keys that they expose.
struct WireReader {
    private struct FragmentKey: Hashable {
        let pair: SPIPair
        let number: UInt32
        let isResponse: Bool
        let isFromInitiator: Bool
    }

    private struct Fragments {
        var first = PayloadType.none
        var parts: [UInt16: [UInt8]] = [:]
    }

    private(set) var ring = KeyRing()
    private var fragments: [FragmentKey: Fragments] = [:]

    mutating func read(_ bytes: [UInt8], from controller: ConnectionController?) -> ReadMessage? {
        guard let message = try? IKEMessage(reading: bytes) else { return nil }
        var vector: [UInt8] = []
        var keys: UInt64 = 0
        var payloads: [Payload]? = message.payloads
        var isProtected = true
        switch message.protection {
        case .none: isProtected = false
        case .encrypted(let encrypted):
            let opened = open(encrypted.content, encrypted.associatedData, message, controller)
            vector = opened?.vector ?? []
            keys = opened?.keys ?? 0
            payloads = opened.flatMap { try? encrypted.payloads(in: $0.plaintext) }
                .map { message.payloads + $0 }
        case .fragment(let fragment):
            let opened = open(fragment.content, fragment.associatedData, message, controller)
            vector = opened?.vector ?? []
            keys = opened?.keys ?? 0
            payloads = opened.flatMap { join(fragment, $0.plaintext, message.header) }
        }
        return ReadMessage(
            header: message.header,
            pair: SPIPair(message.header),
            payloads: payloads,
            initialisationVector: vector,
            keys: keys,
            isProtected: isProtected,
            fingerprint: Fingerprint.of(bytes)
        )
    }

    private mutating func open(
        _ content: [UInt8],
        _ associatedData: [UInt8],
        _ message: IKEMessage,
        _ controller: ConnectionController?
    ) -> (plaintext: [UInt8], vector: [UInt8], keys: UInt64)? {
        let header = message.header
        let pair = SPIPair(header)
        for attempt in 0...1 {
            for entry in ring.entries(of: pair).reversed() {
                let cipher =
                    header.isFromOriginalInitiator ? entry.fromInitiator : entry.fromResponder
                if let plaintext = try? cipher.open(
                    content[...],
                    associatedData: associatedData[...]
                ) {
                    let vector = Array(content.prefix(cipher.ivLength))
                    return (plaintext, vector, entry.derivation)
                }
            }
            if attempt == 0 {
                guard let controller else { return nil }
                ring.learn(from: controller)
            }
        }
        return nil
    }

    private mutating func join(
        _ fragment: EncryptedFragmentPayload,
        _ plaintext: [UInt8],
        _ header: MessageHeader
    ) -> [Payload]? {
        guard let end = try? EncryptedPadding.contentOctets(of: plaintext) else { return nil }
        let key = FragmentKey(
            pair: SPIPair(header),
            number: header.messageID,
            isResponse: header.isResponse,
            isFromInitiator: header.isFromOriginalInitiator
        )
        var collected = fragments[key] ?? Fragments()
        collected.parts[fragment.number] = Array(plaintext.prefix(end))
        if fragment.number == 1 { collected.first = fragment.firstPayload }
        fragments[key] = collected
        guard collected.parts.count == Int(fragment.total), collected.parts.count > 0 else {
            return nil
        }
        let whole = (1...fragment.total).flatMap { collected.parts[$0] ?? [] }
        return try? PayloadChain.payloads(
            startingWith: collected.first,
            in: whole[...],
            limits: .standard
        )
    }
}
