import IKEMessages
import IPsecPrimitives
import Testing

/// Whatever is done to a good message, the parser gives a value or an error.
@Suite struct MutationTests {
    /// Reads `bytes`; what is accepted must be read the same once written again.
    private func check(_ bytes: [UInt8]) {
        guard let message = try? IKEMessage(reading: bytes) else { return }
        guard message.protection == .none else { return }
        let again = IKEMessage.serialise(message.header, payloads: message.payloads)
        #expect((try? IKEMessage(reading: again))?.payloads == message.payloads)
    }

    private static let samples: [[UInt8]] = MessageGenerator.types.enumerated().map {
        index,
        type in
        var generator = MessageGenerator(seed: UInt64(index + 1000))
        return IKEMessage.serialise(
            generator.header(),
            payloads: [generator.payload(type), generator.payload(.notify)]
        )
    }

    @Test(arguments: samples.indices)
    func everyBitFlipped(sample: Int) {
        let bytes = MutationTests.samples[sample]
        for index in bytes.indices {
            for bit in 0..<8 {
                var mutant = bytes
                mutant[index] ^= 1 << UInt8(bit)
                check(mutant)
            }
        }
    }

    @Test(arguments: samples.indices)
    func everyOctetExtreme(sample: Int) {
        let bytes = MutationTests.samples[sample]
        for index in bytes.indices {
            for value: UInt8 in [0, 0xff] {
                var mutant = bytes
                mutant[index] = value
                check(mutant)
            }
        }
    }

    /// No proper beginning of a message is a message, whether or not the header's length is
    /// adjusted, except where a chain happens to end there.
    @Test(arguments: samples.indices)
    func everyTruncation(sample: Int) {
        let bytes = MutationTests.samples[sample]
        for count in 0..<bytes.count {
            let cut = Array(bytes[..<count])
            #expect(throws: MessageError.self) { try IKEMessage(reading: cut) }
            guard count >= MessageHeader.octets else { continue }
            var adjusted = cut
            adjusted[24] = 0
            adjusted[25] = 0
            adjusted[26] = UInt8(count >> 8)
            adjusted[27] = UInt8(count & 255)
            #expect(throws: MessageError.self) { try IKEMessage(reading: adjusted) }
        }
    }

    @Test func noise() {
        var random = SeededRandomSource(seed: 7)
        for _ in 0..<2_000 {
            var bytes = random.bytes(Int(random.next32() % 200))
            check(bytes)
            guard bytes.count >= MessageHeader.octets else { continue }
            bytes[16] = UInt8(33 + random.next32() % 22)
            bytes[17] = 0x20
            bytes.replaceSubrange(24..<28, with: [0, 0, 0, UInt8(bytes.count)])
            check(bytes)
        }
    }
}
