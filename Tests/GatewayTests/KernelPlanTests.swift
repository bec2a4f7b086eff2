internal import Configuration
internal import Glibc
internal import IPsecPrimitives
internal import LinuxIO
internal import Testing

@testable internal import Gateway

/// A valid configuration with `policies` and `gateway` lines of the test's own.
func configuration(gateway: String = "", policies: String = "") throws -> GatewayConfiguration {
    let text = """
        gateway:
          interface: swan0
        \(gateway)
        connections:
          b:
            local: { address: 192.0.2.1, id: a.example }
            remote: { address: 192.0.2.2, id: b.example }
            secret-file: /dev/null
            tunnels:
              net:
                local: [10.1.0.0/16, "fd00:1::/64"]
                remote: [10.2.0.0/16, "fd00:2::/64"]
        \(policies)
        """
    let result = GatewayConfiguration.read(Array(text.utf8), file: "test.yaml")
    return try #require(result.configuration, "\(result.diagnostics)")
}

/// One whose tunnel has an interface, and no policy; whatever is not routed there is discarded.
func routeBasedConfiguration(routes: String = "10.50.0.0/16") throws -> GatewayConfiguration {
    let text = """
        gateway: {default-policy: discard}
        connections:
          c:
            local: { address: 192.0.2.1, id: a.example }
            remote: { address: 192.0.2.2, id: b.example }
            secret-file: /dev/null
            tunnels:
              all:
                interface: cloud1
                routes: [\(routes)]
        """
    let result = GatewayConfiguration.read(Array(text.utf8), file: "test.yaml")
    return try #require(result.configuration, "\(result.diagnostics)")
}

@Suite struct KernelPlanTests {
    @Test func eachPairOfNetworksIsOnePolicyInOrder() throws {
        let plans = KernelPlans(try configuration(), localAddresses: [IPAddress("10.1.0.1")!])
        #expect(
            plans.routing.policies.map(\.local.description) == ["10.1.0.0/16", "fd00:1::/64"]
        )
        #expect(plans.routing.policies.map(\.action) == [.protect, .protect])
        // Only an address inside the local network may be the source of our own packets.
        #expect(
            plans.routing.policies.map(\.preferredSource) == [IPAddress("10.1.0.1"), nil]
        )
        #expect(plans.routing.device == "swan0")
        #expect(plans.packetGuard.policies.map(\.remote) == plans.routing.policies.map(\.remote))
        #expect(plans.packetGuard.mark == plans.routing.mark)
    }

    @Test func bypassBeforeProtectStaysBefore() throws {
        let policies = """
            policies:
              - bypass: { local: 10.1.0.0/16, remote: 10.2.0.5, protocol: tcp, remote-port: 22 }
            """
        let plans = KernelPlans(try configuration(policies: policies), localAddresses: [])
        let first = try #require(plans.routing.policies.first)
        #expect(first.action == .bypass)
        #expect(first.ipProtocol == 6)
        #expect(first.remotePorts == PortRange(22))
        #expect(plans.routing.policies.count == 3)
    }

    @Test func aDefaultOfDiscardProhibitsTheRest() throws {
        let plans = KernelPlans(
            try configuration(gateway: "  default-policy: discard"),
            localAddresses: []
        )
        #expect(plans.routing.policies.suffix(2).map(\.action) == [.prohibit, .prohibit])
        #expect(plans.routing.policies.last?.remote.length == 0)
    }

    @Test func aPolicyThatDiscardsEverythingIsTheRest() throws {
        let policies = """
            policies:
              - protect: b/net
              - discard: {}
              - bypass: { remote: 192.0.2.0/24 }
            """
        let plans = KernelPlans(try configuration(policies: policies), localAddresses: [])
        let byDefault = KernelPlans(
            try configuration(gateway: "  default-policy: discard"),
            localAddresses: []
        )
        #expect(plans.packetGuard == byDefault.packetGuard)
        #expect(plans.routing.policies == byDefault.routing.policies)
        // What stands before it counts.
        let before = KernelPlans(
            try configuration(policies: "policies: [bypass: {remote: 192.0.2.0/24}, discard: {}]"),
            localAddresses: []
        )
        #expect(before.packetGuard.policies.map(\.action) == [.bypass])
    }

    @Test func connectionsByTCPArePlannedWhereOneMayBe() throws {
        #expect(
            KernelPlans(try configuration(), localAddresses: []).packetGuard.streamPorts.isEmpty
        )
    }

    // The default proposals end with AES-CBC and HMAC-SHA2-512, over IPv4 and perhaps UDP:
    // 1500 - 20 - 8 - 8 (ESP) - 16 (IV) - 32 (ICV) = 1416, in blocks of 16, less the trailer.
    @Test func theDeviceTakesWhatEverySuiteCarries() throws {
        #expect(TunnelDeviceMTU.octets(for: try configuration()) == 1406)
        #expect(TunnelDeviceMTU.octets(for: try configuration(gateway: "  mtu: 1400")) == 1400)
    }

    @Test func neverBelowWhatIPv6Needs() throws {
        let small = try configuration(gateway: "  link-mtu: 1300")
        #expect(TunnelDeviceMTU.octets(for: small) == 1280)
    }
}

