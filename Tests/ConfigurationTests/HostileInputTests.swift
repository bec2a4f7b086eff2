import Configuration
import IPsecPrimitives
import Testing

@Suite("Files that are no configuration")
struct HostileInputTests {
    private func read(_ bytes: [UInt8]) -> ConfigurationResult {
        GatewayConfiguration.read(bytes, file: "a.yaml")
    }

    @Test func everyPrefixGivesAnAnswer() {
        let bytes = Array(
            Sample.top("gateway: {mtu: 1400}\npolicies:\n  - bypass: {remote: \"::/0\"}").utf8
        )
        for length in 0..<bytes.count {
            let result = read(Array(bytes[..<length]))
            #expect(result.configuration != nil || !result.errors.isEmpty)
        }
    }

    @Test func mutationsGiveAnAnswer() {
        var random = SeededRandomSource(seed: 7)
        let original = Array(Sample.connection("ike-proposals: [aes256-sha256-x25519]").utf8)
        for _ in 0..<2000 {
            var bytes = original
            for change in random.bytes(4) {
                let place = Int(random.bytes(1)[0]) * bytes.count / 256
                bytes[place] = change
            }
            let result = read(bytes)
            #expect(result.configuration != nil || !result.errors.isEmpty)
        }
    }

    @Test func bytesThatAreNoTextAreRefused() {
        let result = read([0xFF, 0xFE, 0x00, 0x80])
        #expect(result.errors.count == 1)
        #expect(result.errors.first?.hint.contains("UTF-8") == true)
        #expect(read([0]).errors.count == 1)
    }

    @Test func nestedAliasesCostNothing() {
        var text = "a0: &a0 [x, x]\n"
        for level in 1..<64 {
            text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n"
        }
        let result = read(Array(text.utf8))
        #expect(result.errors.map(\.location.line) == [1])
    }

    @Test func deepNestingIsRefused() {
        for open in ["[", "{a: ", "- ", "? "] {
            let result = read(Array(String(repeating: open, count: 50_000).utf8))
            #expect(result.errors.count == 1)
        }
    }

    @Test func aFileTooLongIsRefused() {
        let bytes = [UInt8](repeating: 0x20, count: GatewayConfiguration.maximumBytes + 1)
        #expect(read(bytes).errors.first?.message.contains("bytes") == true)
    }

    @Test func controlCharactersDoNotReachTheTerminal() {
        let result = read(Array("\"\\e[31m\\u0007\": 1".utf8))
        #expect(result.errors.contains { $0.message.contains("\"?[31m?\"") })
        #expect(!result.diagnostics.contains { $0.description.unicodeScalars.contains("\u{1B}") })
    }

    @Test func longValuesAreCutInMessages() {
        let result = read(
            Array(Sample.connection("encapsulation: \(String(repeating: "x", count: 9999))").utf8)
        )
        #expect(result.errors.allSatisfy { $0.message.count < 200 })
    }

    @Test func manySelectorsAreRefusedAndDoNotStall() {
        let list = (0..<400).map { "10.\($0 % 256).0.0/24" }.joined(separator: ", ")
        let result = read(Array(Sample.tenLines.replacing("10.1.0.0/16", with: "[\(list)]").utf8))
        #expect(result.errors.contains { $0.hint.contains("1 to 255") })
    }

    /// Each of these once cost a comparison with every name for each entry.
    @Test func largeFilesOfMistakesDoNotStall() {
        let unknown = (0..<60_000).map { "z\($0): 1\n" }.joined()
        #expect(read(Array(unknown.utf8)).diagnostics.count == 100)
        let tunnels = (0..<1000).map {
            "      t\($0): {local: 10.1.0.0/16, remote: 10.2.0.\($0 % 256)}\n"
        }.joined()
        let policies = (0..<20_000).map { "  - protect: branch/x\($0)\n" }.joined()
        let text =
            String(Sample.tenLines.split(separator: "      net:")[0]) + tunnels + "policies:\n"
            + policies
        #expect(read(Array(text.utf8)).diagnostics.count == 100)
    }
}
