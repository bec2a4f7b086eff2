import IPsecCrypto
import IPsecPrimitives
import Testing

@Suite struct WycheproofKeyExchangeTests {
    struct Group: Decodable {
        let tests: [Case]
    }

    struct Case: Decodable {
        let tcId: Int
        let `public`: String
        let `private`: String
        let shared: String
        let result: String
    }

    private func agree(
        _ method: KeyExchangeMethod,
        privateValue: [UInt8],
        peerPublic: [UInt8]
    ) throws -> [UInt8] {
        var random: any RandomSource = FixedRandomSource(content: privateValue)
        let pair = try KeyExchangeKeyPair.generate(method, random: &random)
        return try pair.sharedSecret(with: peerPublic).copy()
    }

    /// Those that lead to the all-zero secret must be refused (RFC 8031 §3.1); the others, also
    /// those of unusual encoding, must agree.
    @Test(arguments: [
        ("x25519_test", KeyExchangeMethod.curve25519), ("x448_test", .curve448),
    ])
    func montgomery(file: String, method: KeyExchangeMethod) throws {
        let content = try loadVectors(file, as: Wycheproof<Group>.self)
        var refused = 0
        for vector in content.testGroups.flatMap(\.tests) {
            let shared = hex(vector.shared)
            if shared.allSatisfy({ $0 == 0 }) {
                refused += 1
                #expect(throws: CryptoError.invalidPublicValue, "case \(vector.tcId)") {
                    try agree(
                        method,
                        privateValue: hex(vector.private),
                        peerPublic: hex(vector.public)
                    )
                }
            } else {
                let result = try agree(
                    method,
                    privateValue: hex(vector.private),
                    peerPublic: hex(vector.public)
                )
                #expect(result == shared, "case \(vector.tcId)")
            }
        }
        #expect(refused > 0)
    }

    /// IKE sends x and y without a prefix, so that uncompressed points of the right length serve,
    /// among them those that are not on the curve.
    @Test(arguments: [
        ("ecdh_secp256r1_ecpoint_test", KeyExchangeMethod.ecp256, 32),
        ("ecdh_secp384r1_ecpoint_test", .ecp384, 48),
        ("ecdh_secp521r1_ecpoint_test", .ecp521, 66),
    ])
    func ecp(file: String, method: KeyExchangeMethod, length: Int) throws {
        let content = try loadVectors(file, as: Wycheproof<Group>.self)
        var accepted = 0
        var refused = 0
        for vector in content.testGroups.flatMap(\.tests) {
            let point = hex(vector.public)
            guard point.first == 4, point.count == 1 + 2 * length else { continue }
            let digits = hex(vector.private).suffix(length)
            let privateValue = Array(repeating: 0, count: length - digits.count) + digits
            if vector.result == "valid" {
                accepted += 1
                let result = try agree(
                    method,
                    privateValue: privateValue,
                    peerPublic: Array(point.dropFirst())
                )
                #expect(result == hex(vector.shared), "case \(vector.tcId)")
            } else {
                refused += 1
                #expect(throws: CryptoError.invalidPublicValue, "case \(vector.tcId)") {
                    try agree(
                        method,
                        privateValue: privateValue,
                        peerPublic: Array(point.dropFirst())
                    )
                }
            }
        }
        #expect(accepted > 100)
        #expect(refused > 0)
    }
}
