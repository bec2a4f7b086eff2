import IKEMessages
import IPsecPrimitives
import Testing

@Suite struct EncryptedPayloadTests {
    private func payload(_ first: PayloadType) -> EncryptedPayload {
        EncryptedPayload(firstPayload: first, associatedData: [], content: [])
    }

    @Test func nothingWithin() throws {
        #expect(try payload(.none).payloads(in: [0]).isEmpty)
    }

    /// RFC 7296 §3.14: the recipient accepts any length of padding and any content.
    @Test func moreAndStrangerPaddingThanNeeded() throws {
        let plaintext: [UInt8] = [0, 0, 0, 4] + Array(repeating: 0xaa, count: 255) + [255]
        #expect(
            try payload(.vendorID).payloads(in: plaintext) == [.vendorID(.init(identifier: []))]
        )
    }

    @Test(arguments: [[], [1], [0, 0, 0, 4, 5]] as [[UInt8]])
    func paddingThatIsNotThere(plaintext: [UInt8]) {
        #expect(throws: MessageError.self) { try payload(.none).payloads(in: plaintext) }
    }

    @Test func aCipherThatRefuses() throws {
        struct Refusal: Error {}
        do {
            _ = try payload(.none).open { _, _ throws(Refusal) in throw Refusal() }
            Issue.record("opened")
        } catch {
            guard case .cipher = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test func theSmallestPaddingIsWritten() {
        let header = MessageHeader(
            initiatorSPI: .zero,
            responderSPI: .zero,
            exchangeType: .informational,
            isFromOriginalInitiator: true,
            isResponse: false,
            messageID: 2
        )
        var padded: [UInt8] = []
        _ = IKEMessage.serialise(
            header,
            protected: [.vendorID(.init(identifier: [1, 2, 3]))],
            lengths: SealingLengths(initialisationVector: 0, block: 16, integrityCheckValue: 0)
        ) { plaintext, _ in
            padded = plaintext
            return plaintext
        }
        #expect(padded == [0, 0, 0, 7, 1, 2, 3] + Array(repeating: 0, count: 8) + [8])
    }

    @Test func fragment() throws {
        let message = try IKEMessage(
            reading: PayloadChainTests.message(first: 53, [35, 0, 0, 10, 0, 1, 0, 2, 8, 9])
        )
        guard case .fragment(let fragment) = message.protection else {
            Issue.record("no fragment")
            return
        }
        #expect(fragment.firstPayload == .identificationInitiator)
        #expect(fragment.number == 1 && fragment.total == 2)
        #expect(fragment.content == [8, 9])
        #expect(fragment.associatedData.count == 36)
    }

    /// RFC 7383 §2.5: fragments are counted from one, and none is beyond the total.
    @Test(arguments: [[0, 0, 0, 2], [0, 3, 0, 2], [0, 1, 0, 0], [0, 1, 0]] as [[UInt8]])
    func fragmentThatCannotBe(numbers: [UInt8]) {
        let bytes = PayloadChainTests.message(
            first: 53,
            [0, 0, 0, UInt8(4 + numbers.count)] + numbers
        )
        #expect(throws: MessageError.self) { try IKEMessage(reading: bytes) }
    }
}
