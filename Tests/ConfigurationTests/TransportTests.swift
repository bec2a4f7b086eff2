import Testing

@testable import Configuration

@Suite("Transport")
struct TransportTests {
    private func result(
        _ lines: String,
        gateway: String = "",
        tunnel: String = "start: by-hand",
        ability: PacketPathAbility = .everything
    ) -> ConfigurationResult {
        GatewayConfiguration.read(
            Array(
                """
                \(gateway)connections:
                  hotel:
                    local: {id: a.example}
                    remote: {address: 192.0.2.2, id: b.example}
                    secret-file: hotel.secret
                    \(lines)
                    tunnels:
                      net: {local: 10.1.0.0/16, remote: 10.2.0.0/16, \(tunnel)}

                """.utf8
            ),
            file: "hotel.yaml",
            carriedBy: ability
        )
    }

    @Test("UDP alone unless asked for")
    func defaults() throws {
        let connection = try #require(result("window: 1").configuration?.connections.first)
        #expect(connection.paths.transport.value == .udp)
        #expect(connection.paths.tcpPort.value == 4500)
        #expect(connection.paths.udpRetry.value == .seconds(600))
    }

    @Test("every key is read")
    func keys() throws {
        let read = result("transport: auto\n    tcp-port: 443\n    udp-retry: 1m")
        #expect(read.diagnostics.isEmpty)
        let paths = try #require(read.configuration?.connections.first?.paths)
        #expect(paths.transport.value == .automatic)
        #expect(paths.tcpPort.value == 443 && paths.udpRetry.value == .seconds(60))
    }

    @Test(
        "errors name the line and what would be right",
        arguments: [
            ("transport: tpc", "tcp"), ("transport: auto\n    tcp-port: 0", "1 to 65535"),
            ("transport: auto\n    udp-retry: 1s", "10s"),
        ]
    )
    func errors(lines: String, hint: String) throws {
        let read = result(lines)
        let error = try #require(read.errors.first)
        #expect((6...7).contains(error.location.line))
        #expect("\(error)".contains(hint))
    }

    @Test("what has no effect is said")
    func withoutEffect() {
        #expect(result("tcp-port: 443").warnings.count == 1)
        #expect(result("transport: tcp\n    udp-retry: 1m").warnings.count == 1)
    }

    @Test("tunnels are carried by TCP, and AH, which cannot be, is said: a warning or an error")
    func authenticationHeader() throws {
        #expect(result("transport: auto", ability: .userspace).diagnostics.isEmpty)
        #expect(result("transport: tcp", ability: .userspace).diagnostics.isEmpty)
        let header = "ah-proposals: sha256"
        #expect(result("transport: udp", tunnel: header).diagnostics.isEmpty)
        let automatic = result("transport: auto", tunnel: header)
        #expect(automatic.errors.isEmpty && automatic.warnings.count == 1)
        #expect(automatic.warnings.first?.location.line == 8)
        let only = result("transport: tcp", tunnel: header)
        #expect(only.errors.count == 1 && only.errors.first?.hint.contains("esp-proposals") == true)
    }

    @Test("ports to listen at")
    func ports() throws {
        func read(_ text: String) -> ConfigurationResult {
            result("window: 1", gateway: "gateway: {listen: {tcp-ports: \(text)}}\n")
        }
        #expect(read("[4500, 443]").configuration?.settings.tcpPorts == [4500, 443])
        #expect(read("[443, 443]").errors.count == 1)
        #expect(read("[0]").errors.count == 1)
    }
}
