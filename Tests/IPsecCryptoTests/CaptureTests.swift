import IPsecCrypto
import IPsecPrimitives
import Testing

/// Real packets and messages of other implementations, in AES-GCM, AES-CTR and AES-CBC.
@Suite struct CaptureTests {
    struct Capture: Decodable {
        struct Packet: Decodable {
            let suite: String
            let encryptionKey: String
            let integrityKey: String
            let packet: String
        }

        struct Message: Decodable {
            let suite: String
            let encryptionKey: String
            let integrityKey: String
            let message: String
        }

        let packets: [Packet]
        let messages: [Message]
    }

    let capture: Capture

    init() throws {
        capture = try loadVectors("capture-gcm-ctr-cbc", as: Capture.self)
    }

    private func named(_ name: String, keyBits: UInt16) -> CipherSuite {
        switch name {
        case "GCM": makeSuite(.aesGCM16, keyBits)
        case "CTR": makeSuite(.aesCTR, keyBits, .hmacSHA256_128)
        default: makeSuite(.aesCBC, keyBits, .hmacSHA256_128)
        }
    }

    @Test(arguments: PacketCipherBackEnd.available)
    func packets(backEnd: PacketCipherBackEnd) throws {
        #expect(capture.packets.count == 24)
        for packet in capture.packets {
            let suite = named(packet.suite, keyBits: 128)
            let keys = ESPKeys(
                encryption: SecretBytes(hex(packet.encryptionKey)),
                integrity: SecretBytes(hex(packet.integrityKey))
            )
            let opener = try PacketCipher(
                suite: suite,
                keys: keys,
                isExtendedSequence: false,
                direction: .open,
                backEnd: backEnd
            )
            var batch = PacketBatch(suite: suite, packets: [hex(packet.packet)])
            #expect(batch.open(with: opener) == [ok])
            // An IPv4 packet in tunnel mode: next header 4, padding 1, 2, 3 and so on.
            let body = batch.bodies[0]
            #expect(body[0] == 0x45)
            #expect(body.last == 4)
            let padding = Int(body[body.count - 2])
            let length = Int(body[2]) << 8 | Int(body[3])
            #expect(length == body.count - 2 - padding)
            #expect(
                Array(body[length..<length + padding]) == (0..<padding).map { UInt8($0 + 1) }
            )
            // Sealed again with its own IV, it is the same packet.
            let sealer = try PacketCipher(
                suite: suite,
                keys: keys,
                isExtendedSequence: false,
                direction: .seal,
                backEnd: backEnd
            )
            #expect(batch.sealKeepingIVs(with: sealer) == [ok])
            #expect(batch.packets == [hex(packet.packet)])
        }
    }

    @Test func messages() throws {
        #expect(capture.messages.count == 24)
        for message in capture.messages {
            let suite = named(message.suite, keyBits: 256)
            let cipher = try IKECipher(
                suite: suite,
                encryptionKey: SecretBytes(hex(message.encryptionKey)),
                integrityKey: SecretBytes(hex(message.integrityKey))
            )
            let bytes = hex(message.message)
            // IKE header and generic header of the Encrypted payload, then its content.
            let plaintext = try cipher.open(bytes[32...], associatedData: bytes[..<32])
            let padding = Int(try #require(plaintext.last))
            #expect(padding < plaintext.count)
            var damaged = bytes
            damaged[20] ^= 1
            #expect(throws: CryptoError.authenticationFailed) {
                try cipher.open(damaged[32...], associatedData: damaged[..<32])
            }
        }
    }
}
