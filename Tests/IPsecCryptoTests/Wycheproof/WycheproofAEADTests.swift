import IPsecCrypto
import IPsecPrimitives
import Testing

/// AES-GCM, AES-CCM and ChaCha20-Poly1305 with the nonces that IPsec has and 128-bit tags, through every path that they take
/// here: messages, and packets with both back ends.
@Suite struct WycheproofAEADTests {
    struct Group: Decodable {
        let ivSize: Int
        let keySize: Int
        let tagSize: Int
        let tests: [Case]
    }

    struct Case: Decodable {
        let tcId: Int
        let key: String
        let iv: String
        let aad: String
        let msg: String
        let ct: String
        let tag: String
        let result: String
    }

    struct Fitting {
        let suite: CipherSuite
        let vector: Case

        var isValid: Bool { vector.result == "valid" }
        /// Salt is what comes first of the 96-bit nonce.
        var key: SecretBytes {
            SecretBytes(hex(vector.key) + hex(vector.iv).prefix(suite.saltLength))
        }
        var iv: [UInt8] { Array(hex(vector.iv).suffix(8)) }
    }

    private func vectors(_ file: String) throws -> [Fitting] {
        try loadVectors(file, as: Wycheproof<Group>.self).testGroups.flatMap { group in
            let suite: CipherSuite? =
                switch (file, group.ivSize, group.tagSize, group.keySize) {
                case ("aes_gcm_test", 96, 128, let bits): makeSuite(.aesGCM16, UInt16(bits))
                case ("aes_ccm_test", 88, 128, let bits): makeSuite(.aesCCM16, UInt16(bits))
                case ("chacha20_poly1305_test", 96, 128, 256): makeSuite(.chaCha20Poly1305)
                default: nil
                }
            return suite.map { suite in
                group.tests.map { Fitting(suite: suite, vector: $0) }
            } ?? []
        }
    }

    @Test(arguments: [("aes_gcm_test", 197), ("chacha20_poly1305_test", 316), ("aes_ccm_test", 18)])
    func messages(file: String, count: Int) throws {
        let vectors = try vectors(file)
        #expect(vectors.count == count)
        for vector in vectors {
            let cipher = try IKECipher(
                suite: vector.suite,
                encryptionKey: vector.key,
                integrityKey: SecretBytes([])
            )
            let aad = hex(vector.vector.aad)
            let sealed = vector.iv + hex(vector.vector.ct) + hex(vector.vector.tag)
            if vector.isValid {
                let result = try cipher.seal(
                    hex(vector.vector.msg),
                    associatedData: aad,
                    iv: vector.iv
                )
                #expect(result == sealed, "case \(vector.vector.tcId)")
                #expect(
                    try cipher.open(sealed[...], associatedData: aad[...])
                        == hex(vector.vector.msg)
                )
            } else {
                #expect(throws: CryptoError.authenticationFailed, "case \(vector.vector.tcId)") {
                    try cipher.open(sealed[...], associatedData: aad[...])
                }
            }
        }
    }

    /// Ciphertexts do not depend on what is authenticated besides, so that all valid vectors with
    /// a message serve; ICVs are compared, and packets opened, where the associated data have the
    /// shape of ESP's: 8 octets, or 12 with extended sequence numbers.
    @Test(
        arguments: ["aes_gcm_test", "chacha20_poly1305_test"],
        PacketCipherBackEnd.available
    )
    func packets(file: String, backEnd: PacketCipherBackEnd) throws {
        var compared = 0
        for vector in try vectors(file) where !vector.vector.msg.isEmpty {
            let aad = hex(vector.vector.aad)
            let isShaped = aad.count == 8 || aad.count == 12
            let isExtended = aad.count == 12
            let spi = isShaped ? word(aad, at: 0) : 1
            let sequence = isShaped ? word(aad, at: aad.count - 4) : 1
            let high = isExtended ? word(aad, at: 4) : 0
            let keys = ESPKeys(encryption: vector.key, integrity: SecretBytes([]))
            var sealed = PacketBatch(suite: vector.suite, sequenceHigh: high)
            sealed.append(
                spi: spi,
                sequence: sequence,
                iv: vector.iv,
                body: hex(vector.vector.msg)
            )
            let sealer = try PacketCipher(
                suite: vector.suite,
                keys: keys,
                isExtendedSequence: isExtended,
                direction: .seal,
                backEnd: backEnd
            )
            #expect(sealed.sealKeepingIVs(with: sealer) == [ok])
            if vector.isValid {
                #expect(sealed.bodies == [hex(vector.vector.ct)], "case \(vector.vector.tcId)")
            }
            guard isShaped else { continue }
            compared += 1
            #expect((sealed.icvs == [hex(vector.vector.tag)]) == vector.isValid)
            var received = PacketBatch(suite: vector.suite, sequenceHigh: high)
            received.append(
                spi: spi,
                sequence: sequence,
                iv: vector.iv,
                body: hex(vector.vector.ct),
                icv: hex(vector.vector.tag)
            )
            let opener = try PacketCipher(
                suite: vector.suite,
                keys: keys,
                isExtendedSequence: isExtended,
                direction: .open,
                backEnd: backEnd
            )
            let expected = vector.isValid ? ok : authenticationFailed
            #expect(received.open(with: opener) == [expected], "case \(vector.vector.tcId)")
            if vector.isValid {
                #expect(received.bodies == [hex(vector.vector.msg)])
            }
        }
        #expect(compared >= 4)
    }

    private func word(_ bytes: [UInt8], at index: Int) -> UInt32 {
        bytes[index..<index + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
}
