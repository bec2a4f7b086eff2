import IPsecCrypto
import IPsecPrimitives
import Testing

@Suite struct WycheproofHMACTests {
    struct Group: Decodable {
        let keySize: Int
        let tagSize: Int
        let tests: [Case]
    }

    struct Case: Decodable {
        let tcId: Int
        let key: String
        let msg: String
        let tag: String
        let result: String
    }

    @Test(arguments: [
        ("hmac_sha1_test", PseudorandomFunction.hmacSHA1),
        ("hmac_sha256_test", .hmacSHA256),
        ("hmac_sha384_test", .hmacSHA384),
        ("hmac_sha512_test", .hmacSHA512),
        ("aes_cmac_test", .aes128CMAC),
    ])
    func functions(file: String, function: PseudorandomFunction) throws {
        let prf = try #require(PRF(function))
        let content = try loadVectors(file, as: Wycheproof<Group>.self)
        #expect(content.numberOfTests > 100)
        // The function made of CMAC takes keys of other lengths in a way of its own (RFC 4615).
        for group in content.testGroups where function != .aes128CMAC || group.keySize == 128 {
            for vector in group.tests {
                let output = prf.compute(
                    key: SecretBytes(hex(vector.key)),
                    hex(vector.msg)
                ).copy()
                let isEqual = Array(output.prefix(group.tagSize / 8)) == hex(vector.tag)
                #expect(isEqual == (vector.result == "valid"), "case \(vector.tcId)")
            }
        }
    }
}
