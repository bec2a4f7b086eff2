internal import IPsecPrimitives
internal import LinuxIO
internal import NamespaceTesting
internal import Testing

/// Interfaces of route-based tunnels in a namespace.
@Suite("Interfaces of tunnels", .enabled(if: NetworkNamespace.isAvailable))
struct TunnelInterfaceTests {
    private static func up(_ name: String, _ network: NetworkConfiguration) throws {
        try network.setTunnelInterfaceUp(name, mtu: 1400, queueLength: 100, hasLinkLocal: true)
    }

    @Test func oneThatLastsStaysWithItsRoutesUntilItIsRemoved() throws {
        let namespace = try NetworkNamespace("gw")
        let plan = RoutingPlan(
            device: "cyg0",
            policies: [],
            interfaceRoutes: [
                InterfaceRoute(
                    interface: "vti7",
                    destination: IPPrefix("10.50.0.0/16")!,
                    metric: 50
                ),
                InterfaceRoute(
                    interface: "vti7",
                    destination: IPPrefix("fd00:50::/32")!,
                    metric: 50
                ),
            ]
        )
        let seen = try namespace.perform { () -> [[TunnelInterface]] in
            let network = try NetworkConfiguration()
            let device = try TUNDevice(name: "vti7")
            try device.setLasting(true)
            try Self.up("vti7", network)
            try network.apply(plan)
            #expect(try network.apply(plan) == 0)
            let inUse = try network.tunnelInterfaces()
            // Not while somebody has it open.
            #expect(try network.removeUnusedTunnelInterfaces() == [])
            #expect(network.interfaceIndex("vti7").flatMap(network.interfaceName) == "vti7")
            return try withExtendedLifetime(device) { [inUse, try network.tunnelInterfaces()] }
        }
        #expect(seen[0].map(\.name) == ["vti7"] && seen[0][0].isInUse)
        for version in ["-4", "-6"] {
            let routes = try namespace.run("ip \(version) route show")
            #expect(routes.contains("dev vti7") && routes.contains("unreachable"), "\(routes)")
        }
        #expect(try namespace.run("ip -6 address show dev vti7").contains("fe80::"))
        try namespace.perform {
            let network = try NetworkConfiguration()
            #expect(try network.tunnelInterfaces().map(\.isInUse) == [false])
            #expect(try network.removeUnusedTunnelInterfaces(except: ["vti7"]) == [])
            // Another process takes it over as it is.
            let device = try TUNDevice(name: "vti7")
            #expect(try network.tunnelInterfaces().map(\.isInUse) == [true])
            withExtendedLifetime(device) {}
        }
        try namespace.perform {
            let network = try NetworkConfiguration()
            #expect(try network.removeUnusedTunnelInterfaces() == ["vti7"])
            #expect(try network.apply(plan) == 0)
            #expect(network.statistics(of: "vti7") == nil)
        }
        let routes = try namespace.run("ip route show")
        #expect(routes.contains("unreachable 10.50.0.0/16") && !routes.contains("vti7"))
        try namespace.perform { try NetworkConfiguration().withdraw() }
        #expect(try !namespace.run("ip route show").contains("10.50"))
    }

    @Test func addressesFollowWhatIsWantedAndSpareWhatOthersGave() throws {
        let namespace = try NetworkNamespace("gw")
        @Sendable func address(_ text: String, _ length: Int) -> LinkAddress {
            LinkAddress(address: IPAddress(text)!, prefixLength: length)
        }
        try namespace.perform {
            let device = try TUNDevice(name: "vti7")
            let network = try NetworkConfiguration()
            try device.setLasting(true)
            try Self.up("vti7", network)
            try network.setAddresses(
                [address("169.254.1.1", 30), address("fd00:fe::1", 64)],
                of: "vti7"
            )
        }
        try namespace.run("ip address add 10.77.0.1/24 dev vti7")
        try namespace.perform {
            let network = try NetworkConfiguration()
            try network.setAddresses([address("169.254.1.5", 30)], of: "vti7")
            try network.setAddresses([address("169.254.1.5", 30)], of: "vti7")
        }
        let text = try namespace.run("ip address show dev vti7")
        #expect(text.contains("169.254.1.5/30") && text.contains("10.77.0.1/24"))
        #expect(!text.contains("169.254.1.1/30") && !text.contains("fd00:fe::1"), "\(text)")
    }

    /// The kernel has an IPv6 address once a link, whatever its prefix.
    @Test func anAddressWhosePrefixGrowsOrShrinksStays() throws {
        let namespace = try NetworkNamespace("gw")
        let shown = try namespace.perform { () -> [[String]] in
            let device = try TUNDevice(name: "vti7")
            let network = try NetworkConfiguration()
            try Self.up("vti7", network)
            let shown = try ["fd00:fe::1/64", "fd00:fe::1/48", "169.254.1.1/30", "169.254.1.1/24"]
                .map { text in
                    let parts = text.split(separator: "/")
                    let wanted = LinkAddress(
                        address: IPAddress(String(parts[0]))!,
                        prefixLength: Int(parts[1])!
                    )
                    try network.setAddresses([wanted], of: "vti7")
                    return try namespace.run("ip -oneline address show dev vti7 scope global")
                        .split(separator: "\n").map { line in
                            line.split(separator: " ").first { $0.contains("/") }.map(String.init)
                                ?? ""
                        }
                }
            return withExtendedLifetime(device) { shown }
        }
        #expect(
            shown == [["fd00:fe::1/64"], ["fd00:fe::1/48"], ["169.254.1.1/30"], ["169.254.1.1/24"]]
        )
    }

    @Test func whatPassesIsCounted() throws {
        let namespace = try NetworkNamespace("gw")
        let counts = try namespace.perform { () -> LinkStatistics? in
            let device = try TUNDevice(name: "vti7")
            let network = try NetworkConfiguration()
            try Self.up("vti7", network)
            return withExtendedLifetime(device) { network.statistics(of: "vti7") }
        }
        #expect(counts?.received == 0 && counts?.receivedOctets == 0)
    }
}