@Suite struct LastGoodConfigurationTests {
    @Test func eachFileHasACopyOfItsOwn() {
        let one = LastGoodConfiguration.path(for: "/etc/cygnet/a.yaml")
        #expect(one == LastGoodConfiguration.directory + "/%2Fetc%2Fcygnet%2Fa.yaml")
        #expect(one != LastGoodConfiguration.path(for: "/etc/cygnet%2Fa.yaml"))
        #expect(LastGoodConfiguration.path(for: "a.yaml").hasSuffix("%2Fa.yaml"))
    }

    @Test func keepsAndLoads() {
        let directory = "/tmp/cygnet-last-good-\(UInt64.random(in: 0 ..< .max))"
        let path = directory + "/copy.yaml"
        defer {
            _ = unsafe unlink(path)
            _ = unsafe rmdir(directory)
        }
        #expect(LastGoodConfiguration.load(from: path) == nil)
        #expect(LastGoodConfiguration.keep([1, 2, 3], at: path))
        #expect(LastGoodConfiguration.keep([4, 5], at: path))
        #expect(LastGoodConfiguration.load(from: path) == [4, 5])
        #expect(!LastGoodConfiguration.keep([1], at: "/proc/nowhere/copy.yaml"))
    }

    @Test func writesThroughNoDraftThatIsThere() {
        let directory = "/tmp/cygnet-last-good-\(UInt64.random(in: 0 ..< .max))"
        let (path, draft) = (directory + "/copy.yaml", directory + "/copy.yaml.new")
        let target = directory + "/target"
        defer { for file in [path, draft, target] { _ = unsafe unlink(file) } }
        #expect(LastGoodConfiguration.keep([1], at: target))
        #expect(unsafe symlink(target, draft) == 0)
        #expect(LastGoodConfiguration.keep([2, 3], at: path))
        #expect(LastGoodConfiguration.load(from: target) == [1])
        #expect(LastGoodConfiguration.load(from: path) == [2, 3])
        var status = stat()
        #expect(unsafe lstat(path, &status) == 0 && status.st_mode == S_IFREG | 0o600)
    }

    @Test func saysWhatItMeansThatItCannotBeKept() {
        let path = "/tmp/cygnet-last-good-\(UInt64.random(in: 0 ..< .max))"
        defer { _ = unsafe unlink(path) }
        func warning(at path: String) -> String? {
            LastGoodConfiguration.warning(keeping: [1], of: "/etc/a.yaml", at: path)
        }
        #expect(warning(at: path) == nil)
        let text = warning(at: path + "/copy.yaml")
        #expect(text?.hasPrefix("warning: /etc/a.yaml cannot be kept as \(path)/copy.yaml") == true)
        #expect(text?.contains("of an older one, or none") == true)
    }

    @Test func routesAndInterfacesArePlannedWithoutRules() throws {
        let plans = KernelPlans(try routeBasedConfiguration(), localAddresses: [])
        #expect(plans.routing.policies == [])
        #expect(plans.routing.interfaceRoutes.map(\.destination.description) == ["10.50.0.0/16"])
        #expect(plans.packetGuard.policies == [])
        #expect(plans.packetGuard.tunnelInterfaces == ["cloud1"])
        #expect(plans.packetGuard.remainder.map(\.action) == [.prohibit, .prohibit])
        let rules = plans.packetGuard.ruleset().split(separator: "\n").map {
            $0.drop { $0 == " " }
        }
        let passes = try #require(
            rules.firstIndex { $0.hasPrefix("oifname { \"cloud1\" } return") }
        )
        let drops = try #require(
            rules.firstIndex { $0.hasPrefix("meta nfproto ipv4 counter drop") }
        )
        #expect(passes < drops)
        #expect(rules.contains { $0.hasPrefix("oifname { \"cloud1\" } meta mark &") })
    }
}
