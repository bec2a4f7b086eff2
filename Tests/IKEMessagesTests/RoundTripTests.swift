import IKEMessages
import IPsecPrimitives
import Testing

@Suite struct RoundTripTests {
    /// What is written is read as the same, each payload alone, from many seeds.
    @Test(arguments: MessageGenerator.types)
    func payload(type: PayloadType) throws {
        for seed in 0..<200 {
            var generator = MessageGenerator(seed: UInt64(seed) << 8 | UInt64(type.rawValue))
            let payload = generator.payload(type)
            #expect(payload.type == type)
            let bytes = IKEMessage.serialise(generator.header(), payloads: [payload])
            let message = try IKEMessage(reading: bytes)
            #expect(message.payloads == [payload])
            #expect(message.protection == .none)
        }
    }

    @Test func wholeMessages() throws {
        for seed in 0..<200 {
            var generator = MessageGenerator(seed: UInt64(seed))
            let header = generator.header()
            let payloads = generator.payloads(0...12)
            let bytes = IKEMessage.serialise(header, payloads: payloads)
            let message = try IKEMessage(reading: bytes)
            #expect(message.header == header)
            #expect(message.payloads == payloads)
            #expect(IKEMessage.serialise(message.header, payloads: message.payloads) == bytes)
        }
    }

    @Test(arguments: [1, 4, 16])
    func encrypted(block: Int) throws {
        let lengths = SealingLengths(
            initialisationVector: 8,
            block: block,
            integrityCheckValue: 16
        )
        for seed in 0..<100 {
            var generator = MessageGenerator(seed: UInt64(seed))
            let header = generator.header()
            let clear = generator.payloads(0...2)
            let protected = generator.payloads(0...6)
            var sealedAlong: [UInt8] = []
            let bytes = IKEMessage.serialise(
                header,
                protected: protected,
                clear: clear,
                lengths: lengths
            ) { plaintext, associatedData in
                #expect(plaintext.count % block == 0)
                sealedAlong = associatedData
                return [UInt8](repeating: 1, count: 8) + plaintext.map { $0 ^ 0x55 }
                    + [UInt8](repeating: 2, count: 16)
            }
            let message = try IKEMessage(reading: bytes)
            #expect(message.header == header)
            #expect(message.payloads == clear)
            let encrypted = try #require(message.encrypted)
            // The lengths in what is sealed along are those of the finished message.
            #expect(encrypted.associatedData == sealedAlong)
            let opened = try encrypted.open { _, content in
                content.dropFirst(8).dropLast(16).map { $0 ^ 0x55 }
            }
            #expect(opened == protected)
        }
    }
}
