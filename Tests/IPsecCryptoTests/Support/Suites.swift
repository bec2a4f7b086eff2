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
let allSuites: [CipherSuite] = {
    let macs: [IntegrityAlgorithm] = [
        .hmacSHA256_128, .hmacSHA384_192, .hmacSHA512_256, .hmacSHA1_96, .hmacMD5_96, .aesXCBC96,
        .aesCMAC96,
    ]
    let lengths: [UInt16] = [128, 192, 256]
    let withoutKeyLength =
        [makeSuite(.chaCha20Poly1305), makeSuite(.chaCha20Poly1305ImplicitIV)]
        + macs.flatMap { [makeSuite(.tripleDESCBC, nil, $0), makeSuite(.null, nil, $0)] }
    let authenticated: [EncryptionAlgorithm] = [
        .aesGCM8, .aesGCM12, .aesGCM16, .aesCCM8, .aesCCM12, .aesCCM16, .nullAuthAESGMAC,
        .aesGCM16ImplicitIV, .aesCCM8ImplicitIV,
    ]
    return withoutKeyLength
        + lengths.flatMap { length in
            authenticated.map { makeSuite($0, length) }
                + macs.flatMap {
                    [makeSuite(.aesCBC, length, $0), makeSuite(.aesCTR, length, $0)]
                }
        }
}()

func randomKeys(_ suite: CipherSuite, _ random: inout some RandomSource) -> ESPKeys {
    ESPKeys(
        encryption: SecretBytes(random.bytes(suite.encryptionKeyLength)),
        integrity: SecretBytes(random.bytes(suite.integrityKeyLength))
    )
}
