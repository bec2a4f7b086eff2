import IPsecPrimitives
import Testing

@testable import Configuration

@Suite("Where the peer is")
struct PeerAddressTests {
    private func remote(_ text: String, lines: String = "") -> ConfigurationResult {
        let base = Sample.tenLines.replacing("{address: 192.0.2.2, id: b.example}", with: text)
        return read(lines.isEmpty ? base : base + "\n        " + lines)
    }

    @Test(arguments: [
        ("{address: vpn.Example.org, id: b}", "vpn.example.org"),
        ("{address: [192.0.2.2, 2001:db8::2], id: b.example}", "192.0.2.2, 2001:db8::2"),
        (
            "{address: [a.example, 192.0.2.64/26, 192.0.2.5-192.0.2.9], id: any}",
            "a.example, 192.0.2.64/26, 192.0.2.5-192.0.2.9"
        ),
        ("{address: any, id: b.example}", "any address"),
        ("{address: [any], id: b.example}", "any address"),
        ("{address: ['any'], id: b.example}", "any address"),
        ("{address: [\"%any\"], id: b.example}", "any address"), ("{id: b.example}", "any address"),
    ])
    func means(_ pair: (String, String)) throws {
        let text = Sample.tenLines.replacing("address: 192.0.2.1, ", with: "")
            .replacing("{address: 192.0.2.2, id: b.example}", with: pair.0)
        let result = read(text)
        #expect(result.diagnostics == [])
        #expect(result.configuration?.connections.first?.remoteAddressText == pair.1)
    }

    @Test func aNameAloneIsTheIdentityToo() throws {
        let connection = try #require(
            remote("{address: vpn.example}").configuration?.connections[0]
        )
        #expect(connection.remoteIdentity.value == .fullyQualifiedDomainName("vpn.example"))
        #expect(connection.canBegin && connection.onlyRemoteAddress == nil)
    }

    @Test func toARangeNothingIsBegun() throws {
        let connection = try #require(
            remote("{address: 192.0.2.0/28, id: b.example}").configuration?.connections[0]
        )
        #expect(!connection.canBegin && connection.tunnels[0].start.value == .byHand)
        #expect(connection.tunnels[0].onLoss.value == .clear)
    }

    @Test(arguments: [
        Expected(
            "{address: 192.0.2.300, id: b}",
            4,
            23,
            "neither an address nor a host name",
            hint: "vpn"
        ),
        Expected("{address: \"-x.example\", id: b}", 4, 23, "neither an address nor", hint: "vpn"),
        Expected("{address: 192.0.2.5/24, id: b}", 4, 23, "no network", hint: "192.0.2.0/24"),
        Expected("{address: 192.0.2.9-192.0.2.5, id: b}", 4, 23, "no range", hint: "lower"),
        Expected(
            "{address: [192.0.2.2, any], id: b}",
            4,
            35,
            "beside other addresses",
            hint: "alone"
        ),
        Expected("{address: [any, any], id: b}", 4, 24, "beside other addresses", hint: "alone"),
        Expected("{address: [[any, any]], id: b}", 4, 24, "is a list", hint: "single value"),
        Expected("{address: [any]}", 4, 13, "has any address and no id", hint: "id: any"),
        Expected(
            "{address: [192.0.2.2, 192.0.2.3]}",
            4,
            13,
            "several addresses and no id",
            hint: "id"
        ),
        Expected("{address: [192.0.2.2, 192.0.2.2], id: b}", 4, 35, "twice", hint: "remove"),
        Expected(
            "{address: [192.0.2.9, 192.0.2.1], id: b}",
            4,
            23,
            "are both 192.0.2.1",
            hint: "peer"
        ),
    ])
    func saysWhatIsWrong(_ expected: Expected) {
        let result = remote(expected.text)
        #expect(expected.isFound(in: result), "\(result.diagnostics)")
    }

    @Test func onLossComesFromTheTunnelTheConnectionOrTheStart() throws {
        func onLoss(_ connection: String, _ tunnel: String) throws -> TunnelConfiguration.OnLoss {
            var text = Sample.tenLines + "\n        " + tunnel
            if !connection.isEmpty {
                text = text.replacing("    tunnels:", with: "    \(connection)\n    tunnels:")
            }
            let result = read(text)
            #expect(result.diagnostics == [])
            return try #require(result.configuration?.connections[0].tunnels[0].onLoss.value)
        }
        #expect(try onLoss("", "start: at-boot") == .restart)
        #expect(try onLoss("", "start: on-traffic") == .trap)
        #expect(try onLoss("", "start: by-hand") == .clear)
        #expect(try onLoss("on-loss: clear", "start: at-boot") == .clear)
        #expect(try onLoss("on-loss: clear", "on-loss: restart") == .restart)
    }

    @Test func whoCannotBeginCannotRestart() {
        let result = remote("{address: any, id: b.example}", lines: "on-loss: restart")
        let expected = Expected("", 10, 18, "peer's address is not known", hint: "remove it")
        #expect(expected.isFound(in: result), "\(result.diagnostics)")
    }
}
