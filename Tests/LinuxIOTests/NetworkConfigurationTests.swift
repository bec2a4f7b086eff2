internal import Glibc
internal import IPsecPrimitives
internal import LinuxIO
internal import NamespaceTesting
internal import Testing

/// Rules and routes in a namespace, read back by `ip`.
@Suite("Links, addresses, rules and routes", .enabled(if: NetworkNamespace.isAvailable))
struct NetworkConfigurationTests {
    private static func plan() -> RoutingPlan {
        RoutingPlan(
            device: "cyg0",
            policies: [
                TrafficPolicy(
                    .bypass,
                    local: IPPrefix("10.1.0.0/16")!,
                    remote: IPPrefix("10.2.9.0/24")!
                ),
                TrafficPolicy(
                    .protect,
                    local: IPPrefix("10.1.0.0/16")!,
                    remote: IPPrefix("10.2.0.0/16")!,
                    preferredSource: IPAddress("10.1.0.1")
                ),
                TrafficPolicy(
                    .protect,
                    local: IPPrefix("10.1.0.0/16")!,
                    remote: IPPrefix("0.0.0.0/0")!,
                    ipProtocol: 6,
                    remotePorts: PortRange(443)
                ),
                TrafficPolicy(
                    .prohibit,
                    local: IPPrefix("10.1.0.0/16")!,
                    remote: IPPrefix("10.3.0.0/16")!
                ),
                TrafficPolicy(
                    .protect,
                    local: IPPrefix("2001:db8:1::/48")!,
                    remote: IPPrefix("2001:db8:2::/48")!,
                    preferredSource: IPAddress("2001:db8:1::1")
                ),
            ]
        )
    }

    private func gateway() throws -> NetworkNamespace {
        let namespace = try NetworkNamespace("gw")
        try namespace.run("ip link add lan0 type veth peer name lan1")
        try namespace.run("ip link set lan0 up")
        try namespace.run("ip address add 10.1.0.1/16 dev lan0")
        try namespace.run("ip address add 2001:db8:1::1/48 dev lan0 nodad")
        return namespace
    }

    /// What another host was found to have is none of ours, though the kernel goes on showing it.
    @Test func anAddressThatAnotherHostHasIsNotLocal() throws {
        let (theirs, ours) = (try NetworkNamespace("theirs"), try NetworkNamespace("ours"))
        try NetworkNamespace.connect(theirs, "wan0", ours, "wan0")
        try theirs.run("ip address add 2001:db8::1/64 dev wan0 nodad")
        try ours.run("sysctl -qw net.ipv6.conf.all.accept_dad=1 net.ipv6.conf.wan0.accept_dad=1")
        try ours.run("ip address add 2001:db8::1/64 dev wan0")
        try ours.run("ip address add 2001:db8::2/64 dev wan0 nodad")
        var shown = ""
        for _ in 0..<100 where !shown.contains("dadfailed") {
            usleep(50_000)
            shown = try ours.run("ip -6 address show dev wan0")
        }
        try #require(shown.contains("dadfailed"), "\(shown)")
        let addresses = try ours.perform { try NetworkConfiguration().localAddresses() }
        #expect(addresses == [IPAddress("2001:db8::2")!])
    }

    @Test func plansAreAppliedOnceAndWithdrawnWhole() throws {
        let namespace = try gateway()
        let changes = try namespace.perform { () -> [Int] in
            let network = try NetworkConfiguration()
            let device = try TUNDevice(name: "cyg0")
            try network.setLinkUp("cyg0", mtu: 1400, queueLength: 1000)
            return try withExtendedLifetime(device) {
                [try network.apply(Self.plan()), try network.apply(Self.plan())]
            }
        }
        #expect(changes[0] > 10)
        #expect(changes[1] == 0)
        // The device is gone with its owner; what stays sends nothing in clear.
        let rules = try namespace.run("ip rule show")
        #expect(rules.contains("from 10.1.0.0/16 to 10.2.9.0/24 goto 32367"))
        #expect(rules.contains("from 10.1.0.0/16 to 10.2.0.0/16 lookup 4367"))
        #expect(rules.contains("from 10.1.0.0/16 ipproto tcp dport 443 lookup 4367"))
        #expect(rules.contains("from 10.1.0.0/16 to 10.3.0.0/16 prohibit"))
        #expect(rules.contains("from all fwmark 0xc1670000/0xffff0000 goto 32367"))
        #expect(rules.contains("from all fwmark 0xc1660000/0xffff0000 lookup 4367"))
        #expect(try namespace.run("ip route show table 4367").hasPrefix("unreachable default"))
        let ruleCount = rules.split(separator: "\n").count
        #expect(try namespace.perform { try NetworkConfiguration().apply(Self.plan()) } == 0)
        #expect(try namespace.run("ip rule show").split(separator: "\n").count == ruleCount)
        try namespace.perform { try NetworkConfiguration().withdraw() }
        #expect(try namespace.run("ip rule show").split(separator: "\n").count == 3)
        #expect(try namespace.run("ip -6 rule show").split(separator: "\n").count == 2)
        #expect(try namespace.run("ip route show table all proto 167").isEmpty)
    }

