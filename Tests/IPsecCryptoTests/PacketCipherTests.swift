import IPsecCrypto
import IPsecPrimitives
import Testing

@Suite struct PacketCipherTests {
    private func cipher(
        _ suite: CipherSuite,
        _ direction: PacketCipher.Direction,
        _ backEnd: PacketCipherBackEnd
    ) throws -> PacketCipher {
        var random = SeededRandomSource(seed: 21)
        return try PacketCipher(
            suite: suite,
            keys: randomKeys(suite, &random),
            isExtendedSequence: true,
            direction: direction,
            backEnd: backEnd
        )
    }

    @Test func openSSLIsEverywhere() {
        #expect(PacketCipherBackEnd.available.contains(.openSSL))
        #expect(PacketCipherBackEnd.automatic == PacketCipherBackEnd.available.first)
    }

    #if arch(x86_64)
        /// The reference machine and every x86-64 processor of the last ten years has it; without
        /// this test, a build that lost the library would pass with half of the tests gone.
        @Test func multiBufferIsHere() {
            #expect(PacketCipherBackEnd.automatic == .multiBuffer)
        }
    #endif

    /// RFC 4106 §3.1, RFC 7634 §2.1, RFC 3686 §3.1: the same IV never twice. Ours is the number.
    @Test(
        arguments: allSuites.filter { $0.ivLength == 8 && !$0.needsUnpredictableIV },
        PacketCipherBackEnd.available
    )
    func ivIsTheSequenceNumber(suite: CipherSuite, backEnd: PacketCipherBackEnd) throws {
        var batch = PacketBatch(suite: suite, sequenceHigh: 0x0102_0304)
        batch.append(spi: 1, sequence: 0x0506_0708, body: [0, 0, 0, 0])
        _ = batch.seal(with: try cipher(suite, .seal, backEnd))
        #expect(Array(batch.packets[0][8..<16]) == [1, 2, 3, 4, 5, 6, 7, 8])
    }

