import IPsecCrypto
import IPsecPrimitives
import Testing

/// HMAC-SHA2 as PRF and as authenticator (RFC 4868 §2.7).
@Suite struct RFC4868Tests {
    struct Case: Decodable {
        let name: String
        let bits: Int
        let key: String
        let data: String
        let output: String
        let authenticator: String?
    }

    private func function(_ bits: Int) -> PseudorandomFunction {
        switch bits {
        case 256: .hmacSHA256
        case 384: .hmacSHA384
        default: .hmacSHA512
        }
    }

    @Test func functions() throws {
        let cases = try loadVectors("rfc4868", as: [Case].self)
        #expect(cases.count == 30)
        for vector in cases {
            let prf = try #require(PRF(function(vector.bits)))
            let output = prf.compute(key: SecretBytes(hex(vector.key)), hex(vector.data)).copy()
            #expect(output == hex(vector.output), "\(vector.name)")
        }
    }

    /// The authenticators with the truncation and key lengths that ESP and IKE use: the data are
    /// what stands before an empty ciphertext.
    @Test func authenticators() throws {
        var count = 0
        for vector in try loadVectors("rfc4868", as: [Case].self) {
            guard let authenticator = vector.authenticator else { continue }
            count += 1
            let integrity: IntegrityAlgorithm =
                switch vector.bits {
                case 256: .hmacSHA256_128
                case 384: .hmacSHA384_192
                default: .hmacSHA512_256
                }
            let cipher = try IKECipher(
                suite: makeSuite(.aesCTR, 128, integrity),
                encryptionKey: SecretBytes(Array(repeating: 0, count: 20)),
                integrityKey: SecretBytes(hex(vector.key))
            )
            // The last eight octets stand for the IV, which the ICV covers like all before it.
            let data = hex(vector.data)
            let content = try cipher.seal(
                [],
                associatedData: Array(data.dropLast(8)),
                iv: Array(data.suffix(8))
            )
            #expect(Array(content.dropFirst(8)) == hex(authenticator), "\(vector.name)")
        }
        #expect(count == 12)
    }
}