    /// The kernel's filter of sources is off where it can be, and loose, which takes an address,
    /// where it is strict elsewhere.
    @Test(arguments: [(0, 0), (1, 2), (2, 0)])
    func theDeviceTakesPacketsFromAnywhere(all: Int, device: Int) throws {
        let namespace = try gateway()
        try namespace.run("sysctl -qw net.ipv4.conf.all.rp_filter=\(all)")
        let (shown, filter, local) = try namespace.perform {
            () -> (String, String, [IPAddress]) in
            let network = try NetworkConfiguration()
            let tunnel = try TUNDevice(name: "cyg0")
            for _ in 0..<2 { try network.setLinkUp("cyg0", mtu: 1400, queueLength: 1000) }
            return try withExtendedLifetime(tunnel) {
                (
                    try namespace.run("ip -4 address show dev cyg0"),
                    try namespace.run("sysctl -n net.ipv4.conf.cyg0.rp_filter"),
                    try network.localAddresses()
                )
            }
        }
        #expect(filter.hasPrefix("\(device)"))
        #expect(shown.contains("inet 192.0.0.8/32 scope host"))
        #expect(!local.contains(IPAddress("192.0.0.8")!))
        #expect(local.contains(IPAddress("10.1.0.1")!))
    }

    /// A changed source replaces the route; the old one must not take the new one with it.
    @Test func aChangedSourceKeepsTheRoute() throws {
        let namespace = try gateway()
        try namespace.run("ip address add 10.1.0.2/16 dev lan0")
        try namespace.run("ip address add 2001:db8:1::2/48 dev lan0 nodad")
        try namespace.perform {
            let network = try NetworkConfiguration()
            let device = try TUNDevice(name: "cyg0")
            try network.setLinkUp("cyg0", mtu: 1400, queueLength: 1000)
            try withExtendedLifetime(device) {
                for host in ["1", "2", "9", "2"] {
                    var plan = Self.plan()
                    for index in plan.policies.indices {
                        guard plan.policies[index].preferredSource != nil else { continue }
                        let isV4 = plan.policies[index].version == .v4
                        plan.policies[index].preferredSource = IPAddress(
                            (isV4 ? "10.1.0." : "2001:db8:1::") + host
                        )
                    }
                    try network.apply(plan)
                    let v4 = try namespace.run("ip route show table 4367")
                    let v6 = try namespace.run("ip -6 route show table 4367")
                    #expect(v4.contains("10.2.0.0/16 dev cyg0"), "\(host): \(v4)")
                    #expect(v6.contains("2001:db8:2::/48 dev cyg0"), "\(host): \(v6)")
                    // No machine has .9: a source that is not there costs the hint alone.
                    #expect(v4.contains("src 10.1.0.\(host)") == (host != "9"), "\(v4)")
                }
            }
        }
    }

    @Test func highPrioritiesStayBeforeTheMainTable() throws {
        let namespace = try gateway()
        try namespace.perform {
            var plan = Self.plan()
            plan.firstPriority = 30_000
            try NetworkConfiguration().apply(plan)
        }
        let rules = try namespace.run("ip rule show")
        #expect(rules.contains("from 10.1.0.0/16 to 10.2.9.0/24 goto 32765"))
        // What is our own finds its way on.
        #expect(try namespace.run("ip route get 10.1.0.5 mark 0xc1670000").contains("dev lan0"))
    }

