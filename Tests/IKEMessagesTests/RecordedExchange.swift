import Foundation
import IPsecPrimitives
import Inspection
import Testing

/// A capture with its keys.
struct RecordedExchange: CustomTestStringConvertible {
    static let names = [
        "ikev2-cookie-invalid-ke", "ikev2-ecdsa-ecp384-chacha", "ikev2-hybrid-mlkem1024-cbc",
        "ikev2-hybrid-mlkem768", "ikev2-hybrid-two-additional-ke", "ikev2-mobike",
        "ikev2-nat-gcm-ctr-cbc",
    ]

    let name: String
    let datagrams: [Datagram]
    let keys: DecodingKeys

    var testDescription: String { name }

    init(_ name: String) throws {
        self.name = name
        let directory = try #require(
            Bundle.module.url(forResource: "Captures/\(name)", withExtension: nil)
        )
        var keys = DecodingKeys()
        var datagrams: [Datagram] = []
        for file in try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() {
            let content = [UInt8](try Data(contentsOf: directory.appending(path: file)))
            if file.hasPrefix("ikev2_decryption_table") {
                keys.addMessageTable(String(decoding: content, as: UTF8.self))
            } else if file == "esp_sa" {
                keys.addPacketTable(String(decoding: content, as: UTF8.self))
            } else if file.hasPrefix("capture.") {
                let capture = try #require(Capture(content))
                #expect(capture.problem == nil)
                datagrams = capture.frames.compactMap { frame in
                    frame.linkType.packet(in: frame.bytes)
                        .flatMap { IPPacket($0) }.flatMap { Datagram($0) }
                }
            }
        }
        #expect(keys.problems == [])
        self.datagrams = datagrams
        self.keys = keys
    }

    var messages: [[UInt8]] {
        datagrams.compactMap { datagram in
            if case .ike(let bytes) = datagram.content { Array(bytes) } else { nil }
        }
    }

    var packets: [[UInt8]] {
        datagrams.compactMap { datagram in
            if case .esp(let bytes) = datagram.content { Array(bytes) } else { nil }
        }
    }
}
