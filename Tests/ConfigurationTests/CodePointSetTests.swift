import IPsecPrimitives
import Testing

@testable import Configuration

@Suite("SAs by DSCP")
struct CodePointSetTests {
    private func result(_ lines: [String], gateway: [String] = []) -> ConfigurationResult {
        let text =
            gateway + [
                "connections:", "  site:", "    local: {address: 192.0.2.1, id: a.example}",
                "    remote: {address: 192.0.2.2, id: b.example}", "    secret-file: site.secret",
                "    tunnels:", "      net:", "        local: 10.1.0.0/16",
                "        remote: 10.2.0.0/16",
            ] + lines.map { "        \($0)" }
        return GatewayConfiguration.read(
            Array((text.joined(separator: "\n") + "\n").utf8),
            file: "a.yaml"
        )
    }

    @Test(
        "names, numbers and lists of them are sets",
        arguments: [
            ("ef", [[46]]), ("[ef]", [[46]]), ("[EF, af41]", [[46], [34]]),
            ("[[ef, 44], cs1, [af41, af42, af43]]", [[44, 46], [8], [34, 36, 38]]),
            ("[[ef, ef, 46]]", [[46]]), ("[0, 63]", [[0], [63]]),
        ] as [(String, [[UInt8]])]
    )
    func sets(text: String, values: [[UInt8]]) throws {
        let read = result(["sa-per-dscp: \(text)"])
        #expect(read.diagnostics == [])
        let tunnel = try #require(read.configuration?.connections[0].tunnels[0])
        #expect(tunnel.carriage.codePointSets.value.map(\.values) == values)
    }

    @Test("without it one SA is for all")
    func none() throws {
        let tunnel = try #require(result([]).configuration?.connections[0].tunnels[0])
        #expect(tunnel.carriage.codePointSets.value.isEmpty)
    }

    @Test("as many as a tunnel has classes, and no more")
    func limit() {
        let values = (0..<15).map { "\($0)" }.joined(separator: ", ")
        #expect(result(["sa-per-dscp: [\(values)]"]).diagnostics == [])
        let read = result(["sa-per-dscp: [\(values), 15]"])
        #expect(
            read.errors.map(\.message) == [
                "\"sa-per-dscp\" in tunnel \"site/net\" has 16 entries"
            ]
        )
        #expect(read.errors.first?.hint.contains("write 1 to 15") == true)
    }

    @Test(
        "what makes no sense is refused, with its line",
        arguments: [
            (["sa-per-dscp: [ef, [af41, 46]]"], "DSCP ef stands in two entries"),
            (["sa-per-dscp: []"], "has 0 entries"),
            (["sa-per-dscp: [[]]"], "has 0 entries"),
            (["sa-per-dscp: 64"], "\"64\" is not a DSCP"),
            (["sa-per-dscp: [voice]"], "\"voice\" is not a DSCP"),
            (["sa-per-dscp: {ef: 1}"], "is a mapping"),
            (["sa-per-dscp: [[[ef]]]"], "is a list"),
            (["sa-per-dscp: ef", "resources: 2"], "by DSCP and by resource"),
            (["sa-per-dscp: ef", "sa-per: protocol"], "for each protocol and several SAs"),
            (["sa-per-dscp: ef", "ip-tfs: {rate: 1Mbit}"], "does not go with ip-tfs"),
        ]
    )
    func refused(lines: [String], message: String) {
        let read = result(lines)
        #expect(read.configuration == nil)
        #expect(read.errors.count == 1, "\(read.errors)")
        #expect(read.errors.first?.message.contains(message) == true, "\(read.errors)")
        #expect(read.errors.first?.location.line == 10)
        #expect(read.errors.first?.hint.isEmpty == false)
    }

    @Test("one DSCP outside leaves nothing to tell classes apart by, which is worth a word")
    func fixed() {
        let read = result(["sa-per-dscp: ef", "dscp: 0"])
        #expect(read.configuration != nil && read.diagnostics.count == 1)
        #expect(read.diagnostics.first?.message.contains("one DSCP outside") == true)
    }
}
