import Configuration
import IPsecPrimitives
import PacketProtection
import Testing

@testable import ConnectionControl

@Suite("Names of policies and devices")
struct PolicyNumberingTests {
    private func configuration(_ tunnels: [String]) throws -> GatewayConfiguration {
        let text =
            "connections:\n"
            + tunnels.enumerated().map { number, lines in
                """
                  c\(lines.split(separator: " ")[0]):
                    local: {address: 192.0.2.1, id: a.example}
                    remote: {address: 192.0.2.2, id: b\(number).example}
                    secret-file: a.secret
                    tunnels: {net: {\(lines.split(separator: " ", maxSplits: 1)[1])}}

                """
            }.joined()
        let result = GatewayConfiguration.read(Array(text.utf8), file: "a.yaml")
        return try #require(result.configuration, "\(result.diagnostics)")
    }

    private func device(_ name: String, _ numbering: PolicyNumbering) -> UInt16? {
        numbering.deviceOfTunnel[TunnelPath(connection: "c" + name, tunnel: "net")]?.rawValue
    }

    @Test func eachRouteBasedTunnelHasADeviceThatItKeeps() throws {
        var numbering = PolicyNumbering()
        let entries = numbering.number(
            try configuration([
                "a interface: one", "p local: 10.1.0.0/16, remote: 10.2.0.0/16", "b interface: two",
            ])
        )
        #expect(entries.map(\.device.rawValue) == [0, 0, 1, 2])
        #expect(numbering.placeOfTunnel.count == 1)
        #expect(device("p", numbering) == nil)
        // Its name of the interface may change; the number of one that is gone is not used at once.
        _ = numbering.number(try configuration(["b interface: other", "c interface: three"]))
        #expect(device("b", numbering) == 2 && device("c", numbering) == 3)
        _ = numbering.number(
            try configuration(["b interface: other", "c interface: three", "d interface: four"])
        )
        #expect(device("d", numbering) == 1)
        // By policies again: the policy's name stays, so that SAs in place are its own.
        let path = TunnelPath(connection: "cb", tunnel: "net")
        let name = numbering.policyOfTunnel[path]
        let plain = numbering.number(
            try configuration(["b local: 10.1.0.0/16, remote: 10.2.0.0/16"])
        )
        #expect(numbering.policyOfTunnel[path] == name && plain[0].identifier == name)
        #expect(plain.allSatisfy { $0.device == .shared } && device("b", numbering) == nil)
    }
}
