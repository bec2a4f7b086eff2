internal import ArgumentParser
internal import Foundation
internal import Inspection
internal import Management

/// `cygnet decode`: shows what a capture, or a message in hexadecimal, says.
struct DecodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode",
        abstract: "Show the IKE and ESP in a capture file or in hexadecimal text.",
        discussion: """
            Reads pcap and pcapng files, and one message or IP packet as hexadecimal text (plain, \
            with separators, or as xxd and tcpdump print it). What is malformed is shown as far as \
            it goes, with the reason and the octet.

            Examples:
              cygnet decode capture.pcap
              cygnet decode capture.pcap --ike-keys ike_table --esp-keys esp_sa
              tcpdump -w - -c 20 'udp port 500 or udp port 4500 or esp' | cygnet decode
              xxd message.bin | cygnet decode
              cygnet decode --json capture.pcap | jq '.frames[].ike.header.exchange'

            The key tables are those of Wireshark, a line each SA:
              SPIi,SPIr,SK_ei,SK_er,"encryption",SK_ai,SK_ar,"integrity"
              "IPv4","source","destination","SPI","encryption","key","integrity","key"

            Exits with 0 when all was read, 65 when the input cannot be read or ends too early, \
            66 when a file cannot be opened.
            """
    )

    @Argument(help: "The file to read; - or nothing is the standard input.")
    var file: String = "-"

    @Option(
        name: .customLong("ike-keys"),
        help: ArgumentHelp(
            "Keys of IKE SAs; may be given again.",
            valueName: "file"
        )
    )
    var ikeKeys: [String] = []

    @Option(
        name: .customLong("esp-keys"),
        help: ArgumentHelp(
            "Keys of Child SAs; may be given again.",
            valueName: "file"
        )
    )
    var espKeys: [String] = []

    @Flag(help: "Print JSON in place of text.")
    var json = false

    func run() throws {
        let keys = try readKeys()
        let input = try read(file)
        let decoded: DecodedCapture
        do {
            decoded = try CaptureDecoder.decode(input, keys: keys)
        } catch {
            complain(explanation(error))
            throw ExitCode(65)
        }
        if json {
            print(ManagementCodec.readableJSON(decoded))
        } else {
            print(decoded.lines.joined(separator: "\n"))
        }
        if !decoded.problems.isEmpty { throw ExitCode(65) }
    }

    private func readKeys() throws -> DecodingKeys {
        var keys = DecodingKeys()
        for path in ikeKeys { keys.addMessageTable(text(try read(path))) }
        for path in espKeys { keys.addPacketTable(text(try read(path))) }
        for problem in keys.problems { complain("keys, \(problem); the line is left out") }
        return keys
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private func read(_ path: String) throws -> [UInt8] {
        if path == "-" { return [UInt8](FileHandle.standardInput.readDataToEndOfFile()) }
        do {
            return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            complain("cannot read \(path): \(error.localizedDescription)")
            throw ExitCode(66)
        }
    }

    private func explanation(_ failure: CaptureDecoder.Failure) -> String {
        let name = file == "-" ? "the standard input" : file
        switch failure {
        case .empty: return "\(name) is empty; give a pcap or pcapng file, or hexadecimal text"
        case .unknownFormat:
            return "\(name) is neither pcap, pcapng nor hexadecimal text; "
                + "`tcpdump -w FILE` writes what can be read"
        }
    }

    private func complain(_ text: String) { CommandOutput.complain("cygnet decode: \(text)") }
}
