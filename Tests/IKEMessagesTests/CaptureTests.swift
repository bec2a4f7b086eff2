import CPacketCipher
import IKEMessages
import IPsecCrypto
import IPsecPrimitives
import Inspection
import Testing

/// Messages and packets that other implementations sent.
@Suite struct CaptureTests {
    /// The cipher that opens a part of a message, with what it holds.
    private func open(
        _ content: [UInt8],
        associatedData: [UInt8],
        of message: IKEMessage,
        _ keys: DecodingKeys
    ) -> (cipher: IKECipher, plaintext: [UInt8])? {
        let header = message.header
        for candidate in keys.messageKeys(
            initiator: header.initiatorSPI,
            responder: header.responderSPI
        ) {
            let cipher =
                header.isFromOriginalInitiator ? candidate.fromInitiator : candidate.fromResponder
            if let plaintext = try? cipher.open(
                content[...],
                associatedData: associatedData[...]
            ) {
                return (cipher, plaintext)
            }
        }
        return nil
    }

    /// Every message is read; what is in clear is written again as it came; what is encrypted
    /// opens with the keys, is read, is written again as it came, and seals to the same octets.
    @Test(arguments: RecordedExchange.names)
    func messages(name: String) throws {
        let exchange = try RecordedExchange(name)
        var counts: [String: Int] = [:]
        for bytes in exchange.messages {
            let message = try IKEMessage(reading: bytes)
            switch message.protection {
            case .none:
                counts["clear", default: 0] += 1
                #expect(
                    IKEMessage.serialise(message.header, payloads: message.payloads) == bytes
                )
            case .encrypted(let encrypted):
                counts["encrypted", default: 0] += 1
                let (cipher, plaintext) = try #require(
                    open(
                        encrypted.content,
                        associatedData: encrypted.associatedData,
                        of: message,
                        exchange.keys
                    )
                )
                let payloads = try encrypted.payloads(in: plaintext)
                let end = try EncryptedPadding.contentOctets(of: plaintext)
                let again = IKEMessage.serialise(message.header, payloads: payloads)
                #expect(again[MessageHeader.octets...].elementsEqual(plaintext[..<end]))
                let iv = Array(encrypted.content.prefix(cipher.ivLength))
                #expect(
                    try cipher.seal(plaintext, associatedData: encrypted.associatedData, iv: iv)
                        == encrypted.content
                )
            case .fragment(let fragment):
                counts["fragments", default: 0] += 1
                let (_, plaintext) = try #require(
                    open(
                        fragment.content,
                        associatedData: fragment.associatedData,
                        of: message,
                        exchange.keys
                    )
                )
                _ = try EncryptedPadding.contentOctets(of: plaintext)
            }
        }
        #expect(counts == CaptureTests.expected[name])
    }

    /// As the listings beside the captures count them.
    private static let expected: [String: [String: Int]] = [
        "ikev2-cookie-invalid-ke": ["clear": 6, "encrypted": 4],
        "ikev2-ecdsa-ecp384-chacha": ["clear": 2, "encrypted": 12],
        "ikev2-hybrid-mlkem1024-cbc": ["clear": 2, "encrypted": 12, "fragments": 12],
        "ikev2-hybrid-mlkem768": ["clear": 2, "encrypted": 15, "fragments": 6],
        "ikev2-hybrid-two-additional-ke": ["clear": 2, "encrypted": 21, "fragments": 6],
        "ikev2-mobike": ["clear": 2, "encrypted": 14],
        "ikev2-nat-gcm-ctr-cbc": ["clear": 6, "encrypted": 24],
    ]

    /// Every ESP packet opens on every back end.
    @Test(arguments: RecordedExchange.names, PacketCipherBackEnd.available)
    func packets(name: String, backEnd: PacketCipherBackEnd) throws {
        let exchange = try RecordedExchange(name)
        var opened = 0
        for packet in exchange.packets {
            var reader = ByteReader(packet)
            let spi = SPI(rawValue: try reader.readUInt32())
            let entry = try #require(exchange.keys.packetKeys(spi).first)
            let cipher = try PacketCipher(
                suite: entry.suite,
                keys: entry.keys,
                isExtendedSequence: false,
                direction: .open,
                backEnd: backEnd
            )
            let bodyOctets = packet.count - 8 - cipher.ivLength - cipher.icvLength
            var bytes = packet
            let status = unsafe bytes.withUnsafeMutableBufferPointer { area in
                var job = unsafe cygnet_packet_job(
                    esp: area.baseAddress,
                    body_length: UInt32(bodyOctets),
                    sequence_high: 0,
                    status: 99
                )
                unsafe cipher.open(&job, count: 1)
                return unsafe job.status
            }
            #expect(status == 0)
            // An IPv4 packet of its own length, then padding and the trailer (RFC 4303 §2).
            let body = bytes.dropFirst(8 + cipher.ivLength).dropLast(cipher.icvLength)
            #expect(body.last == 4)
            let padOctets = Int(body.dropLast().last ?? 0)
            let inner = try #require(IPPacket(body.dropLast(2 + padOctets)))
            #expect(inner.ipProtocol == 1)
            opened += 1

            var forged = packet
            forged[packet.count - 1] ^= 1
            let refusal = unsafe forged.withUnsafeMutableBufferPointer { area in
                var job = unsafe cygnet_packet_job(
                    esp: area.baseAddress,
                    body_length: UInt32(bodyOctets),
                    sequence_high: 0,
                    status: 99
                )
                unsafe cipher.open(&job, count: 1)
                return unsafe job.status
            }
            #expect(refusal == 1)
        }
        #expect(opened == exchange.packets.count)
        if name == "ikev2-nat-gcm-ctr-cbc" { #expect(opened == 24) }
    }
}
