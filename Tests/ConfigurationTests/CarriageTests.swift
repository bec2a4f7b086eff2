import IPsecPrimitives
import Testing

@testable import Configuration

@Suite("How tunnels carry their packets")
struct CarriageTests {
    private func result(
        _ lines: [String],
        connectionLines: [String] = [],
        gatewayLines: [String] = [],
        ability: PacketPathAbility = .everything
    ) -> ConfigurationResult {
        let gateway = gatewayLines.isEmpty ? [] : ["gateway:"] + gatewayLines.map { "  \($0)" }
        let text =
            gateway + [
                "connections:", "  site:", "    local: {address: 192.0.2.1, id: a.example}",
                "    remote: {address: 192.0.2.2, id: b.example}", "    secret-file: site.secret",
            ] + connectionLines.map { "    \($0)" } + ["    tunnels:", "      net:"]
            + lines.map { "        \($0)" }
        return GatewayConfiguration.read(
            Array((text.joined(separator: "\n") + "\n").utf8),
            file: "a.yaml",
            carriedBy: ability
        )
    }

    private let networks = ["local: 10.1.0.0/16", "remote: 10.2.0.0/16"]

    @Test func everythingIsRead() throws {
        let read = result(
            networks + [
                "ah-proposals: [sha512-x25519, sha256-noesn]",
                "tfc-padding: refuse", "later-fragments: true",
                "sa-per: [remote-address, remote-port]",
                "fragmentation: after",
            ]
        )
        #expect(read.diagnostics == [])
        let tunnel = try #require(read.configuration?.connections[0].tunnels[0])
        #expect(tunnel.espProposals.isEmpty)
        #expect(
            tunnel.carriage.ahProposals.map(\.value.description) == [
                "sha512-x25519-esn-noesn", "sha256-noesn",
            ]
        )
        #expect(tunnel.carriage.ahProposals.allSatisfy { $0.value.securityProtocol == .ah })
        #expect(tunnel.carriage.padding.value == .refuse)
        #expect(tunnel.carriage.laterFragments.value)
        #expect(tunnel.carriage.populated.value == [.remoteAddress, .ipProtocol, .remotePort])
        #expect(tunnel.carriage.fragmentation.value == .after)
    }

    @Test func bothProtocolsWhereBothAreNamed() throws {
        let read = result(networks + ["ah-proposals: sha256", "esp-proposals: aes128gcm16"])
        let tunnel = try #require(read.configuration?.connections[0].tunnels[0])
        #expect(tunnel.espProposals.count == 1 && tunnel.carriage.ahProposals.count == 1)
    }

    @Test(
        "what the packet path does not carry is refused, with its line",
        arguments: [
            (
                "compression: lzs", "compression by lzs", "write `compression: deflate`, or off"
            ),
            (
                "later-fragments: true", "later fragments by the SA of the first",
                "remove later-fragments; selectors without ports cover them anyway"
            ),
        ]
    )
    func refused(line: String, what: String, hint: String) {
        let ends = ["local: 192.0.2.1", "remote: 192.0.2.2"]
        var ability = PacketPathAbility.userspace
        ability.laterFragments = false
        let read = result(ends + [line], ability: ability)
        #expect(read.configuration == nil)
        #expect(
            read.errors.map(\.message) == [
                "tunnel \"site/net\" wants \(what), which this gateway negotiates but does not "
                    + "carry"
            ]
        )
        #expect(read.errors.first?.location.line == 10)
        #expect(read.errors.first?.hint == hint)
        #expect(result(ends + [line]).diagnostics == [])
    }

    @Test func compression() throws {
        let all = result(networks + ["compression: [lzs, deflate]"])
        let tunnel = try #require(all.configuration?.connections[0].tunnels[0])
        #expect(tunnel.carriage.compression.map(\.value) == [.lzs, .deflate])
        let deflate = result(networks + ["compression: deflate"], ability: .userspace)
        #expect(deflate.diagnostics == [])
        let withAH = result(networks + ["compression: deflate", "ah-proposals: sha256"])
        #expect(withAH.errors.map(\.location.line) == [10])
        #expect(withAH.errors.first?.hint.contains("line 11") == true)
    }

    @Test func whatForbidsFragmentsForbidsThemBehindESP() {
        let read = result(networks + ["df: set", "fragmentation: after"])
        #expect(read.errors.map(\.location.line) == [11])
        #expect(read.errors.first?.hint.contains("df: copy") == true)
        let floor = GatewayConfiguration.read(
            Array("gateway: {link-mtu: 1400, path-mtu-floor: 1401}\n".utf8),
            file: "a.yaml"
        )
        #expect(floor.errors.contains { $0.message.contains("above link-mtu (1400)") })
    }

    @Test func laterFragmentsAreCarried() {
        let read = result(networks + ["later-fragments: true"], ability: .userspace)
        #expect(read.diagnostics == [])
    }

    @Test func addressesOfTheInside() throws {
        let lines = [
            "request-address: [ipv6, ipv4]",
            "assign: {addresses: [10.2.0.5, 10.2.0.6], dns: 10.1.0.53, domains: in.example,",
            "  subnets: [10.1.0.0/16], required: true}",
        ]
        let read = result(networks, connectionLines: lines)
        #expect(read.diagnostics == [])
        let inside = try #require(read.configuration?.connections[0].internalAddresses)
        #expect(inside.requested.map(\.value) == [.ipv6, .ipv4])
        let assignment = try #require(inside.assignment)
        #expect(assignment.addresses.map(\.value.description) == ["10.2.0.5", "10.2.0.6"])
        #expect(assignment.nameServers.map(\.value.description) == ["10.1.0.53"])
        #expect(assignment.domains.map(\.value) == ["in.example"])
        #expect(assignment.networks.map(\.value.description) == ["10.1.0.0/16"])
        #expect(assignment.isRequired.value)
        let refused = result(networks, connectionLines: lines, ability: .userspace)
        #expect(refused.errors.map(\.location.line) == [6])
    }

    @Test(
        "addresses of the inside that cannot be",
        arguments: [
            ("assign: {dns: 10.1.0.53}", "has no \"addresses\""),
            ("assign: {addresses: 10.9.0.5}", "no tunnel of connection \"site\" has 10.9.0.5"),
            ("assign: {addresses: 10.2.0.5, domains: \"a b\"}", "is not a domain"),
            ("assign: {addresses: 10.2.0.5, subnets: 10.1.0.1-10.1.0.9}", "is not one network"),
            ("request-address: ipv5", "ipv5"),
        ]
    )
    func wrongInside(line: String, message: String) {
        let read = result(networks, connectionLines: [line])
        #expect(read.errors.count == 1)
        #expect(read.errors.first?.message.contains(message) == true, "\(read.errors)")
    }

    @Test func theOrdinaryIsCarried() {
        let read = result(
            networks + ["mode: tunnel", "compression: off", "tfc-padding: refuse", "resources: 8"],
            ability: .userspace
        )
        #expect(read.diagnostics == [])
    }

    @Test(
        "an SA is spread where threads are there for it",
        arguments: [
            ("cipher-threads: 2", ["spread: true"], nil),
            ("cipher-threads: 0", ["spread: true"], "no threads are there to help"),
            ("workers: 1", ["spread: true"], "no threads are there to help"),
            ("cipher-threads: 2", ["spread: true", "ah-proposals: sha256"], "goes by AH"),
            ("cipher-threads: 2", ["spread: false"], "no tunnel is spread"),
            ("cipher-threads: 0", ["spread: false"], nil),
        ] as [(String, [String], String?)]
    )
    func spread(gateway: String, lines: [String], warning: String?) throws {
        let read = result(networks + lines, gatewayLines: [gateway])
        #expect(read.errors == [])
        #expect(read.diagnostics.count == (warning == nil ? 0 : 1), "\(read.diagnostics)")
        if let warning { #expect(read.diagnostics.first?.message.contains(warning) == true) }
        let tunnel = try #require(read.configuration?.connections.first?.tunnels.first)
        #expect(tunnel.carriage.isSpread.value == lines.contains("spread: true"))
    }

    @Test func transportModeNeedsTheEnds() {
        let read = result(networks + ["mode: transport"])
        #expect(read.errors.count == 2)
        #expect(read.errors.first?.message.contains("leaves out 192.0.2.1") == true)
    }

    @Test(
        "what makes no sense is an error",
        arguments: [
            (["sa-per: local-address", "start: at-boot"], [String](), "no packet to name one"),
            (["sa-per: [protocol]", "resources: 2"], [], "several SAs of the same traffic"),
            (["sa-per: port"], [], "port"), (["sa-per-pair: true"], [], "sa-per-pair"),
            (["ah-proposals: sha256"], ["encapsulation: udp"], "AH cannot travel in UDP"),
            (["ah-proposals: aes128gcm16"], [], "is no proposal for AH"),
            (["ah-proposals: x25519"], [], "has no integrity algorithm"),
            (["ah-proposals: sha1"], [], "sha1"), (["resources: 65"], [], "65"),
            (["compression: gzip"], [], "gzip"), (["mode: transprot"], [], "transprot"),
        ]
    )
    func senseless(lines: [String], connectionLines: [String], message: String) {
        let read = result(networks + lines, connectionLines: connectionLines)
        #expect(read.errors.count == 1)
        #expect(read.errors.first?.message.contains(message) == true, "\(read.errors)")
    }
}
