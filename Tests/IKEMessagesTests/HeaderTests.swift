import IKEMessages
import IPsecPrimitives
import Testing

@Suite struct HeaderTests {
    private static let header = MessageHeader(
        initiatorSPI: IKESPI(rawValue: 0x0102_0304_0506_0708),
        responderSPI: .zero,
        exchangeType: .ikeSAInit,
        isFromOriginalInitiator: true,
        isResponse: false,
        messageID: 0
    )

    @Test func wireForm() {
        let bytes = IKEMessage.serialise(
            HeaderTests.header,
            payloads: [.nonce(.init(nonce: Array(repeating: 9, count: 16)))]
        )
        #expect(
            hexadecimal(bytes) == "0102030405060708" + "0000000000000000" + "28202208" + "00000000"
                + "00000030" + "00000014" + String(repeating: "09", count: 16)
        )
    }

    @Test func flags() throws {
        var bytes = IKEMessage.serialise(HeaderTests.header, payloads: [])
        bytes[19] = 0x30
        let header = try IKEMessage(reading: bytes).header
        #expect(!header.isFromOriginalInitiator && header.isResponse)
        #expect(header.supportsHigherVersion)
    }

    /// RFC 7296 §2.5: the minor version and reserved flags are ignored.
    @Test func minorVersionAndReservedFlagsAreIgnored() throws {
        var bytes = IKEMessage.serialise(HeaderTests.header, payloads: [])
        bytes[17] = 0x2f
        bytes[19] |= 0xc7
        let message = try IKEMessage(reading: bytes)
        #expect(message.header.minorVersion == 15)
        #expect(message.header.isFromOriginalInitiator)
    }

    @Test(arguments: [0x30, 0xf0, 0x10, 0x00] as [UInt8])
    func otherMajorVersions(version: UInt8) {
        var bytes = IKEMessage.serialise(HeaderTests.header, payloads: [])
        bytes[17] = version
        let error = MessageError.unsupportedMajorVersion(version >> 4)
        #expect(throws: error) { try IKEMessage(reading: bytes) }
        // RFC 7296 §2.5: a higher one is answered with the version we speak, a lower one is not.
        #expect(error.notify?.data == (version >= 0x30 ? [2] : nil))
    }

    @Test func lengthMustBeThatOfTheDatagram() {
        var bytes = IKEMessage.serialise(HeaderTests.header, payloads: [])
        bytes.append(0)
        #expect(
            throws: MessageError.malformed(
                MalformedMessage(.invalidLength(stated: 28, expected: 29), at: 24)
            )
        ) { try IKEMessage(reading: bytes) }
    }

    @Test func tooShort() {
        #expect(throws: MessageError.self) { try IKEMessage(reading: []) }
        #expect(throws: MessageError.self) {
            try IKEMessage(reading: Array(repeating: 0, count: 27))
        }
    }
}
