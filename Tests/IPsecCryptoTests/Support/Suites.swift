import IPsecCrypto
import IPsecPrimitives

func makeSuite(
    _ algorithm: EncryptionAlgorithm,
    _ keyLengthBits: UInt16? = nil,
    _ integrity: IntegrityAlgorithm? = nil
) -> CipherSuite {
    CipherSuite(
        encryption: .encryption(algorithm, keyLengthBits: keyLengthBits),
        integrity: integrity
    )!
}

/// Every suite that the module has.
let allSuites: [CipherSuite] =
    [makeSuite(.aesGCM16, 128), makeSuite(.aesGCM16, 256), makeSuite(.chaCha20Poly1305)]
    + [EncryptionAlgorithm.aesCBC, .aesCTR].flatMap { algorithm in
        [128, 256].flatMap { (length: UInt16) in
            [IntegrityAlgorithm.hmacSHA256_128, .hmacSHA384_192, .hmacSHA512_256].map {
                makeSuite(algorithm, length, $0)
            }
        }
    }

func randomKeys(_ suite: CipherSuite, _ random: inout some RandomSource) -> ESPKeys {
    ESPKeys(
        encryption: SecretBytes(random.bytes(suite.encryptionKeyLength)),
        integrity: SecretBytes(random.bytes(suite.integrityKeyLength))
    )
}