    @Test func theDeviceTakesPacketsFromAnywhere() throws {
        let namespace = try gateway()
        try namespace.run("sysctl -qw net.ipv4.conf.all.rp_filter=1")
        let filter = try namespace.perform {
            let device = try TUNDevice(name: "cyg0")
            try NetworkConfiguration().setLinkUp("cyg0", mtu: 1400, queueLength: 1000)
            return try withExtendedLifetime(device) {
                try namespace.run("sysctl -n net.ipv4.conf.cyg0.rp_filter")
            }
        }
        #expect(filter.hasPrefix("2"))
    }

    @Test func localSocketsTakeAnInnerSource() throws {
        let namespace = try gateway()
        try namespace.perform {
            let network = try NetworkConfiguration()
            let device = try TUNDevice(name: "cyg0")
            try network.setLinkUp("cyg0", mtu: 1400, queueLength: 1000)
            try network.apply(Self.plan())
            try withExtendedLifetime(device) {
                let v4 = try namespace.run("ip route get 10.2.0.5")
                #expect(v4.contains("dev cyg0") && v4.contains("src 10.1.0.1"))
                let v6 = try namespace.run("ip -6 route get 2001:db8:2::5")
                #expect(v6.contains("dev cyg0") && v6.contains("src 2001:db8:1::1"))
                #expect(!namespace.succeeds("ip route get 10.3.0.5 from 10.1.0.1"))
                // Our own packets stay out of the tunnel, here: out of any route.
                #expect(!namespace.succeeds("ip route get 10.2.0.5 mark 0xc1670000"))
                // An IPv6 socket with a source of its own is no business of the hint.
                #expect(!namespace.succeeds("ip -6 route get 2001:db8:2::5 from 2001:db8:9::1"))
            }
        }
    }

    @Test func aPolicyForEverythingLeavesTheLinkAlone() throws {
        let namespace = try gateway()
        try namespace.perform {
            let network = try NetworkConfiguration()
            let everything = IPPrefix("0.0.0.0/0")!
            try network.apply(
                RoutingPlan(
                    device: "cyg0",
                    policies: [TrafficPolicy(.protect, local: everything, remote: everything)]
                )
            )
        }
        #expect(try namespace.run("ip route get 127.0.0.1").contains("dev lo"))
        #expect(!namespace.succeeds("ip route get 8.8.8.8"))
        #expect(namespace.succeeds("ip route get 224.0.0.22 oif lan0"))
    }

    @Test func routesToPeersAreFound() throws {
        let namespace = try gateway()
        try namespace.run("ip route add 192.0.2.0/24 via 10.1.0.254 mtu 1280")
        let route = try namespace.perform {
            try NetworkConfiguration().route(to: IPAddress("192.0.2.7")!)
        }
        #expect(route?.source == IPAddress("10.1.0.1"))
        #expect(route?.gateway == IPAddress("10.1.0.254"))
        #expect(route?.mtu == 1280)
        let missing = try namespace.perform {
            try NetworkConfiguration().route(to: IPAddress("198.51.100.1")!)
        }
        #expect(missing == nil)
        let addresses = try namespace.perform { try NetworkConfiguration().localAddresses() }
        #expect(Set(addresses) == [IPAddress("10.1.0.1")!, IPAddress("2001:db8:1::1")!])
    }

    @Test func addressesAreGivenOnce() throws {
        let namespace = try gateway()
        try namespace.perform {
            let network = try NetworkConfiguration()
            for _ in 0..<2 {
                try network.addAddress(IPAddress("10.9.0.1")!, prefixLength: 32, to: "lan0")
                try network.addAddress(IPAddress("fd00::1")!, prefixLength: 128, to: "lan0")
            }
        }
        #expect(try namespace.run("ip address show dev lan0").contains("10.9.0.1/32"))
    }

    @Test func aMissingLinkIsOneSentenceWithARemedy() throws {
        let namespace = try gateway()
        try namespace.perform {
            let network = try NetworkConfiguration()
            do throws(SystemCallFailure) {
                try network.setLinkUp("nowhere0", mtu: 1400, queueLength: 10)
                Issue.record("a link that is not there came up")
            } catch {
                #expect(error.remedy == "Check that there is a network device nowhere0.")
            }
        }
    }

    @Test func aDeviceInUseIsOneSentenceWithARemedy() throws {
        let namespace = try gateway()
        try namespace.perform {
            let first = try TUNDevice(name: "cyg0")
            do throws(SystemCallFailure) {
                _ = try TUNDevice(name: first.name)
                Issue.record("two owners of one device")
            } catch {
                #expect(error.remedy.contains("Another process uses cyg0"))
            }
        }
    }
}
