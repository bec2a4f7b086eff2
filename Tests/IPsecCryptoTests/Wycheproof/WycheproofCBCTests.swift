import IPsecCrypto
import IPsecPrimitives
import Testing

/// AES-CBC. The vectors pad as PKCS #5 does, which IPsec does not: the padding is a part of the
/// plaintext here, and only the valid ones say anything about the cipher.
@Suite struct WycheproofCBCTests {
    struct Group: Decodable {
        let keySize: UInt16
        let tests: [Case]
    }

    struct Case: Decodable {
        let tcId: Int
        let key: String
        let iv: String
        let msg: String
        let ct: String
        let result: String
    }

    @Test func messagesAndPackets() throws {
        var count = 0
        let groups = try loadVectors("aes_cbc_pkcs5_test", as: Wycheproof<Group>.self).testGroups
        for group in groups where group.keySize != 192 {
            let suite = makeSuite(.aesCBC, group.keySize, .hmacSHA256_128)
            for vector in group.tests where vector.result == "valid" {
                count += 1
                try check(vector, suite)
            }
        }
        #expect(count == 48)
    }

    private func check(_ vector: Case, _ suite: CipherSuite) throws {
        let keys = ESPKeys(
            encryption: SecretBytes(hex(vector.key)),
            integrity: SecretBytes(Array(repeating: 7, count: 32))
        )
        let message = hex(vector.msg)
        let padding = 16 - message.count % 16
        let padded = message + Array(repeating: UInt8(padding), count: padding)
        let cipher = try IKECipher(
            suite: suite,
            encryptionKey: keys.encryption,
            integrityKey: keys.integrity
        )
        let sealed = try cipher.seal(padded, associatedData: [1, 2, 3], iv: hex(vector.iv))
        #expect(Array(sealed.dropFirst(16).dropLast(16)) == hex(vector.ct), "case \(vector.tcId)")
        #expect(try cipher.open(sealed[...], associatedData: [1, 2, 3]) == padded)
        for backEnd in PacketCipherBackEnd.available {
            var batch = PacketBatch(suite: suite)
            batch.append(spi: 1, sequence: 1, iv: hex(vector.iv), body: padded)
            let sealer = try PacketCipher(
                suite: suite,
                keys: keys,
                isExtendedSequence: false,
                direction: .seal,
                backEnd: backEnd
            )
            #expect(batch.sealKeepingIVs(with: sealer) == [ok])
            #expect(batch.bodies == [hex(vector.ct)], "case \(vector.tcId)")
            let opener = try PacketCipher(
                suite: suite,
                keys: keys,
                isExtendedSequence: false,
                direction: .open,
                backEnd: backEnd
            )
            #expect(batch.open(with: opener) == [ok])
            #expect(batch.bodies == [padded])
        }
    }
}
