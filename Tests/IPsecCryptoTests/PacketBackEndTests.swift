import IPsecCrypto
import IPsecPrimitives
import Testing

/// The back ends against each other, on random packets.
@Suite struct PacketBackEndTests {
    struct Variant: Sendable, CustomTestStringConvertible {
        let suite: CipherSuite
        let isExtended: Bool

        var testDescription: String {
            "\(suite.kind) \(suite.cipherKeyLength) \(suite.integrity.rawValue) esn: \(isExtended)"
        }
    }

    static let variants = allSuites.flatMap { suite in
        [false, true].map { Variant(suite: suite, isExtended: $0) }
    }

    /// Sizes around every block boundary of the ciphers and hashes, and some large ones.
    private static func bodyLengths(_ suite: CipherSuite) -> [Int] {
        let step = suite.blockLength
        let short = stride(from: step, through: 320, by: step)
        let long = [512, 1024, 1408, 1424, 1500, 2000, 2048, 4096, 9000].map { $0 / step * step }
        return Array(short) + long
    }

    private func batch(
        _ variant: Variant,
        _ random: inout SeededRandomSource
    ) -> PacketBatch {
        var batch = PacketBatch(
            suite: variant.suite,
            sequenceHigh: variant.isExtended ? random.next32() : 0
        )
        for (index, length) in Self.bodyLengths(variant.suite).enumerated() {
            batch.append(
                spi: 0xcafe_0001,
                sequence: UInt32(index + 1),
                body: random.bytes(length)
            )
        }
        return batch
    }

    private func cipher(
        _ variant: Variant,
        _ keys: ESPKeys,
        _ direction: PacketCipher.Direction,
        _ backEnd: PacketCipherBackEnd
    ) throws -> PacketCipher {
        try PacketCipher(
            suite: variant.suite,
            keys: keys,
            isExtendedSequence: variant.isExtended,
            direction: direction,
            backEnd: backEnd
        )
    }

    @Test(arguments: variants)
    func whatOneSealsTheOtherOpens(variant: Variant) throws {
        var random = SeededRandomSource(seed: 11)
        let keys = randomKeys(variant.suite, &random)
        let plain = batch(variant, &random)
        let allOK = plain.packets.map { _ in ok }
        var results: [PacketBatch] = []
        for backEnd in PacketCipherBackEnd.available {
            var sealed = plain
            #expect(sealed.seal(with: try cipher(variant, keys, .seal, backEnd)) == allOK)
            #expect((sealed.bodies != plain.bodies) == variant.suite.encrypts)
            results.append(sealed)
        }
        // IVs are made in the same way by both, so that the packets are equal to the last bit.
        #expect(Set(results).count == 1)
        for backEnd in PacketCipherBackEnd.available {
            var opened = results[0]
            #expect(opened.open(with: try cipher(variant, keys, .open, backEnd)) == allOK)
            #expect(opened.bodies == plain.bodies)
        }
    }

    /// The ICV against an independent HMAC over SPI, sequence number, IV, ciphertext and the high
    /// half of an extended number (RFC 4303 §2.8, §3.3.2.1).
    @Test(arguments: variants.filter { !$0.suite.isAuthenticated })
    func authenticatedBytes(variant: Variant) throws {
        var random = SeededRandomSource(seed: 12)
        let keys = randomKeys(variant.suite, &random)
        let function = try #require(variant.suite.integrity.impliedFunction)
        let prf = try #require(PRF(function))
        #expect(prf.outputLength == variant.suite.integrityKeyLength)
        for backEnd in PacketCipherBackEnd.available {
            var sealed = batch(variant, &random)
            _ = sealed.seal(with: try cipher(variant, keys, .seal, backEnd))
            let high = sealed.sequenceHigh
            let tail = (0..<4).map { UInt8(truncatingIfNeeded: high >> (24 - 8 * $0)) }
            for (packet, icv) in zip(sealed.packets, sealed.icvs) {
                let covered = Array(packet.dropLast(variant.suite.icvLength))
                let output = prf.compute(
                    key: keys.integrity,
                    covered,
                    variant.isExtended ? tail : []
                ).copy()
                #expect(icv == Array(output.prefix(variant.suite.icvLength)))
            }
        }
    }

    /// One bit anywhere, from the SPI to the ICV, and the packet does not open; its neighbours in
    /// the batch do.
    @Test(arguments: variants, PacketCipherBackEnd.available)
    func damagedPackets(variant: Variant, backEnd: PacketCipherBackEnd) throws {
        var random = SeededRandomSource(seed: 13)
        let keys = randomKeys(variant.suite, &random)
        let plain = batch(variant, &random)
        var sealed = plain
        _ = sealed.seal(with: try cipher(variant, keys, .seal, backEnd))
        let opener = try cipher(variant, keys, .open, backEnd)
        var expected = sealed.packets.map { _ in ok }
        for index in stride(from: 0, to: sealed.packets.count, by: 3) {
            let length = sealed.packets[index].count
            let place =
                switch index % 4 {
                case 0: length - 1 - Int(random.next32() % UInt32(variant.suite.icvLength))
                case 1: Int(random.next32() % 8)
                default: Int(random.next32() % UInt32(length))
                }
            sealed.packets[index][place] ^= 1 << UInt8(random.next32() % 8)
            expected[index] = authenticationFailed
        }
        var opened = sealed
        #expect(opened.open(with: opener) == expected)
        for (index, status) in expected.enumerated() where status == ok {
            #expect(opened.bodies[index] == plain.bodies[index])
        }
    }

    @Test(arguments: variants.filter(\.isExtended), PacketCipherBackEnd.available)
    func highHalfOfTheSequenceNumberIsCovered(
        variant: Variant,
        backEnd: PacketCipherBackEnd
    ) throws {
        var random = SeededRandomSource(seed: 14)
        let keys = randomKeys(variant.suite, &random)
        var sealed = batch(variant, &random)
        _ = sealed.seal(with: try cipher(variant, keys, .seal, backEnd))
        sealed.sequenceHigh &+= 1
        let statuses = sealed.open(with: try cipher(variant, keys, .open, backEnd))
        #expect(statuses.allSatisfy { $0 == authenticationFailed })
    }
}
