internal import IPsecPrimitives
internal import Testing

@testable internal import LinuxIO

@Suite("The order of routing rules")
struct RuleSequenceTests {
    private func policy(
        _ action: TrafficPolicy.Action,
        _ local: String,
        _ remote: String,
        ipProtocol: UInt8 = 0,
        localPorts: PortRange = .any,
        remotePorts: PortRange = .any,
        source: String? = nil
    ) -> TrafficPolicy {
        TrafficPolicy(
            action,
            local: IPPrefix(local)!,
            remote: IPPrefix(remote)!,
            ipProtocol: ipProtocol,
            localPorts: localPorts,
            remotePorts: remotePorts,
            preferredSource: source.flatMap { IPAddress($0) }
        )
    }

    /// The rules behind those for marks, by priority, as `ip` would show them.
    private func shown(_ policies: [TrafficPolicy]) -> [String] {
        let plan = RoutingPlan(device: "cyg0", policies: policies)
        let rules = RuleSequence(plan, policies[0].version, policies).rules
        #expect(Set(rules.map(\.priority)).count == rules.count)
        let places = Set(rules.filter { $0.action == .nothing }.map(\.priority))
        for case .goTo(let target) in rules.map(\.action) { #expect(places.contains(target)) }
        return rules.filter { $0.mark == nil && $0.action != .nothing }
            .sorted { $0.priority < $1.priority }.map { rule in
                let action =
                    switch rule.action {
                    case .lookup: "device"
                    case .goTo: "around"
                    case .prohibit: "prohibit"
                    case .nothing, .unreachable: "?"
                    }
                let parts = [
                    rule.inputInterface.map { "iif \($0)" },
                    rule.source.map { "from \($0)" }, rule.destination.map { "to \($0)" },
                    rule.ipProtocol == 0 ? nil : "proto \(rule.ipProtocol)",
                    rule.sourcePorts.isAny ? nil : "sport \(rule.sourcePorts.lower)",
                    rule.destinationPorts.isAny ? nil : "dport \(rule.destinationPorts.lower)",
                    action,
                ]
                return parts.compactMap { $0 }.joined(separator: " ")
            }
    }

    /// Both ends of what is protected, and of what passes, lie in what is discarded behind them.
    @Test func whatIsDiscardedSparesWhatPoliciesBeforeItCoverTheOtherWay() {
        let rules = shown([
            policy(.protect, "10.1.0.0/16", "10.2.0.0/16"),
            policy(.bypass, "10.1.0.0/16", "10.3.0.0/16"),
            policy(.prohibit, "10.4.0.0/16", "203.0.113.0/24"),
            policy(.prohibit, "0.0.0.0/0", "10.0.0.0/8"),
        ])
        #expect(
            rules == [
                "from 10.1.0.0/16 to 10.2.0.0/16 device",
                "from 10.1.0.0/16 to 10.3.0.0/16 around",
                "from 10.4.0.0/16 to 203.0.113.0/24 prohibit",
                "iif cyg0 around",
                "from 10.3.0.0/16 to 10.1.0.0/16 around",
                "iif lo to 10.0.0.0/8 around",
                "to 10.0.0.0/8 prohibit",
            ]
        )
    }

    /// What passes beside a policy that discards goes on right behind it: a tunnel there still takes
    /// what is its own, and so do hints.
    @Test func exceptionsLeadPastNoPolicyBehind() throws {
        let policies = [
            policy(.bypass, "0.0.0.0/0", "192.168.0.0/16"),
            policy(.prohibit, "0.0.0.0/0", "10.66.0.0/16"),
            policy(.protect, "192.168.1.0/24", "0.0.0.0/0", source: "192.168.1.1"),
        ]
        let plan = RoutingPlan(device: "cyg0", policies: policies)
        let rules = RuleSequence(plan, .v4, policies).rules
        let tunnel = try #require(rules.first { $0.source?.description == "192.168.1.0/24" })
        let discarding = try #require(rules.first { $0.action == .prohibit })
        let before = rules.filter { $0.mark == nil && $0.priority < tunnel.priority }
        #expect(before.count { $0.source?.description == "192.168.0.0/16" } == 1)
        for rule in before {
            guard case .goTo(let target) = rule.action, rule.destination?.length != 16,
                rule.priority < discarding.priority
            else { continue }
            #expect(target > discarding.priority && target < tunnel.priority)
        }
    }

    /// A few rules more for each policy, and not for each two of them.
    @Test func veryManyExceptionsAreFewRules() {
        let bypasses = (0..<200).map { policy(.bypass, "0.0.0.0/0", "10.\($0).0.0/16") }
        let discarded = (0..<200).map { policy(.prohibit, "0.0.0.0/0", "172.16.\($0).0/24") }
        #expect(shown(bypasses + discarded).count <= 3 * 400)
    }

