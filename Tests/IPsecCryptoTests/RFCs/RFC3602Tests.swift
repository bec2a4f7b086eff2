import IPsecCrypto
import IPsecPrimitives
import Testing

/// AES-CBC: the four cases and the four ESP packets of RFC 3602 §4. They carry no ICV, so that it
/// is ours and checked by opening.
@Suite struct RFC3602Tests {
    struct Case: Decodable {
        let name: String
        let key: String
        let iv: String
        let header: String?
        let plaintext: String
        let ciphertext: String
    }

    @Test(arguments: PacketCipherBackEnd.available)
    func cases(backEnd: PacketCipherBackEnd) throws {
        let suite = makeSuite(.aesCBC, 128, .hmacSHA256_128)
        let cases = try loadVectors("rfc3602", as: [Case].self)
        #expect(cases.count == 8)
        for vector in cases {
            let keys = ESPKeys(
                encryption: SecretBytes(hex(vector.key)),
                integrity: SecretBytes(Array(repeating: 1, count: 32))
            )
            let header = hex(vector.header ?? "0000000100000001")
            let words = [0, 4].map { start in
                header[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            }
            var batch = PacketBatch(suite: suite)
            batch.append(
                spi: words[0],
                sequence: words[1],
                iv: hex(vector.iv),
                body: hex(vector.plaintext)
            )
            let sealer = try PacketCipher(
                suite: suite,
                keys: keys,
                isExtendedSequence: false,
                direction: .seal,
                backEnd: backEnd
            )
            #expect(batch.sealKeepingIVs(with: sealer) == [ok])
            #expect(batch.bodies == [hex(vector.ciphertext)], "\(vector.name)")
            let opener = try PacketCipher(
                suite: suite,
                keys: keys,
                isExtendedSequence: false,
                direction: .open,
                backEnd: backEnd
            )
            #expect(batch.open(with: opener) == [ok])
            #expect(batch.bodies == [hex(vector.plaintext)], "\(vector.name)")
            let cipher = try IKECipher(
                suite: suite,
                encryptionKey: keys.encryption,
                integrityKey: keys.integrity
            )
            let sealed = try cipher.seal(
                hex(vector.plaintext),
                associatedData: [],
                iv: hex(vector.iv)
            )
            #expect(Array(sealed.dropFirst(16).dropLast(16)) == hex(vector.ciphertext))
        }
    }
}
