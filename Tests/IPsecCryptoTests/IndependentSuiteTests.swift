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

    /// The packet of ENCR_NULL_AUTH_AES_GMAC among the test cases of RFC 4543's authors
    /// (draft-mcgrew-gcm-test-01 §4): SPI, sequence number, IV and what follows are covered.
    @Test(arguments: [false, true])
    func gmacOfPackets(isForged: Bool) throws {
        let suite = makeSuite(.nullAuthAESGMAC, 128)
        let keys = ESPKeys(
            encryption: SecretBytes(hex("4c80cdefbb5d10da906ac73c3613a63422433c64")),
            integrity: SecretBytes([])
        )
        var batch = PacketBatch(suite: suite)
        var body = hex(
            """
            45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c\
            6d6e6f707172737401020201
            """
        )
        if isForged { body[9] ^= 1 }
        batch.append(
            spi: 0x0000_4321,
            sequence: 7,
            iv: [UInt8](repeating: 0, count: 8),
            body: body,
            icv: hex("f2a9a836e155106aa8dcd618e4099aaa")
        )
        let opener = try PacketCipher(
            suite: suite,
            keys: keys,
            isExtendedSequence: false,
            direction: .open
        )
        #expect(batch.open(with: opener) == [isForged ? authenticationFailed : ok])
    }

    /// The IV is covered: one that is another is noticed, though the tag is that of its own GMAC.
    @Test func gmacCoversTheIV() throws {
        let suite = makeSuite(.nullAuthAESGMAC, 256)
        var random = SeededRandomSource(seed: 4543)
        let keys = randomKeys(suite, &random)
        var batch = PacketBatch(suite: suite)
        batch.append(spi: 0x4321, sequence: 7, body: random.bytes(64))
        let sealer = try PacketCipher(
            suite: suite,
            keys: keys,
            isExtendedSequence: false,
            direction: .seal
        )
        #expect(batch.seal(with: sealer) == [ok])
        let reference = try IKECipher(
            suite: makeSuite(.aesGCM16, 256),
            encryptionKey: keys.encryption,
            integrityKey: SecretBytes([])
        )
        let packet = batch.packets[0]
        let covered = packet.dropLast(16)
        let iv = Array(packet[8..<16])
        let sealed = try reference.seal([], associatedData: Array(covered), iv: iv)
        #expect(packet.suffix(16) == sealed.suffix(16))
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
