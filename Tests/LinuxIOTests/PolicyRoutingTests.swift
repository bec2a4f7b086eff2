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

    /// To the kernel a wider rule is the narrower one that it has at the same priority.
    @Test(arguments: [TrafficPolicy.Action.protect, .prohibit, .bypass])
    func rulesBecomeWiderAndNarrower(action: TrafficPolicy.Action) throws {
        let namespace = try NetworkNamespace("gw")
        let sides: [[(String, String)]] = [
            [("10.1.0.0/16", "10.2.0.0/16"), ("fd00:1::/64", "fd00:2::/64")],
            [("0.0.0.0/0", "10.2.0.0/16"), ("::/0", "fd00:2::/64")],
            [("10.1.0.0/16", "0.0.0.0/0"), ("fd00:1::/64", "::/0")],
        ]
        for index in [0, 1, 0, 2, 1, 2, 0] {
            let policies = sides[index].map {
                TrafficPolicy(action, local: IPPrefix($0.0)!, remote: IPPrefix($0.1)!)
            }
            let plan = RoutingPlan(device: "cyg0", policies: policies)
            let wanted = try RoutingDerivation(plan, deviceIndex: nil).rules.count
            let (first, second, count) = try namespace.perform {
                let network = try NetworkConfiguration()
                let changes = (try network.apply(plan), try network.apply(plan))
                return (changes.0, changes.1, try network.ownRules().count)
            }
            #expect(first > 0)
            #expect(second == 0 && count == wanted, "\(index): \(second), \(count) of \(wanted)")
        }
    }

    /// Routes that others have in their place keep no old rule alive.
    @Test func aRouteInTheWayLeavesNoRuleBehind() throws {
        let namespace = try NetworkNamespace("gw")
        try namespace.run("ip route add unreachable 10.50.0.0/16 metric 4278198272")
        let routes = [
            InterfaceRoute(interface: "none", destination: IPPrefix("10.50.0.0/16")!, metric: 7)
        ]
        let without = RoutingPlan(
            device: "cyg0",
            policies: [
                TrafficPolicy(
                    .protect,
                    local: IPPrefix("10.9.0.0/16")!,
                    remote: IPPrefix("10.8.0.0/16")!
                )
            ],
            interfaceRoutes: routes
        )
        try namespace.perform {
            let network = try NetworkConfiguration()
            try network.apply(Self.plan(routes), toleratesConflicts: true)
            try network.apply(without, toleratesConflicts: true)
        }
        let rules = try namespace.run("ip rule show")
        #expect(rules.contains("10.9.0.0/16") && !rules.contains("10.1.0.0/16"), "\(rules)")
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

    /// What the first list of rules lacks may stand in the place of a wider one all the same.
    @Test func aRuleThatWasNotShownMakesPlace() throws {
        let kernel = KernelThatHidesARule()
        let network = NetworkConfiguration(kernel)
        let plan = RoutingPlan(
            device: "cyg0",
            policies: [
                TrafficPolicy(
                    .prohibit,
                    local: IPPrefix("10.1.0.0/16")!,
                    remote: IPPrefix("10.3.0.0/16")!
                )
            ]
        )
        let rules = try RoutingDerivation(plan, deviceIndex: nil).rules
        kernel.hidden = rules.first { $0.action == .prohibit }
        kernel.hidden?.inputInterface = "eth0"
        #expect(try network.apply(plan) > 0)
        #expect(kernel.deleted == 1 && kernel.hidden == nil)
    }

    /// Built without CONFIG_IPV6_MULTIPLE_TABLES: packets pass, and no rule keeps them in.
    @Test func aKernelWithoutRulesOfIPv6IsToldOf() throws {
        let kernel = KernelWithoutIPv6(speaksIPv6: true)
        let network = NetworkConfiguration(kernel)
        do {
            try network.apply(Self.plan())
            Issue.record("nothing keeps IPv6 in")
        } catch {
            #expect(error.remedy.contains("CONFIG_IPV6_MULTIPLE_TABLES"))
        }
        #expect(!network.lacksIPv6)
        #expect(kernel.accepted.contains(NetlinkConstant.newRule))
    }

    /// Who changes rules of his own while the kernel lists ours hides some of them: none is missing.
    @Test func aListThatOthersChangeShowsNoDamage() throws {
        let namespace = try NetworkNamespace("gw")
        let policies = (0..<600).map { number in
            TrafficPolicy(
                .protect,
                local: IPPrefix("10.1.0.0/16")!,
                remote: IPPrefix("10.\(2 + number / 250).\(number % 250).0/24")!
            )
        }
        let plan = RoutingPlan(device: "cyg0", policies: policies)
        let network = try namespace.perform { try Network() }
        try network.configuration.apply(plan)
        let wanted = try network.configuration.ownRules().count
        let churn = "for i in 1 2 3 4 5 6 7 8 9; do echo rule $change priority 7 to 10.0.0.$i; done"
        let others = try BackgroundCommand([
            "ip", "netns", "exec", namespace.name, "bash", "-c",
            "exec ip -force -batch <(while :; do for change in add del; do \(churn); sleep 0.005; done; done "
                + "2>/dev/null) >/dev/null 2>&1",
        ])
        defer { others.stop() }
        try Retry.until(seconds: 5) {
            let rules = try namespace.run("ip rule show")
            if !rules.contains("7:") { throw ShellFailure(command: "ip rule", output: rules) }
        }
        for _ in 0..<300 {
            let changes = try network.configuration.apply(plan)
            #expect(changes == 0)
            if changes != 0 { break }
        }
        others.stop()
        #expect(try network.configuration.ownRules().count == wanted)
    }
}

private struct Network: @unchecked Sendable {
    let configuration: NetworkConfiguration

    init() throws { configuration = try NetworkConfiguration() }
}

/// What a kernel answers that was booted without IPv6 (lib/fib_rules.c, net/core/rtnetlink.c).
private final class KernelWithoutIPv6: NetlinkRequests {
    private(set) var accepted: [UInt16] = []
    let speaksIPv6: Bool

    init(speaksIPv6: Bool = false) { self.speaksIPv6 = speaksIPv6 }

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

/// Has a rule that it does not show at first, and takes another at its priority for the same.
private final class KernelThatHidesARule: NetlinkRequests {
    let speaksIPv6 = true
    var hidden: RoutingRule?
    private(set) var deleted = 0
    private var lists = 0

    func request(
        _ type: UInt16,
        flags: UInt16,
        _ body: NetlinkEncoder,
        what: String
    ) throws(SystemCallFailure) -> [NetlinkMessage] {
        guard body.bytes.first == IPVersion.v4.addressFamily else { return [] }
        switch type {
        case NetlinkConstant.getRule:
            lists += 1
            guard lists > 1, let hidden else { return [] }
            return [
                NetlinkMessage(
                    type: NetlinkConstant.newRule,
                    flags: 0,
                    sequence: 0,
                    body: hidden.encoded().bytes[...]
                )
            ]
        case NetlinkConstant.newRule where hidden.map { what.hasSuffix(" \($0.priority)") } == true:
            throw SystemCallFailure(call: what, errorNumber: EEXIST, remedy: "")
        case NetlinkConstant.deleteRule:
            deleted += 1
            hidden = nil
        default: break
        }
        return []
    }
}
