internal import IPsecPrimitives
internal import LinuxIO
internal import Testing

@Suite("The guard's ruleset")
struct GuardRulesetTests {
    private func policy(
        _ action: TrafficPolicy.Action,
        _ local: String,
        _ remote: String,
        _ ipProtocol: UInt8 = 0,
        localPorts: PortRange = .any,
        remotePorts: PortRange = .any
    ) throws -> TrafficPolicy {
        TrafficPolicy(
            action,
            local: try #require(IPPrefix(local)),
            remote: try #require(IPPrefix(remote)),
            ipProtocol: ipProtocol,
            localPorts: localPorts,
            remotePorts: remotePorts
        )
    }

    private func chain(_ name: String, of ruleset: String) -> [String] {
        let lines = ruleset.split(separator: "\n").map { $0.drop { $0 == " " } }
        guard let start = lines.firstIndex(of: "chain \(name) {") else { return [] }
        return lines[(start + 1)...].prefix { $0 != "}" }.map(String.init)
    }

    @Test func replacesTheTableInOneTransaction() {
        let lines = GuardPlan(policies: []).ruleset().split(separator: "\n")
        #expect(lines[0] == "add table inet cygnet_guard")
        #expect(lines[1] == "delete table inet cygnet_guard")
        #expect(lines[2] == "table inet cygnet_guard {")
    }

