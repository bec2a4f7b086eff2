import IPsecCrypto
import IPsecPrimitives
import Testing

/// ChaCha20-Poly1305 in ESP and IKE: the examples of RFC 7634, appendices A and B.
@Suite struct RFC7634Tests {
    let suite = makeSuite(.chaCha20Poly1305)
    let keys = ESPKeys(
        encryption: SecretBytes(Array(0x80...0xa3)),
        integrity: SecretBytes([])
    )
    let iv = hex("10 11 12 13 14 15 16 17")

    @Test(arguments: PacketCipherBackEnd.available)
    func packet(backEnd: PacketCipherBackEnd) throws {
        let plaintext = hex(
            """
            45 00 00 54 a6 f2 00 00 40 01 e7 78 c6 33 64 05 c0 00 02 05 08 00 5b 7a 3a 08 00 00
            55 3b ec 10 00 07 36 27 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a 1b
            1c 1d 1e 1f 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f 30 31 32 33 34 35 36 37
            01 02 02 04
            """
        )
        let packet = hex(
            """
            01 02 03 04 00 00 00 05 10 11 12 13 14 15 16 17 24 03 94 28 b9 7f 41 7e 3c 13 75 3a
            4f 05 08 7b 67 c3 52 e6 a7 fa b1 b9 82 d4 66 ef 40 7a e5 c6 14 ee 80 99 d5 28 44 eb
            61 aa 95 df ab 4c 02 f7 2a a7 1e 7c 4c 4f 64 c9 be fe 2f ac c6 38 e8 f3 cb ec 16 3f
            ac 46 9b 50 27 73 f6 fb 94 e6 64 da 91 65 b8 28 29 f6 41 e0 76 aa a8 26 6b 7f b0 f7
            b1 1b 36 99 07 e1 ad 43
            """
        )
        var batch = PacketBatch(suite: suite)
        batch.append(spi: 0x0102_0304, sequence: 5, iv: iv, body: plaintext)
        let sealer = try PacketCipher(
            suite: suite,
            keys: keys,
            isExtendedSequence: false,
            direction: .seal,
            backEnd: backEnd
        )
        #expect(batch.sealKeepingIVs(with: sealer) == [ok])
        #expect(batch.packets == [packet])
        let opener = try PacketCipher(
            suite: suite,
            keys: keys,
            isExtendedSequence: false,
            direction: .open,
            backEnd: backEnd
        )
        #expect(batch.open(with: opener) == [ok])
        #expect(batch.bodies == [plaintext])
    }

    @Test func message() throws {
        let cipher = try IKECipher(
            suite: suite,
            encryptionKey: keys.encryption,
            integrityKey: keys.integrity
        )
        let plaintext = hex("00 00 00 0c 00 00 40 01 00 00 00 0a 00")
        let associated = hex(
            """
            c0 c1 c2 c3 c4 c5 c6 c7 d0 d1 d2 d3 d4 d5 d6 d7
            2e 20 25 00 00 00 00 09 00 00 00 45 29 00 00 29
            """
        )
        let content = hex(
            """
            10 11 12 13 14 15 16 17 61 03 94 70 1f 8d 01 7f 7c 12 92 48 89
            6b 71 bf e2 52 36 ef d7 cd c6 70 66 90 63 15 b2
            """
        )
        #expect(try cipher.seal(plaintext, associatedData: associated, iv: iv) == content)
        #expect(try cipher.open(content[...], associatedData: associated[...]) == plaintext)
    }
}
