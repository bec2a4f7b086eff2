import IPsecPrimitives
import Inspection
import Testing

/// Whatever the input, there is something to show, with the reason and the place.
@Suite struct MalformedInputTests {
    private static let header = "0102030405060708" + "1112131415161718"

    private func decode(_ hex: String) throws -> DecodedMessage {
        let decoded = try CaptureDecoder.decode(Array(hex.utf8))
        return try #require(decoded.frames.first?.ike)
    }

    @Test func headerCutOff() throws {
        let message = try decode("0102030405")
        #expect(message.header == nil)
        #expect(message.problem?.reason == "truncated: 8 octets needed, 5 left")
    }

    @Test func wrongLengthIsSaidAndThePayloadsShown() throws {
        let message = try decode(
            MalformedInputTests.header + "2b202508" + "00000001" + "000000ff" + "00000006cafe"
        )
        #expect(message.payloads.map(\.type) == ["V"])
        #expect(
            message.problem == DecodedProblem("length field says 255, there are 34 octets", at: 24)
        )
    }

    @Test func malformedPayloadDoesNotHideTheNext() throws {
        let message = try decode(
            MalformedInputTests.header + "28202508" + "00000001" + "00000028" + "2b00000501"
                + "00000007414243"
        )
        #expect(message.payloads.map(\.type) == ["Nonce", "V"])
        #expect(message.payloads[0].problem?.offset == 32)
        #expect(message.payloads[0].fields == [.init("data", "01")])
        #expect(message.payloads[1].fields == [.init("identifier", "\"ABC\"")])
    }

    @Test func otherVersions() throws {
        let message = try decode(
            MalformedInputTests.header + "01100200" + "00000000" + "0000001c"
        )
        #expect(message.header?.version == "1.0")
        #expect(message.problem?.reason == "not IKE version 2")
    }

    @Test func criticalUnknownPayloadIsShown() throws {
        let message = try decode(
            MalformedInputTests.header + "63202508" + "00000001" + "00000020" + "00800004"
        )
        #expect(message.payloads[0].isCritical)
        #expect(message.payloads[0].problem?.reason == "critical payload 99 is not known")
    }

    /// No truncation and no flipped octet of a capture traps.
    @Test(arguments: ["ikev2-nat-gcm-ctr-cbc/capture.pcapng", "ikev2-mobike/capture.pcap"])
    func damagedCaptures(name: String) throws {
        let bytes = Array(try CaptureFile.read(name).prefix(1_200))
        for count in 1..<bytes.count {
            _ = try? CaptureDecoder.decode(Array(bytes[..<count]))
        }
        var random = SeededRandomSource(seed: 3)
        for index in bytes.indices {
            var mutant = bytes
            mutant[index] = UInt8(truncatingIfNeeded: random.next32())
            _ = (try? CaptureDecoder.decode(mutant))?.lines
        }
    }

    @Test func captureCutOffShowsWhatIsThere() throws {
        let bytes = try CaptureFile.read("ikev2-mobike/capture.pcap")
        let decoded = try CaptureDecoder.decode(Array(bytes.dropLast(10)))
        #expect(decoded.frames.count == 55)
        #expect(decoded.problems.first?.reason == "a record is cut off")
    }

    /// Found by the fuzzer: such a file left nothing to show.
    @Test func captureWithoutAFrameIsSaidToBeOne() throws {
        let header: [UInt8] = [0x4d, 0x3c, 0xb2, 0xa1] + Array(repeating: 0, count: 20)
        #expect(try CaptureDecoder.decode(header).lines == ["a capture without a frame"])
    }
}
