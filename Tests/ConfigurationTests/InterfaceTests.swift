import IPsecPrimitives
import Testing

@testable import Configuration

@Suite("Tunnels by an interface")
struct InterfaceTests {
    /// A connection with a tunnel of these lines, which begin in line 7, column 9.
    private func connection(_ name: String, _ lines: [String]) -> [String] {
        [
            "  \(name):", "    local: {address: 192.0.2.1, id: a.example}",
            "    remote: {address: 192.0.2.2, id: \(name).example}",
            "    secret-file: site.secret", "    tunnels:",
            "      net:",
        ] + lines.map { "        \($0)" }
    }

    private func result(
        _ tunnels: [[String]],
        _ more: [String] = [],
        ability: PacketPathAbility = .userspace
    ) -> ConfigurationResult {
        let lines = tunnels.enumerated().flatMap { connection("c\($0.offset)", $0.element) }
        let text = (["connections:"] + lines + more).joined(separator: "\n") + "\n"
        return GatewayConfiguration.read(Array(text.utf8), file: "a.yaml", carriedBy: ability)
    }

    @Test func everythingIsRead() throws {
        let read = result([
            [
                "interface: cloud1", "addresses: [169.254.10.2/30, \"fe80::2/64\", 10.9.0.1]",
                "routes: [10.50.0.0/16, \"fd00:50::/32\"]", "route-metric: 50",
            ]
        ])
        #expect(read.diagnostics == [])
        let tunnel = try #require(read.configuration?.routeBasedTunnels.first)
        let interface = try #require(tunnel.interface)
        #expect(interface.name.value == "cloud1")
        #expect(
            interface.addresses.map(\.value.description) == [
                "169.254.10.2/30", "fe80::2/64", "10.9.0.1/32",
            ]
        )
        #expect(interface.routes.map(\.value.description) == ["10.50.0.0/16", "fd00:50::/32"])
        #expect(interface.routeMetric.value == 50)
        #expect(tunnel.local.map(\.value) == [.everything(.v4), .everything(.v6)])
        #expect(tunnel.remote.map(\.value) == [.everything(.v4), .everything(.v6)])
    }

    @Test func twoThatCarryEverythingAreNoPolicies() throws {
        let read = result([["interface: one"], ["interface: two"]])
        #expect(read.diagnostics == [])
        #expect(read.configuration?.policies == [])
        #expect(read.configuration?.routeBasedTunnels.count == 2)
    }

    @Test func whatCannotBeIsRefusedWithLineAndRemedy() {
        let cases: [(ConfigurationResult, Int, String, String)] = [
            (result([["interface: cygnet0"]]), 8, "the gateway's own", "name of its own"),
            (result([["interface: lo"]]), 8, "loopback", "choose a name"),
            (result([["interface: much-too-long-a-name"]]), 8, "device's name", "1 to 15"),
            (result([["interface: a/b"]]), 8, "device's name", "1 to 15"),
            (
                result([["interface: one"], ["interface: one"]]), 15, "that of tunnel \"c0/net\"",
                "line 8"
            ),
            (
                result([["local: 10.1.0.0/16", "remote: 10.2.0.0/16", "routes: 10.3.0.0/16"]]), 10,
                "needs an interface", "interface: c0"
            ),
            (
                result([["interface: one", "addresses: 10.0.0.1/33"]]), 9, "prefix length",
                "169.254.10.2/30"
            ),
            (result([["interface: one", "routes: 10.0.0.1/8"]]), 9, "not a network", "behind"),
            (
                result([
                    ["interface: one", "routes: 10.5.0.0/16"],
                    ["interface: two", "routes: 10.5.0.0/16"],
                ]), 17, "metric 100", "another route-metric"
            ),
            (
                result([
                    [
                        "interface: one", "local: 0.0.0.0/0", "remote: 0.0.0.0/0",
                        "routes: \"fd00::/16\"",
                    ]
                ]), 11, "carries no IPv6", "add networks"
            ),
            (
                result([["interface: one"]], ["policies:", "  - protect: c0/net"]), 10,
                "route-based", "remove the entry"
            ),
            (
                result([["interface: one", "mode: transport"]], ability: .everything), 9,
                "transport mode", "mode: tunnel"
            ),
        ]
        for (read, line, message, hint) in cases {
            let found = read.diagnostics.contains {
                $0.severity == .error && $0.location.line == line && $0.message.contains(message)
                    && $0.hint.contains(hint)
            }
            #expect(found, "\(line) \(message): \(read.diagnostics)")
        }
    }

    @Test func twoOfOnePeerThatCarryTheSameAreRefused() {
        let lines =
            connection("c", ["interface: one"]) + ["      other:", "        interface: two"]
        let text = (["connections:"] + lines).joined(separator: "\n") + "\n"
        let read = GatewayConfiguration.read(Array(text.utf8), file: "a.yaml")
        #expect(
            read.errors.contains {
                $0.location.line == 9 && $0.message.contains("carry the same")
                    && $0.hint.contains("connection of its own")
            },
            "\(read.diagnostics)"
        )
    }

    @Test func aRouteThatCoversThePeerIsWarnedOf() {
        let read = result([["interface: one", "routes: [10.5.0.0/16, 0.0.0.0/0]"]])
        #expect(
            read.warnings.map(\.location.line) == [9]
                && read.warnings[0].message.contains("0.0.0.0/0 covers the peer's own address")
                && read.warnings[0].hint.contains("ip route add 192.0.2.2"),
            "\(read.diagnostics)"
        )
    }

    @Test func aPolicyThatTakesEverythingIsWarnedOf() {
        let read = result([
            ["interface: one"],
            ["local: [0.0.0.0/0, \"::/0\"]", "remote: [0.0.0.0/0, \"::/0\"]"],
        ])
        #expect(
            read.warnings.contains { $0.message.contains("before the routing table") },
            "\(read.diagnostics)"
        )
    }

    @Test func otherMetricsAndOtherMadeFailover() {
        let read = result([
            ["interface: one", "routes: 10.5.0.0/16", "route-metric: 10"],
            ["interface: two", "routes: 10.5.0.0/16", "route-metric: 20"],
        ])
        #expect(read.diagnostics == [])
    }
}