    /// RFC 3602 §3: not a counter, and nothing that shows how near two numbers are.
    @Test(
        arguments: allSuites.filter(\.needsUnpredictableIV),
        PacketCipherBackEnd.available
    )
    func ivOfCBCLooksRandom(suite: CipherSuite, backEnd: PacketCipherBackEnd) throws {
        var batch = PacketBatch(suite: suite)
        for sequence in 1...200 {
            batch.append(
                spi: 1,
                sequence: UInt32(sequence),
                body: [UInt8](repeating: 0, count: 16)
            )
        }
        _ = batch.seal(with: try cipher(suite, .seal, backEnd))
        let ivs = batch.packets.map { Array($0[8..<8 + suite.ivLength]) }
        #expect(Set(ivs).count == 200)
        let distances = zip(ivs, ivs.dropFirst()).map { one, other in
            zip(one, other).reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount }
        }
        // Of 128 or 64 bits, half differ, give or take six standard deviations.
        #expect(distances.min()! > (suite.ivLength == 16 ? 30 : 8))
        #expect(distances.max()! < (suite.ivLength == 16 ? 98 : 56))
    }

    /// Keys that serve again after a restart: the numbers are the same, the IVs must not be.
    @Test(
        arguments: allSuites.filter(\.needsUnpredictableIV),
        PacketCipherBackEnd.available
    )
    func seedMakesOtherIVs(suite: CipherSuite, backEnd: PacketCipherBackEnd) throws {
        var random = SeededRandomSource(seed: 23)
        let keys = randomKeys(suite, &random)
        func ivs(_ seed: [UInt8]?) throws -> [[UInt8]] {
            var batch = PacketBatch(suite: suite)
            for sequence in 1...20 {
                batch.append(
                    spi: 1,
                    sequence: UInt32(sequence),
                    body: [UInt8](repeating: 0, count: 16)
                )
            }
            _ = batch.seal(
                with: try PacketCipher(
                    suite: suite,
                    keys: keys,
                    isExtendedSequence: false,
                    direction: .seal,
                    backEnd: backEnd,
                    ivSeed: seed.map { SecretBytes($0) }
                )
            )
            return batch.packets.map { Array($0[8..<8 + suite.ivLength]) }
        }
        let all = try [nil, [1, 2, 3], [1, 2, 4]].map(ivs)
        #expect(Set(all.joined()).count == 60)
        #expect(try ivs([1, 2, 3]) == all[1])
    }

    @Test(arguments: allSuites, PacketCipherBackEnd.available)
    func bodiesThatDoNotFit(suite: CipherSuite, backEnd: PacketCipherBackEnd) throws {
        let sealer = try cipher(suite, .seal, backEnd)
        let opener = try cipher(suite, .open, backEnd)
        var batch = PacketBatch(suite: suite)
        batch.append(spi: 1, sequence: 1, body: [])
        batch.append(spi: 1, sequence: 2, body: [UInt8](repeating: 3, count: 32))
        batch.append(spi: 1, sequence: 3, body: [UInt8](repeating: 3, count: 20))
        let last = suite.needsUnpredictableIV ? badLength : ok
        #expect(batch.seal(with: sealer) == [badLength, ok, last])
        #expect(batch.open(with: opener) == [badLength, ok, last])
        #expect(batch.bodies[2] == [UInt8](repeating: 3, count: 20))
    }

    @Test(arguments: allSuites, PacketCipherBackEnd.available)
    func emptyBatch(suite: CipherSuite, backEnd: PacketCipherBackEnd) throws {
        var batch = PacketBatch(suite: suite)
        batch.append(spi: 1, sequence: 1, body: [])
        #expect(batch.seal(with: try cipher(suite, .seal, backEnd)) == [badLength])
    }

    /// More packets than one burst of the multi-buffer library takes.
    @Test(arguments: allSuites, PacketCipherBackEnd.available)
    func largeBatch(suite: CipherSuite, backEnd: PacketCipherBackEnd) throws {
        var random = SeededRandomSource(seed: 22)
        var batch = PacketBatch(suite: suite)
        for sequence in 1...333 {
            batch.append(
                spi: 9,
                sequence: UInt32(sequence),
                body: random.bytes(16 * (1 + sequence % 7))
            )
        }
        let bodies = batch.bodies
        let allOK = bodies.map { _ in ok }
        #expect(batch.seal(with: try cipher(suite, .seal, backEnd)) == allOK)
        #expect(batch.open(with: try cipher(suite, .open, backEnd)) == allOK)
        #expect(batch.bodies == bodies)
    }

    @Test(arguments: PacketCipherBackEnd.available)
    func keysOfWrongLength(backEnd: PacketCipherBackEnd) {
        let suite = makeSuite(.aesGCM16, 128)
        let keys = ESPKeys(
            encryption: SecretBytes([UInt8](repeating: 0, count: 16)),
            integrity: SecretBytes([])
        )
        #expect(throws: CryptoError.invalidKeyLength(expected: 20, actual: 16)) {
            try PacketCipher(
                suite: suite,
                keys: keys,
                isExtendedSequence: false,
                direction: .seal,
                backEnd: backEnd
            )
        }
    }

    @Test func combinationsThatAreNoSuite() {
        let gcm = Transform.encryption(.aesGCM16, keyLengthBits: 128)
        let cbc = Transform.encryption(.aesCBC, keyLengthBits: 256)
        #expect(CipherSuite(encryption: gcm, integrity: .hmacSHA256_128) == nil)
        #expect(CipherSuite(encryption: gcm, integrity: IntegrityAlgorithm.none) != nil)
        #expect(CipherSuite(encryption: cbc, integrity: nil) == nil)
        #expect(CipherSuite(encryption: cbc, integrity: IntegrityAlgorithm(rawValue: 3)) == nil)
        #expect(
            CipherSuite(
                encryption: .encryption(.aesCBC, keyLengthBits: 160),
                integrity: .hmacSHA256_128
            )
                == nil
        )
        #expect(CipherSuite(encryption: .encryption(.aesGCM16), integrity: nil) == nil)
        #expect(
            CipherSuite(
                encryption: .encryption(.chaCha20Poly1305, keyLengthBits: 128),
                integrity: nil
            )
                == nil
        )
        #expect(CipherSuite(encryption: .encryption(.null), integrity: nil) == nil)
        #expect(CipherSuite(encryption: .integrity(.hmacSHA256_128), integrity: nil) == nil)
    }
}
