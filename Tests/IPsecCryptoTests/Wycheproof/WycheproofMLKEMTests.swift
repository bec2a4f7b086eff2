import IPsecCrypto
import IPsecPrimitives
import Testing

@Suite struct WycheproofMLKEMTests {
    struct Group: Decodable {
        let tests: [Case]
    }

    struct Case: Decodable {
        let tcId: Int
        let seed: String
        let ek: String?
        let c: String
        let K: String
        let result: String
    }

    static let methods: [(String, KeyExchangeMethod)] = [
        ("mlkem_768_test", .mlkem768), ("mlkem_1024_test", .mlkem1024),
    ]

    /// Key pair from the seed, then the secret from the ciphertext. A seed of another length never
    /// comes from our random source: those cases are left out.
    @Test(arguments: methods)
    func decapsulation(file: String, method: KeyExchangeMethod) throws {
        let content = try loadVectors(file, as: Wycheproof<Group>.self)
        var refused = 0
        for vector in content.testGroups.flatMap(\.tests) where vector.seed.count == 128 {
            var random: any RandomSource = FixedRandomSource(content: hex(vector.seed))
            let pair = try KeyExchangeKeyPair.generate(method, random: &random)
            #expect(pair.publicValue == hex(vector.ek ?? ""), "case \(vector.tcId)")
            if vector.result == "valid" {
                let secret = try pair.sharedSecret(with: hex(vector.c))
                #expect(secret.copy() == hex(vector.K), "case \(vector.tcId)")
            } else {
                refused += 1
                #expect(throws: CryptoError.invalidPublicValue, "case \(vector.tcId)") {
                    try pair.sharedSecret(with: hex(vector.c))
                }
            }
        }
        #expect(refused > 0)
    }
}
