import CPacketCipher
import IPsecCrypto
import IPsecPrimitives
import Testing

/// Suites that no RFC prints vectors for, against another library than ours: as messages, and as
/// packets where the associated data have the shape of ESP's.
@Suite struct IndependentSuiteTests {
    struct Case: Decodable {
        let encryption: UInt16
        let bits: UInt16?
        let integrity: UInt16?
        let key: String
        let integrityKey: String
        let iv: String
        let associated: String
        let plaintext: String
        let sealed: String

        var suite: CipherSuite? {
            CipherSuite(
                encryption: .encryption(
                    EncryptionAlgorithm(rawValue: encryption),
                    keyLengthBits: bits
                ),
                integrity: integrity.map(IntegrityAlgorithm.init(rawValue:))
            )
        }
    }

    @Test func messages() throws {
        let cases = try loadVectors("pycryptodome-suites", as: [Case].self)
        #expect(cases.count == 150)
        for (index, vector) in cases.enumerated() {
            let suite = try #require(vector.suite)
            let cipher = try IKECipher(
                suite: suite,
                encryptionKey: SecretBytes(hex(vector.key)),
                integrityKey: SecretBytes(hex(vector.integrityKey))
            )
            let associated = hex(vector.associated)
            var sealed = try cipher.seal(
                hex(vector.plaintext),
                associatedData: associated,
                iv: hex(vector.iv)
            )
            #expect(sealed == hex(vector.sealed), "case \(index)")
            #expect(
                try cipher.open(sealed[...], associatedData: associated[...])
                    == hex(vector.plaintext)
            )
            for position in [suite.ivLength, sealed.count - 1] {
                sealed[position] ^= 1
                #expect(throws: CryptoError.authenticationFailed, "case \(index)") {
                    try cipher.open(sealed[...], associatedData: associated[...])
                }
                sealed[position] ^= 1
            }
        }
    }

    /// RFC 3686 §6: the ciphertext of AES-CTR.
    @Test func rfc3686() throws {
        struct Counter: Decodable {
            let key: String
            let iv: String
            let nonce: String
            let plaintext: String
            let ciphertext: String
        }
        let cases = try loadVectors("rfc3686", as: [Counter].self)
        #expect(cases.count == 9)
        for vector in cases {
            let key = hex(vector.key)
            let cipher = try IKECipher(
                suite: makeSuite(.aesCTR, UInt16(8 * key.count), .hmacSHA256_128),
                encryptionKey: SecretBytes(key + hex(vector.nonce)),
                integrityKey: SecretBytes(Array(repeating: 0, count: 32))
            )
            let sealed = try cipher.seal(
                hex(vector.plaintext),
                associatedData: [],
                iv: hex(vector.iv)
            )
            #expect(Array(sealed[8..<(sealed.count - 16)]) == hex(vector.ciphertext))
        }
    }

    /// RFC 4494 §5: AES-CMAC-96, as the MAC of NULL encryption.
    @Test(arguments: [
        ("", "bb1d6929e95937287fa37d12"),
        ("6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9d"),
        (
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
            "dfa66747de9ae63030ca3261"
        ),
        (
            """
            6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51
            30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710
            """, "51f0bebf7e3b9d92fc497417"
        ),
    ])
    func rfc4494(message: String, icv: String) throws {
        let cipher = try IKECipher(
            suite: makeSuite(.null, nil, .aesCMAC96),
            encryptionKey: SecretBytes([]),
            integrityKey: SecretBytes(hex("2b7e151628aed2a6abf7158809cf4f3c"))
        )
        let sealed = try cipher.seal(hex(message), associatedData: [], iv: [])
        #expect(sealed == hex(message) + hex(icv))
    }

    struct GMAC: Decodable {
        struct Group: Decodable {
            let ivSize: Int
            let keySize: UInt16
            let tests: [Case]
        }
        struct Case: Decodable {
            let tcId: Int
            let key: String
            let iv: String
            let msg: String
            let tag: String
            let result: String
        }
    }

    /// RFC 4543 §3.3: SPI, sequence number and everything behind the IV are what GMAC covers, so
    /// that Wycheproof's messages serve as packets.
    @Test func gmacOfPackets() throws {
        let content = try loadVectors("aes_gmac_test", as: Wycheproof<GMAC.Group>.self)
        var count = 0
        for group in content.testGroups where group.ivSize == 96 {
            let suite = makeSuite(.nullAuthAESGMAC, group.keySize)
            for vector in group.tests where vector.msg.count > 16 {
                count += 1
                let message = hex(vector.msg)
                let nonce = hex(vector.iv)
                var batch = PacketBatch(suite: suite)
                batch.append(
                    spi: word(message, at: 0),
                    sequence: word(message, at: 4),
                    iv: Array(nonce.suffix(8)),
                    body: Array(message.dropFirst(8)),
                    icv: hex(vector.tag)
                )
                let opener = try PacketCipher(
                    suite: suite,
                    keys: ESPKeys(
                        encryption: SecretBytes(hex(vector.key) + nonce.prefix(4)),
                        integrity: SecretBytes([])
                    ),
                    isExtendedSequence: false,
                    direction: .open
                )
                let expected = vector.result == "valid" ? ok : authenticationFailed
                #expect(batch.open(with: opener) == [expected], "case \(vector.tcId)")
            }
        }
        #expect(count > 100)
    }

    /// RFC 8750 §3: the packet is that of an SA whose IV is the sequence number, without the IV.
    @Test(
        arguments: [
            (EncryptionAlgorithm.aesGCM16ImplicitIV, EncryptionAlgorithm.aesGCM16, 128 as UInt16?),
            (.aesGCM16ImplicitIV, .aesGCM16, 256), (.aesCCM8ImplicitIV, .aesCCM8, 128),
            (.chaCha20Poly1305ImplicitIV, .chaCha20Poly1305, nil),
        ],
        [false, true]
    )
    func implicitIV(
        _ algorithms: (EncryptionAlgorithm, EncryptionAlgorithm, UInt16?),
        isExtended: Bool
    ) throws {
        let implicit = makeSuite(algorithms.0, algorithms.2)
        let explicit = makeSuite(algorithms.1, algorithms.2)
        #expect(implicit.ivLength == 0)
        var random = SeededRandomSource(seed: 8750)
        let keys = randomKeys(implicit, &random)
        let body = random.bytes(64)
        var batches = [implicit, explicit].map {
            PacketBatch(suite: $0, sequenceHigh: isExtended ? 7 : 0)
        }
        for index in batches.indices {
            for sequence in UInt32(1)...9 {
                batches[index].append(spi: 0x1234_5678, sequence: sequence, body: body)
            }
            let sealer = try PacketCipher(
                suite: batches[index].suite,
                keys: keys,
                isExtendedSequence: isExtended,
                direction: .seal
            )
            #expect(batches[index].seal(with: sealer).allSatisfy { $0 == ok })
        }
        #expect(batches[0].bodies == batches[1].bodies)
        #expect(batches[0].icvs == batches[1].icvs)
        let opener = try PacketCipher(
            suite: implicit,
            keys: keys,
            isExtendedSequence: isExtended,
            direction: .open
        )
        #expect(batches[0].open(with: opener).allSatisfy { $0 == ok })
        #expect(batches[0].bodies.allSatisfy { $0 == body })
    }

    private func word(_ bytes: [UInt8], at index: Int) -> UInt32 {
        bytes[index..<index + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
}
