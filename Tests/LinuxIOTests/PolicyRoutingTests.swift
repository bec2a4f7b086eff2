internal import Glibc
internal import IPsecPrimitives
internal import NamespaceTesting
internal import Testing

@testable internal import LinuxIO

/// Rules and routes where something is in the way.
@Suite("Policy routing", .enabled(if: NetworkNamespace.isAvailable))
struct PolicyRoutingTests {
    private static func plan(_ routes: [InterfaceRoute] = []) -> RoutingPlan {
        RoutingPlan(
            device: "cyg0",
            policies: ["10.1.0.0/16 10.2.0.0/16", "fd00:1::/64 fd00:2::/64"].map {
                let sides = $0.split(separator: " ")
                return TrafficPolicy(
                    .protect,
                    local: IPPrefix(sides[0])!,
                    remote: IPPrefix(sides[1])!
                )
            },
            interfaceRoutes: routes
        )
    }

    private static func expectRules(_ namespace: NetworkNamespace) throws {
        for (version, rule) in [
            ("-4", "from 10.1.0.0/16 to 10.2.0.0/16 lookup 4367"),
            ("-6", "from fd00:1::/64 to fd00:2::/64 lookup 4367"),
        ] {
            let rules = try namespace.run("ip \(version) rule show")
            #expect(rules.contains(rule), "\(rules)")
            let routes = try namespace.run("ip \(version) route show table 4367")
            #expect(routes.contains("unreachable default"), "\(routes)")
        }
    }

    /// To the kernel a rule that leads elsewhere is the rule that it has.
    @Test func exceptionsFollowThePoliciesThatTheyLeadPast() throws {
        let namespace = try NetworkNamespace("gw")
        func policy(_ action: TrafficPolicy.Action, _ local: String, _ remote: String)
            -> TrafficPolicy
        {
            TrafficPolicy(action, local: IPPrefix(local)!, remote: IPPrefix(remote)!)
        }
        let few = [
            policy(.protect, "10.1.0.0/16", "10.2.0.0/16"),
            policy(.prohibit, "10.1.0.0/16", "10.0.0.0/8"),
            policy(.prohibit, "0.0.0.0/0", "10.0.0.0/8"),
        ]
        let more = few + [policy(.prohibit, "10.0.0.0/8", "10.0.0.0/8")]
        for policies in [few, more, few] {
            let plan = RoutingPlan(device: "cyg0", policies: policies)
            let (first, second) = try namespace.perform {
                let network = try NetworkConfiguration()
                return (try network.apply(plan), try network.apply(plan))
            }
            #expect(first > 0)
            #expect(second == 0, "something was not as it should be")
        }
    }

    @Test(arguments: ["10.50.0.0/16", "fd00:50::/32"])
    func aRouteOfSomebodyElseStaysAndKeepsNoRuleOut(network: String) throws {
        let namespace = try NetworkNamespace("gw")
        let version = network.contains(":") ? "-6" : "-4"
        try namespace.run("ip link add lan0 type veth peer name lan1")
        try namespace.run("ip link set lan0 up")
        try namespace.run("ip link set lan1 up")
        try namespace.run("ip \(version) route add \(network) dev lan0 metric 50")
        let failure = try namespace.perform { () -> SystemCallFailure? in
            let network = InterfaceRoute(
                interface: "vti7",
                destination: IPPrefix(network)!,
                metric: 50
            )
            let configuration = try NetworkConfiguration()
            let device = try TUNDevice(name: "vti7")
            let shared = try TUNDevice(name: "cyg0")
            for name in ["vti7", "cyg0"] {
                try configuration.setLinkUp(name, mtu: 1400, queueLength: 100)
            }
            return try withExtendedLifetime((device, shared)) {
                var failure: SystemCallFailure?
                do throws(SystemCallFailure) {
                    try configuration.apply(Self.plan([network]))
                } catch {
                    failure = error
                }
                try Self.expectRules(namespace)
                for version in ["-4", "-6"] {
                    let routes = try namespace.run("ip \(version) route show table 4367")
                    #expect(routes.contains("default dev cyg0"), "\(routes)")
                }
                return failure
            }
        }
        #expect(failure?.errorNumber == EEXIST)
        #expect(failure?.remedy.contains("route-metric") == true)
        let routes = try namespace.run("ip \(version) route show \(network)")
        #expect(routes.contains("dev lan0") && !routes.contains("vti7"), "\(routes)")
        #expect(routes.contains("unreachable"), "\(routes)")
    }

    /// A device that is down takes no routes; what is meant for it is unreachable until it is up.
    @Test func aDeviceThatIsDownIsAsNone() throws {
        let namespace = try NetworkNamespace("gw")
        try namespace.perform {
            let network = try NetworkConfiguration()
            let device = try TUNDevice(name: "cyg0")
            let plan = Self.plan([
                InterfaceRoute(interface: "cyg0", destination: IPPrefix("10.5.0.0/16")!, metric: 5)
            ])
            try withExtendedLifetime(device) {
                try network.apply(plan)
                try Self.expectRules(namespace)
                #expect(try network.apply(plan) == 0)
                try network.setLinkUp("cyg0", mtu: 1400, queueLength: 100)
                #expect(try network.apply(plan) == 3)
                #expect(try namespace.run("ip route show 10.5.0.0/16").contains("dev cyg0"))
            }
        }
    }

    @Test func aDeviceWithoutIPv6IsNoFailure() throws {
        let namespace = try NetworkNamespace("gw")
        try namespace.run("sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
        try namespace.perform {
            let network = try NetworkConfiguration()
            let device = try TUNDevice(name: "cyg0")
            try network.setLinkUp("cyg0", mtu: 1400, queueLength: 100)
            try withExtendedLifetime(device) {
                try network.apply(Self.plan())
                try Self.expectRules(namespace)
                #expect(try namespace.run("ip route show table 4367").contains("dev cyg0"))
                #expect(try network.apply(Self.plan()) == 0)
            }
        }
    }

    /// Booted with `ipv6.disable=1`, which no namespace can be.
    @Test func aKernelWithoutIPv6GetsTheRest() throws {
        let kernel = KernelWithoutIPv6()
        let network = NetworkConfiguration(kernel)
        #expect(!network.lacksIPv6)
        try network.apply(Self.plan())
        #expect(network.lacksIPv6)
        #expect(kernel.accepted.contains(NetlinkConstant.newRule))
        #expect(kernel.accepted.contains(NetlinkConstant.newRoute))
        let loopback = NetworkConfiguration(kernel)
        try loopback.addAddress(IPAddress("fd00::1")!, prefixLength: 128, to: "lo")
        #expect(loopback.lacksIPv6)
    }
}

/// What a kernel answers that was booted without IPv6 (lib/fib_rules.c, net/core/rtnetlink.c).
private final class KernelWithoutIPv6: NetlinkRequests {
    private(set) var accepted: [UInt16] = []

    func request(
        _ type: UInt16,
        flags: UInt16,
        _ body: NetlinkEncoder,
        what: String
    ) throws(SystemCallFailure) -> [NetlinkMessage] {
        guard body.bytes.first == IPVersion.v6.addressFamily else {
            accepted.append(type)
            return []
        }
        let isRule = type == NetlinkConstant.newRule || type == NetlinkConstant.getRule
        throw SystemCallFailure(
            call: what,
            errorNumber: isRule ? EAFNOSUPPORT : EOPNOTSUPP,
            remedy: ""
        )
    }
}
