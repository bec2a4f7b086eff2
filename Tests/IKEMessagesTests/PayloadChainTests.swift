import IKEMessages
import IPsecPrimitives
import Testing

@Suite struct PayloadChainTests {
    /// A message of version 2 around raw payload bytes.
    static func message(first: UInt8, _ payloads: [UInt8]) -> [UInt8] {
        let length = 28 + payloads.count
        return Array(repeating: 1, count: 16) + [first, 0x20, 37, 0x08, 0, 0, 0, 1, 0, 0]
            + [UInt8(length >> 8), UInt8(length & 255)] + payloads
    }

    private func fault(first: UInt8, _ payloads: [UInt8]) -> MalformedMessage.Fault? {
        do {
            _ = try IKEMessage(reading: PayloadChainTests.message(first: first, payloads))
            return nil
        } catch {
            guard case .malformed(let malformed) = error else { return nil }
            return malformed.fault
        }
    }

    @Test func unknownPayloadIsKept() throws {
        let message = try IKEMessage(
            reading: PayloadChainTests.message(first: 99, [43, 0, 0, 5, 7, 0, 0, 0, 4])
        )
        #expect(
            message.payloads == [
                .unknown(UnknownPayload(type: .init(rawValue: 99), body: [7])),
                .vendorID(VendorIDPayload(identifier: [])),
            ]
        )
    }

    @Test func unknownCriticalPayloadIsRefused() {
        let bytes = PayloadChainTests.message(first: 99, [0, 0x80, 0, 4])
        let error = MessageError.unsupportedCriticalPayload(PayloadType(rawValue: 99))
        #expect(throws: error) { try IKEMessage(reading: bytes) }
        #expect(error.notify == NotifyPayload(.unsupportedCriticalPayload, data: [99]))
    }

    /// RFC 7296 §3.2: the flag "MUST be ignored by the recipient if the recipient understands the
    /// payload type code".
    @Test func criticalFlagOfKnownPayloadIsIgnored() throws {
        let bytes = PayloadChainTests.message(first: 43, [0, 0xff, 0, 5, 1])
        #expect(try IKEMessage(reading: bytes).payloads == [.vendorID(.init(identifier: [1]))])
    }

    @Test func lengthBelowTheGenericHeader() {
        #expect(fault(first: 43, [0, 0, 0, 3]) == .invalidLength(stated: 3, expected: 4))
        #expect(fault(first: 43, [43, 0, 0, 0]) == .invalidLength(stated: 0, expected: 4))
    }

    @Test func lengthBeyondTheMessage() {
        #expect(fault(first: 43, [0, 0, 0, 6, 1]) == .truncated(needed: 2, available: 1))
    }

    @Test func bytesBehindTheLastPayload() {
        #expect(fault(first: 43, [0, 0, 0, 4, 9]) == .trailing(count: 1))
    }

    @Test func bytesBehindTheEncryptedPayload() {
        #expect(fault(first: 46, [41, 0, 0, 5, 1, 0, 0, 0, 4]) == .trailing(count: 4))
    }

    @Test func tooManyPayloads() {
        let payloads = (1...65).flatMap { [$0 < 65 ? 43 : 0, 0, 0, 4] as [UInt8] }
        #expect(fault(first: 43, payloads) == .limitExceeded("payloads", limit: 64))
    }

    @Test func emptyMessage() throws {
        let message = try IKEMessage(reading: PayloadChainTests.message(first: 0, []))
        #expect(message.payloads.isEmpty && message.protection == .none)
    }

    @Test func encryptedPayloadWithinAnother() throws {
        let encrypted = EncryptedPayload(
            firstPayload: .encrypted,
            associatedData: [],
            content: []
        )
        #expect(throws: MessageError.self) { try encrypted.payloads(in: [0, 0, 0, 5, 1, 0]) }
    }

    @Test func placeOfAFault() {
        let bytes = PayloadChainTests.message(
            first: 43,
            [40, 0, 0, 4] + [0, 0, 0, 6, 1, 2]
        )
        #expect(
            throws: MessageError.malformed(
                MalformedMessage(.invalidField("nonce length", value: 2), in: .nonce, at: 36)
            )
        ) { try IKEMessage(reading: bytes) }
    }
}
