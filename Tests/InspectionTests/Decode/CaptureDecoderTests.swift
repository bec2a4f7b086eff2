import Foundation
import Inspection
import Testing

@Suite struct CaptureDecoderTests {
    private let name = "ikev2-nat-gcm-ctr-cbc"

    private func decode(withKeys: Bool = true) throws -> DecodedCapture {
        try CaptureDecoder.decode(
            try CaptureFile.read("\(name)/capture.pcapng"),
            keys: withKeys ? try CaptureFile.keys(name) : DecodingKeys()
        )
    }

    @Test func everythingOpensWithKeys() throws {
        let decoded = try decode()
        #expect(decoded.problems.isEmpty && decoded.otherFrames == 0)
        #expect(decoded.frames.map(\.number) == Array(1...54))
        #expect(decoded.frames.filter { $0.kind == .ike }.count == 30)
        let packets = decoded.frames.compactMap(\.esp)
        #expect(packets.count == 24 && packets.allSatisfy { $0.state == .opened })
        let encrypted = decoded.frames.compactMap { $0.ike?.encrypted }
        #expect(encrypted.count == 24 && encrypted.allSatisfy { $0.state == .opened })
        #expect(
            encrypted.allSatisfy {
                $0.problem == nil && $0.payloads.allSatisfy { $0.problem == nil }
            }
        )
    }

    @Test func withoutKeysTheOutsideIsShown() throws {
        let decoded = try decode(withKeys: false)
        let encrypted = decoded.frames.compactMap { $0.ike?.encrypted }
        #expect(encrypted.count == 24 && encrypted.allSatisfy { $0.state == .noKey })
        #expect(decoded.frames.compactMap(\.esp).allSatisfy { $0.state == .noKey })
    }

    /// As tshark shows the same frames.
    @Test func firstFrames() throws {
        let decoded = try decode()
        let first = decoded.frames[0]
        #expect(first.source == "192.168.245.131:10954" && first.destination == "172.16.15.92:4500")
        let header = try #require(first.ike?.header)
        #expect(header.initiatorSPI == "89922c915f35570e")
        #expect(header.responderSPI == "0000000000000000")
        #expect(header.exchange == "IKE_SA_INIT" && header.messageID == 0 && header.octets == 300)
        #expect(!header.isResponse && header.isFromOriginalInitiator)
        #expect(first.ike?.payloads.first?.type == "SA")
        let authentication = try #require(decoded.frames[2].ike?.encrypted)
        #expect(authentication.payloads.map(\.type).starts(with: ["IDi"]))
        #expect(decoded.frames[1].time == "0.018227")
        let packet = try #require(decoded.frames[4].esp)
        #expect(packet.spi == "0xac0faf03" && packet.sequence == 1)
        #expect(packet.inner?.hasSuffix("icmp, 84 octets") == true)
    }

    @Test func textIsATree() throws {
        let lines = try decode().lines
        #expect(
            lines.first
                == "frame 1  0.000000 s  192.168.245.131:10954 > 172.16.15.92:4500  "
                + "IKE_SA_INIT request 0"
        )
        #expect(lines.contains("    proposal 1: IKE"))
        #expect(lines.contains("      encryption: AES_GCM_16, 256 bits"))
        #expect(lines.allSatisfy { $0.utf8.allSatisfy { (0x20...0x7e).contains($0) } })
        #expect(lines.allSatisfy { $0.count <= 160 })
    }

    @Test func jsonHasTheSteadyNames() throws {
        let data = try JSONEncoder().encode(decode())
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let frames = try #require(object["frames"] as? [[String: Any]])
        #expect(frames.count == 54)
        let ike = try #require(frames[0]["ike"] as? [String: Any])
        let header = try #require(ike["header"] as? [String: Any])
        #expect(header["exchange"] as? String == "IKE_SA_INIT")
        #expect(frames[4]["kind"] as? String == "esp")
    }

    /// Fragments are put together (RFC 7383), keys change within one SA (RFC 9242).
    @Test(arguments: [
        "ikev2-cookie-invalid-ke", "ikev2-ecdsa-ecp384-chacha", "ikev2-hybrid-mlkem1024-cbc",
        "ikev2-hybrid-mlkem768", "ikev2-hybrid-two-additional-ke", "ikev2-mobike",
    ])
    func otherCaptures(name: String) throws {
        let decoded = try CaptureDecoder.decode(
            try CaptureFile.read("\(name)/capture.pcap"),
            keys: try CaptureFile.keys(name)
        )
        #expect(decoded.problems.isEmpty)
        let encrypted = decoded.frames.compactMap { $0.ike?.encrypted }
        #expect(encrypted.allSatisfy { $0.state == .opened || $0.state == .incomplete })
        #expect(encrypted.allSatisfy { $0.problem == nil })
        let fragments = encrypted.filter { $0.fragment != nil }
        #expect(fragments.filter { $0.state == .opened }.count * 2 == fragments.count)
        #expect(decoded.frames.compactMap(\.esp).allSatisfy { $0.state == .opened })
    }

    @Test func emptyAndForeignInput() {
        #expect(throws: CaptureDecoder.Failure.empty) { try CaptureDecoder.decode([]) }
        #expect(throws: CaptureDecoder.Failure.unknownFormat) {
            try CaptureDecoder.decode(Array("hello".utf8))
        }
    }
}
