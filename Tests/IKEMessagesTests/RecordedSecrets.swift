import Foundation
import IPsecCrypto
import IPsecPrimitives
import Testing

/// `secrets.json` beside a capture: what both ends knew, and every key that came of it.
struct RecordedSecrets: Decodable {
    struct Suite: Decodable {
        let encr: String
        let encrKeyBits: UInt16
        let integ: String?
        let prf: String?
    }

    struct IKESA: Decodable {
        let name: String
        let spiI: String
        let spiR: String
        let derivations: [Derivation]
    }

    struct Derivation: Decodable {
        let ni: String
        let nr: String
        let keyExchanges: [KeyExchange]
        let intAuth: IntAuth?
        let skD: String
        let skAi: String?
        let skAr: String?
        let skEi: String
        let skEr: String
        let skPi: String
        let skPr: String
    }

    struct KeyExchange: Decodable {
        let method: UInt16
        let exchangeInitiatorKeData: String
        let exchangeResponderKeData: String
        let sharedSecret: String
        let exchangeInitiatorPrivate: String?
        let exchangeResponderPrivate: String?
        let exchangeInitiatorPrivateSeedDZ: String?
    }

    struct IntAuth: Decodable {
        let initiatorValue: String
        let responderValue: String
    }

    struct Authentication: Decodable {
        struct End: Decodable {
            let idPayloadBody: String
            let skP: String
            let signedOctets: String
            let authMethod: UInt8
            let authData: String
        }

        let initiator: End
        let responder: End
    }

    struct ChildSA: Decodable {
        struct Direction: Decodable {
            let spi: String
            let encrKey: String
            let salt: String?
            let integKey: String?
        }

        let name: String
        let parentIkeSa: String
        let encr: String
        let encrKeyBits: UInt16
        let integ: String?
        let ni: String
        let nr: String
        let keyExchanges: [KeyExchange]
        let initiatorToResponder: Direction
        let responderToInitiator: Direction
    }

    let pskHex: String?
    let ike: Suite
    let ikeSas: [IKESA]
    let auth: Authentication
    let childSas: [ChildSA]

    static let names = RecordedExchange.names.filter { $0 != "ikev2-nat-gcm-ctr-cbc" }

    static func read(_ name: String) throws -> RecordedSecrets {
        let directory = try #require(
            Bundle.module.url(forResource: "Captures/\(name)", withExtension: nil)
        )
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(
            RecordedSecrets.self,
            from: Data(contentsOf: directory.appending(path: "secrets.json"))
        )
    }

    var prf: PRF {
        get throws {
            let functions: [String: PseudorandomFunction] = [
                "PRF_HMAC_SHA2_256": .hmacSHA256, "PRF_HMAC_SHA2_384": .hmacSHA384,
                "PRF_HMAC_SHA2_512": .hmacSHA512,
            ]
            return try #require(ike.prf.flatMap { functions[$0] }.flatMap { PRF($0) })
        }
    }

    static func suite(_ encr: String, _ bits: UInt16, _ integ: String?) throws -> CipherSuite {
        let ciphers: [String: Transform] = [
            "AES_GCM_16": .encryption(.aesGCM16, keyLengthBits: bits),
            "AES_CBC": .encryption(.aesCBC, keyLengthBits: bits),
            "CHACHA20_POLY1305": .encryption(.chaCha20Poly1305),
        ]
        let checks: [String: IntegrityAlgorithm] = [
            "HMAC_SHA2_256_128": .hmacSHA256_128, "HMAC_SHA2_384_192": .hmacSHA384_192,
        ]
        let cipher = try #require(ciphers[encr])
        return try #require(
            CipherSuite(encryption: cipher, integrity: integ.flatMap { checks[$0] })
        )
    }
}

/// The bytes of a hexadecimal string.
func octets(_ hexadecimal: String?) -> [UInt8] {
    let digits = (hexadecimal ?? "").compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map {
        UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
}

/// Hands out given bytes, so that a key pair of known private value can be made.
struct GivenRandomSource: RandomSource {
    var content: [UInt8]

    mutating func bytes(_ count: Int) -> [UInt8] {
        defer { content.removeFirst(min(count, content.count)) }
        return Array(content.prefix(count))
    }
}