    @Test func aPolicyThatNamesALinkRangeComesBeforeItsException() {
        let rules = shown([
            policy(.bypass, "10.1.0.0/16", "224.0.1.7/32"),
            policy(.protect, "10.1.0.0/16", "0.0.0.0/0"),
            policy(.protect, "10.9.0.0/16", "224.0.1.0/24", source: "10.9.0.1"),
            policy(.prohibit, "10.9.0.0/16", "169.254.0.0/16"),
            policy(.protect, "10.9.0.0/16", "10.7.0.0/16"),
        ])
        #expect(
            rules == [
                "from 10.1.0.0/16 to 224.0.1.7/32 around",
                "from 10.9.0.0/16 to 224.0.1.0/24 device",
                "from 10.9.0.0/16 to 169.254.0.0/16 prohibit",
                "iif lo from 0.0.0.0/32 to 224.0.1.0/24 device",
                "to 224.0.0.0/4 around",
                "to 169.254.0.0/16 around",
                "to 255.255.255.255/32 around",
                "from 10.1.0.0/16 device",
                "from 10.9.0.0/16 to 10.7.0.0/16 device",
            ]
        )
    }

    @Test func policiesThatAreNotWideNeedNoException() {
        #expect(
            shown([policy(.protect, "10.1.0.0/16", "169.254.10.0/24")])
                == ["from 10.1.0.0/16 to 169.254.10.0/24 device"]
        )
        #expect(
            shown([policy(.protect, "::/0", "ff00::/8"), policy(.protect, "fd00::/8", "fe00::/7")])
                == [
                    "to ff00::/8 device", "to ff00::/8 around", "to fe80::/10 around",
                    "from fd00::/8 to fe00::/7 device",
                ]
        )
    }

    /// The way back of what arrives is looked up as if it were sent from here, or by the interface
    /// that it leaves by.
    @Test(arguments: [
        ("0.0.0.0/0", "10.1.0.0/16", "10.2.0.0/16"), ("::/0", "fd01::/64", "fd02::/64"),
    ])
    func whatIsDiscardedDoesNotForbidTheWayBack(all: String, local: String, remote: String) {
        let link = ["224.0.0.0/4", "169.254.0.0/16", "255.255.255.255/32", "ff00::/8", "fe80::/10"]
            .map { "to \($0) around" }
        let rules = shown([
            policy(.bypass, local, remote, ipProtocol: 6, remotePorts: PortRange(22)),
            policy(.bypass, local, remote, ipProtocol: 1, localPorts: PortRange(2048)),
            policy(.prohibit, all, remote),
            policy(.prohibit, all, all),
            policy(.bypass, all, all),
        ])
        #expect(
            rules.filter { !link.contains($0) } == [
                "from \(local) to \(remote) proto 6 dport 22 around",
                "from \(local) to \(remote) proto 1 around",
                "from \(remote) to \(local) proto 6 sport 22 around",
                "from \(remote) to \(local) proto 1 around",
                "iif lo to \(remote) around",
                "to \(remote) prohibit",
                // Behind what the link lives on, from where nothing leads past the rest.
                "from \(local) to \(remote) proto 1 around",
                "from \(remote) to \(local) proto 6 sport 22 around",
                "from \(remote) to \(local) proto 1 around",
                "iif lo around",
                "prohibit",
                "around",
            ]
        )
    }

    /// A bypass of echo requests alone, which no rule knows: the filter tells them from the rest.
    @Test(arguments: [
        ("10.1.0.0/16", "203.0.113.0/24", UInt8(1)), ("fd00:1::/64", "2001:db8:9::/48", UInt8(58)),
    ])
    func whatNoRuleMatchesIsLeftToTheFilter(local: String, remote: String, ipProtocol: UInt8) {
        let all = local.contains(":") ? "::/0" : "0.0.0.0/0"
        let bypass = policy(
            .bypass,
            local,
            remote,
            ipProtocol: ipProtocol,
            localPorts: PortRange(2048)
        )
        #expect(
            shown([bypass, policy(.prohibit, all, remote)]) == [
                "from \(local) to \(remote) proto \(ipProtocol) around",
                "iif lo to \(remote) around", "to \(remote) prohibit",
            ]
        )
    }

    @Test func whatNamesItsLocalSideIsForbiddenHereToo() {
        #expect(
            shown([policy(.prohibit, "10.1.0.0/16", "10.3.0.0/16")])
                == ["from 10.1.0.0/16 to 10.3.0.0/16 prohibit"]
        )
    }
}