    @Test func protectDropsBothDirections() throws {
        let plan = GuardPlan(policies: [try policy(.protect, "10.1.0.0/16", "10.2.0.0/16")])
        let drop = "counter drop comment \"protect 10.1.0.0/16 10.2.0.0/16\""
        #expect(
            chain("outbound", of: plan.ruleset())
                == ["ip saddr 10.1.0.0/16 ip daddr 10.2.0.0/16 \(drop)"]
        )
        #expect(
            chain("inbound", of: plan.ruleset())
                == ["ip saddr 10.2.0.0/16 ip daddr 10.1.0.0/16 \(drop)"]
        )
    }

    @Test func keepsTheOrderOfPolicies() throws {
        let plan = GuardPlan(policies: [
            try policy(.bypass, "10.1.0.0/16", "10.2.3.0/24"),
            try policy(.prohibit, "10.1.0.0/16", "10.2.4.0/24"),
            try policy(.protect, "10.1.0.0/16", "10.2.0.0/16"),
        ])
        let verdicts = chain("outbound", of: plan.ruleset()).map {
            $0.hasSuffix("return") ? "return" : $0.contains("\"discard") ? "discard" : "protect"
        }
        #expect(verdicts == ["return", "discard", "protect"])
    }

    @Test func everyAddressNamesTheVersionAlone() throws {
        let plan = GuardPlan(policies: [try policy(.protect, "::/0", "::/0")])
        #expect(
            chain("inbound", of: plan.ruleset())
                == ["meta nfproto ipv6 counter drop comment \"protect ::/0 ::/0\""]
        )
    }

    @Test func portsDropLaterFragments() throws {
        let plan = GuardPlan(policies: [
            try policy(.protect, "10.1.0.0/16", "10.2.0.0/16", 6, remotePorts: PortRange(443)),
            try policy(
                .protect,
                "2001:db8:1::/48",
                "2001:db8:2::/48",
                17,
                localPorts: PortRange(53)
            ),
        ])
        let outbound = chain("outbound", of: plan.ruleset())
        #expect(outbound.count == 4)
        #expect(outbound[0].contains("meta l4proto 6 th dport 443-443 counter drop"))
        #expect(outbound[1].contains("meta l4proto 6 ip frag-off & 0x1fff != 0 counter drop"))
        #expect(outbound[2].contains("meta l4proto 17 th sport 53-53 counter drop"))
        #expect(outbound[3].contains("frag frag-off != 0 frag nexthdr { 0, 17, 43, 44, "))
        #expect(chain("inbound", of: plan.ruleset())[0].contains("th sport 443-443"))
    }

    @Test func protocolsHiddenInFragmentsOfIPv6AreNotMissed() throws {
        let plan = GuardPlan(policies: [try policy(.protect, "2001:db8:1::/48", "::/0", 6)])
        let outbound = chain("outbound", of: plan.ruleset())
        #expect(outbound.count == 2)
        #expect(outbound[1].contains("frag frag-off != 0 frag nexthdr { 0, 6, 43, 44, 51, 60, "))
    }

    @Test func membershipIsExemptOnTheLinkOnly() {
        let link = chain("link", of: GuardPlan(policies: []).ruleset())
        #expect(link.count == 3)
        #expect(link[1].contains("ip6 saddr { ::, fe80::/10 } ip6 daddr ff00::/8"))
        #expect(link[2].contains("ip daddr 224.0.0.0/4"))
    }

    @Test func bypassForPortsLeavesFragmentsToThePoliciesBehind() throws {
        let plan = GuardPlan(policies: [
            try policy(.bypass, "10.1.0.0/16", "10.2.0.0/16", 6, remotePorts: PortRange(22))
        ])
        #expect(chain("outbound", of: plan.ruleset()).count == 1)
    }

    @Test func typesOfICMPAreOneSelector() throws {
        let echo = PortRange.icmp(type: 8)
        let plan = GuardPlan(policies: [
            try policy(.protect, "10.1.0.0/16", "10.2.0.0/16", 1, localPorts: echo)
        ])
        for direction in ["outbound", "inbound"] {
            #expect(chain(direction, of: plan.ruleset())[0].contains("@th,0,16 2048-2303"))
        }
    }

    /// RFC 6275 §6.1.1: the type is the third octet.
    @Test func typesOfMobilityHeadersAreOneSelector() throws {
        let update = PortRange(5 << 8)
        let plan = GuardPlan(policies: [
            try policy(.protect, "fd00:1::/48", "fd00:2::/48", 135, localPorts: update)
        ])
        for direction in ["outbound", "inbound"] {
            let rules = chain(direction, of: plan.ruleset())
            #expect(rules[0].contains("meta l4proto 135 @th,16,8 5-5 "))
        }
        let errors = chain("errors_v6_outbound", of: plan.ruleset())
        #expect(errors.contains { $0.contains("0-65535 . ") || $0.contains(". 1280-1535") })
    }

    @Test func opaquePortsMatchFragmentsOnly() throws {
        let plan = GuardPlan(policies: [
            try policy(.bypass, "10.1.0.0/16", "10.2.0.0/16", 17, remotePorts: .opaque)
        ])
        let rules = chain("outbound", of: plan.ruleset())
        #expect(rules.count == 1)
        #expect(rules.first?.hasSuffix("ip frag-off & 0x1fff != 0 return") == true)
    }

    @Test func ownTrafficIsLimitedToOurAddresses() throws {
        let plan = GuardPlan(
            policies: [],
            localAddresses: [try #require(IPAddress("192.0.2.1"))]
        )
        let own = chain("own", of: plan.ruleset())
        #expect(!own.isEmpty && own.allSatisfy { $0.hasPrefix("ip daddr { 192.0.2.1 }") })
        #expect(
            chain("input", of: plan.ruleset())[2...3] == [
                "udp dport { 500, 4500 } ip daddr { 192.0.2.1 } accept",
                "meta l4proto { 50, 51 } ip daddr { 192.0.2.1 } accept",
            ]
        )
    }

    /// Whatever the policies are, nothing is asked of a datagram of a tunnel before it is let in but
    /// where it came from and whether it is an error.
    @Test func connectionsOfOursAreKnownByPortAndByMark() throws {
        let without = GuardPlan(policies: []).ruleset()
        #expect(!without.contains("tcp") && !without.contains("socket"))
        let plan = GuardPlan(policies: [], streamPorts: [443, 4500])
        for name in ["prerouting", "input"] {
            let rules = chain(name, of: plan.ruleset())
            #expect(rules.contains("tcp dport { 443, 4500 } fib daddr type local accept"))
            #expect(
                rules.contains(
                    "meta l4proto 6 fib daddr type local "
                        + "socket mark & 0xffff0000 == 0xc1670000 accept"
                )
            )
        }
        for name in ["output", "postrouting", "forward", "forward_arriving", "forward_leaving"] {
            let rules = chain(name, of: plan.ruleset())
            #expect(!rules.contains { $0.contains("tcp dport") || $0.contains("socket") })
        }
    }

    /// A policy covers a packet in either direction; only what none covers is the remainder.
    @Test func theRemainderSparesWhatABypassCoversOnItsWayThrough() throws {
        var plan = GuardPlan(policies: [
            try policy(.prohibit, "10.1.0.0/16", "10.8.1.0/24"),
            try policy(.bypass, "10.1.0.0/16", "10.8.0.0/16"),
        ])
        plan.remainder = [try policy(.prohibit, "0.0.0.0/0", "0.0.0.0/0")]
        let drop = "counter drop comment \"discard 10.1.0.0/16 10.8.1.0/24\""
        let out = [
            "ip saddr 10.1.0.0/16 ip daddr 10.8.1.0/24 \(drop)",
            "ip saddr 10.1.0.0/16 ip daddr 10.8.0.0/16 return",
        ]
        let back = [
            "ip saddr 10.8.1.0/24 ip daddr 10.1.0.0/16 \(drop)",
            "ip saddr 10.8.0.0/16 ip daddr 10.1.0.0/16 return",
        ]
        let rest = ["meta nfproto ipv4 counter drop comment \"discard 0.0.0.0/0 0.0.0.0/0\""]
        let error = "meta mark & 0xffff0000 == 0xc1660000 return"
        // Between other machines alone: a port that a bypass names at the other side is not open here.
        let toOthers = "fib daddr type != { local, broadcast, anycast, multicast }"
        let through = [out[0], "ip saddr 10.1.0.0/16 ip daddr 10.8.0.0/16 \(toOthers) return"]
        #expect(chain("inbound", of: plan.ruleset()) == back + [error] + through + rest)
        let tunnel = "iifname { \"cygnet0\" } return"
        let fromOthers = "fib saddr type != local"
        let answers = [back[0], "ip saddr 10.8.0.0/16 ip daddr 10.1.0.0/16 \(fromOthers) return"]
        #expect(chain("outbound", of: plan.ruleset()) == out + [tunnel] + answers + rest)
    }

    /// Both ends of what the first protects and the second lets pass lie in what the third discards.
    @Test func whatIsDiscardedSparesWhatPoliciesBeforeItCoverTheOtherWay() throws {
        let plan = GuardPlan(policies: [
            try policy(.protect, "10.1.0.0/16", "10.2.0.0/16"),
            try policy(.bypass, "10.1.0.0/16", "10.3.0.0/16"),
            try policy(.prohibit, "0.0.0.0/0", "10.0.0.0/8"),
            try policy(.protect, "10.9.0.0/16", "10.1.0.0/16"),
            try policy(.prohibit, "0.0.0.0/0", "203.0.113.0/24"),
        ])
        let text = plan.ruleset()
        let toOthers = "fib daddr type != { local, broadcast, anycast, multicast }"
        let fromOthers = "fib saddr type != local"
        let drop = "counter drop comment \"discard 0.0.0.0/0 10.0.0.0/8\""
        let other = "counter drop comment \"discard 0.0.0.0/0 203.0.113.0/24\""
        let late = "counter drop comment \"protect 10.9.0.0/16 10.1.0.0/16\""
        #expect(
            Array(chain("inbound", of: text).dropFirst()) == [
                "ip saddr 10.3.0.0/16 ip daddr 10.1.0.0/16 return",
                "jump discarding_in_2",
                // What comes in clear of the last one's remote network is judged by it all the same.
                "ip saddr 10.1.0.0/16 ip daddr 10.9.0.0/16 \(late)",
                "ip saddr 203.0.113.0/24 \(other)",
            ]
        )
        #expect(
            chain("discarding_in_2", of: text) == [
                "ip saddr 10.1.0.0/16 ip daddr 10.2.0.0/16 \(toOthers) return",
                "ip saddr 10.1.0.0/16 ip daddr 10.3.0.0/16 \(toOthers) return",
                "ip saddr 10.0.0.0/8 \(drop)",
            ]
        )
        #expect(chain("outbound", of: text).contains("jump discarding_out_2"))
        #expect(
            chain("discarding_out_2", of: text) == [
                "iifname { \"cygnet0\" } return",
                "ip saddr 10.3.0.0/16 ip daddr 10.1.0.0/16 \(fromOthers) return",
                "ip daddr 10.0.0.0/8 \(drop)",
            ]
        )
    }

    /// What one policy spares of a tunnel's, its neighbour does not.
    @Test func whatATunnelBringsIsSparedOnlyWhereItGoesTheOtherWay() throws {
        let text = GuardPlan(policies: [
            try policy(.protect, "10.1.0.0/16", "10.2.0.0/16"),
            try policy(.prohibit, "0.0.0.0/0", "10.0.0.0/8"),
            try policy(.prohibit, "192.168.7.0/24", "203.0.113.0/24"),
            try policy(.protect, "203.0.113.0/24", "192.168.7.0/24"),
        ]).ruleset()
        #expect(
            chain("outbound", of: text).dropFirst().prefix(2) == [
                "jump discarding_out_1",
                "ip saddr 192.168.7.0/24 ip daddr 203.0.113.0/24 counter drop "
                    + "comment \"discard 192.168.7.0/24 203.0.113.0/24\"",
            ]
        )
    }

    @Test func datagramsOfTunnelsAreJudgedEarly() throws {
        let plan = GuardPlan(policies: [try policy(.protect, "10.1.0.0/16", "10.2.0.0/16")])
        for name in ["prerouting", "input"] {
            let rules = chain(name, of: plan.ruleset())
            let trusted = try #require(rules.firstIndex { $0.hasPrefix("iifname {") })
            #expect(
                rules[(trusted + 1)...].prefix(3) == [
                    "udp dport { 500, 4500 } fib daddr type local accept",
                    "meta l4proto { 50, 51 } fib daddr type local accept",
                    "jump link",
                ]
            )
            #expect(!rules[..<trusted].contains { $0.contains("link") || $0.contains("own") })
        }
    }

    /// The kernel looks behind AH no more than behind a fragment that is not the first.
    @Test func fragmentsOfAHOverIPv6AreOurOwn() {
        let ruleset = GuardPlan(policies: []).ruleset()
        let own = chain("own", of: ruleset)
        #expect(
            chain("prerouting", of: ruleset)
                .contains("meta l4proto { 50, 51 } fib daddr type local accept")
        )
        #expect(own.contains { $0.hasSuffix("frag frag-off != 0 frag nexthdr 51 accept") })
    }

    @Test func marksDoNotExemptForwardedPackets() {
        let plan = GuardPlan(policies: [])
        for name in ["forward", "forward_arriving", "forward_leaving"] {
            let rules = chain(name, of: plan.ruleset())
            #expect(
                !rules.isEmpty && rules.allSatisfy { !$0.contains("mark") && !$0.contains("own") }
            )
        }
    }

    @Test func namesCannotLeaveTheirQuotation() {
        let plan = GuardPlan(device: "x\" } accept #", policies: [])
        #expect(!plan.ruleset().contains("x\""))
    }

    // MARK: Errors

    private static let marked = "counter meta mark set meta mark & 0xffff | 0xc1660000"

    @Test func errorsAreJudgedByWhatTheyQuote() throws {
        let plan = GuardPlan(policies: [try policy(.protect, "10.1.0.0/16", "10.2.0.0/16")])
        let text = plan.ruleset()
        #expect(
            chain("errors_v4_outbound", of: text).last
                == "@th,160,32 . @th,192,32 { 0xa020000-0xa02ffff . 0xa010000-0xa01ffff } "
                + Self.marked
        )
        #expect(
            chain("errors_v4_inbound", of: text).last
                == "@th,160,32 . @th,192,32 { 0xa010000-0xa01ffff . 0xa020000-0xa02ffff } "
                + "counter drop comment \"error in clear about what an SA carried\""
        )
        #expect(!text.contains("errors_v6"))
        #expect(!GuardPlan(policies: []).ruleset().contains("errors"))
    }

    /// Before anything is believed of an error, and again where it would leave.
    @Test func errorsAreMarkedBeforeTheyAreRouted() throws {
        let text = GuardPlan(policies: [try policy(.protect, "::/0", "fd00:2::/64")]).ruleset()
        let jump = "meta l4proto vmap { 58 : jump errors_v6_outbound }"
        #expect(chain("prerouting", of: text)[2] == jump)
        #expect(chain("output", of: text)[0].hasPrefix("type route "))
        #expect(chain("output", of: text).contains(jump))
        for name in ["forward_leaving", "postrouting"] {
            let rules = chain(name, of: text)
            let place = try #require(rules.firstIndex(of: jump))
            #expect(rules[place + 1].contains("0xc1660000 counter drop"))
        }
    }

    @Test func oneBitHasNoSecondMark() throws {
        var plan = GuardPlan(policies: [try policy(.protect, "10.1.0.0/16", "10.2.0.0/16")])
        plan.mark = PacketMark(value: 4, mask: 4)
        #expect(plan.mark.forErrors == nil)
        let text = plan.ruleset()
        #expect(chain("errors_v4_outbound", of: text).last?.contains("} counter drop") == true)
        #expect(chain("output", of: text)[0].hasPrefix("type filter "))
        #expect(!text.contains("mark set"))
    }

    @Test func theSecondMarkIsNeitherOursNorNone() {
        for (value, mask) in [
            (0xC167_0000, 0xFFFF_0000), (1, 3), (2, 3), (1, 0x8000_0001), (0xFFFF_FFFF, .max),
        ] as [(UInt32, UInt32)] {
            let second = PacketMark(value: value, mask: mask).forErrors
            #expect(second?.mask == mask)
            #expect(second?.value != value && second?.value != 0)
            #expect((second?.value ?? 0) & ~mask == 0)
        }
    }

    @Test func manyPoliciesShareOneSet() throws {
        let plan = GuardPlan(
            policies: try (0..<1000).map {
                try policy(.protect, "10.1.0.0/16", "10.2.\($0 / 8).\($0 % 8 * 32)/27")
            }
        )
        let rules = chain("errors_v4_outbound", of: plan.ruleset())
        #expect(rules.count == 2)
        #expect(rules[1].split(separator: ",").count > 1000)
    }

    /// A policy moves before another only where no packet is covered by both.
    @Test func overlappingPoliciesKeepTheirOrder() throws {
        let plan = GuardPlan(policies: [
            try policy(.protect, "10.1.0.0/16", "10.2.1.0/24"),
            try policy(.bypass, "10.1.0.0/16", "10.2.0.0/16"),
            try policy(.protect, "10.1.0.0/16", "10.0.0.0/8"),
            try policy(.bypass, "10.1.0.0/16", "10.9.0.0/16"),
            try policy(.protect, "10.1.7.0/24", "10.3.0.0/16"),
        ])
        let rules = chain("errors_v4_outbound", of: plan.ruleset()).dropFirst()
        // The last bypass decides about nothing; the last protect overlaps none that says otherwise.
        #expect(
            rules.map { $0.contains("mark set") ? "protect" : "return" }
                == ["protect", "return", "protect"]
        )
        #expect(rules.first?.contains("0xa030000-0xa03ffff . ") == true)
        #expect(rules.first?.contains("0xa020100-0xa0201ff . ") == true)
        #expect(rules.last?.contains("{ 0xa000000-0xaffffff . 0xa010000-0xa01ffff }") == true)
    }

    /// The kernel refuses sets in which two elements overlap in part.
    @Test func overlappingPoliciesOfOneKindStandInTwoSets() throws {
        let plan = GuardPlan(policies: [
            try policy(.protect, "10.1.0.0/16", "10.2.1.0/24"),
            try policy(.protect, "10.1.1.0/24", "10.2.0.0/16"),
            try policy(.protect, "10.1.1.0/24", "10.2.1.0/24"),
        ])
        let rules = chain("errors_v4_outbound", of: plan.ruleset()).dropFirst()
        #expect(rules.count == 2)
        #expect(rules.allSatisfy { $0.contains("mark set") && !$0.contains(", 0xa") })
    }

    @Test func whatDoesNotShowItsPortsIsTakenByWhoProtects() throws {
        let text = GuardPlan(policies: [
            try policy(.bypass, "10.1.0.0/16", "10.2.0.0/16", 17, remotePorts: PortRange(53)),
            try policy(.protect, "10.1.0.0/16", "10.2.0.0/16", 17, localPorts: PortRange(7)),
            try policy(.protect, "fd00:1::/64", "fd00:2::/64", 6, remotePorts: PortRange(443)),
        ]).ruleset()
        let v4 = chain("errors_v4_outbound", of: text).dropFirst()
        #expect(v4.map { $0.hasSuffix("jump unseen_v4_outbound") } == [false, false, true])
        #expect(v4.first?.hasSuffix(". 53 . 0-65535 } return") == true)
        #expect(v4.dropFirst().first?.contains(". 0-65535 . 7 } counter meta mark") == true)
        let v6 = chain("errors_v6_outbound", of: text).dropFirst()
        #expect(v6.count == 3)
        #expect(v6.last?.contains("@th,112,8 { 0, 43, 44, 51, 60, 135, 139, 140 }") == true)
        #expect(chain("unseen_v4_outbound", of: text).last == Self.marked)
    }
}
