internal import IPsecPrimitives

extension GuardPlan {
    /// The name of the table, in the family `inet`.
    package static let tableName = "cygnet_guard"
    /// That of the table which judges while the other is being replaced.
    static let standInName = "cygnet_guard_next"
    /// That of an empty table which says that the guard was lifted by hand: without it, a guard that
    /// is not there was taken away by somebody who did not mean it, and comes back.
    static let liftedName = "cygnet_guard_lifted"

    /// The plan in nft's language: one transaction that replaces the whole table.
    ///
    /// The table judges on its own, without routes or the daemon:
    ///
    /// - What leaves (output, forward, and postrouting, where NAT has been at the addresses) and
    ///   what a policy protects may only leave through the device, unless it carries our mark.
    /// - What arrives (prerouting, input, forward) and what a policy protects must come out of the
    ///   device (RFC 4301 §5.2).
    /// - Our own IKE, ESP and AH, errors about them, and what keeps a link alive (neighbour discovery,
    ///   multicast membership; ARP is not IP) are exempt, so that a policy for everything, or one
    ///   that holds the peer's own address, does not cut the branch that it sits on.
    /// - Our own datagrams do not enter the interface of a route-based tunnel: a route that leads them
    ///   there leads them round in a circle.
    /// - A policy for some ports drops fragments behind the first, whose ports cannot be seen
    ///   (RFC 4301 §7).
    /// - ICMP errors are judged by what they quote as well: see ``ErrorChains``.
    package func ruleset() -> String {
        GuardPlan.replacement(of: GuardPlan.tableName, by: content())
    }

    /// One transaction that puts `content` in the place of a table, whether there is one or not.
    static func replacement(of name: String, by content: String) -> String {
        removal(of: name) + "table inet \(name) {\n\(content)}\n"
    }

    /// Takes a table away, if there is one.
    static func removal(of name: String) -> String {
        "add table inet \(name)\ndelete table inet \(name)\n"
    }

    /// Fails, and with it the transaction, where there is a table of this name.
    static func absence(of name: String) -> String {
        "create table inet \(name)\ndelete table inet \(name)\n"
    }

    /// Whether rules look into sets of several ranges.
    var hasRangeSets: Bool { !ErrorChains(self).isEmpty }

    /// The table without its name.
    func content() -> String {
        let errors = ErrorChains(self)
        var text = ""
        for (name, rules) in errors.chains() { text += chain(name, rules) }
        text += baseChains(errors)
        text += chain("link", GuardPlan.linkRules)
        text += chain("own", ownRules())
        let runs = OppositePolicies(policies).runs.filter { !$0.passing.isEmpty }
        for direction in [Direction.outbound, .inbound] {
            for run in runs {
                let discarded = policies[run.places].flatMap { GuardPlan.rules(for: $0, direction) }
                let name = GuardPlan.discardingName(direction, run)
                text += chain(name, exceptions(run, direction) + discarded)
            }
        }
        text += chain("outbound", rules(.outbound, runs))
        text += chain("inbound", rules(.inbound, runs))
        return text
    }

    /// Of each chain how many rules it has, with those elsewhere that lead to it: one line is one rule.
    func chainUses() -> [String: UInt32] {
        var uses: [String: UInt32] = [:]
        var name = ""
        for line in content().split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.first == "chain", words.count > 1 {
                name = String(words[1])
                uses[name, default: 0] += 0
            } else if words.first != "}", words.first != "type" {
                uses[name, default: 0] += 1
            }
            for (verdict, target) in zip(words, words.dropFirst()) where verdict == "jump" {
                uses[target.filter { $0 != "," }, default: 0] += 1
            }
        }
        return uses
    }

    // MARK: Chains

    private func baseChains(_ errors: ErrorChains) -> String {
        let trusted = GuardPlan.set((["lo", device] + insideInterfaces).map(GuardPlan.quoted))
        let isOwn = GuardPlan.matches(mark)
        func base(_ name: String, _ type: String = "filter", priority: Int, _ rules: [String])
            -> String
        {
            chain(
                name,
                ["type \(type) hook \(name) priority \(priority); policy accept;"] + rules
            )
        }
        let arriving =
            ["iifname \(trusted) accept"] + ownDatagramRules() + ["jump link", "jump own"]
            + judging(errors, .inbound) + ["jump inbound"]
        let leaving = ["oifname \(trusted) accept", "\(isOwn) accept"]
        let leavingWithoutMark = ["jump link", "jump outbound"]
        let circle =
            tunnelInterfaces.isEmpty
            ? []
            : [
                "oifname \(interfaceSet) \(isOwn) counter drop "
                    + "comment \"own datagrams routed into a tunnel\""
            ]
        // A change of the mark has the kernel look for the way again, and only then.
        let canMark = !errors.isEmpty && errors.mark != nil
        return base("prerouting", priority: -290, marking(errors) + arriving)
            + base("input", priority: -10, arriving)
            // Not our own: what is on its way through is no IKE or ESP of ours, marked or not.
            + chain("forward_arriving", judging(errors, .inbound) + ["jump inbound"])
            + chain("forward_leaving", dropping(errors) + ["jump outbound"])
            + base(
                "forward",
                priority: -10,
                [
                    "iifname != \(trusted) jump forward_arriving",
                    "oifname != \(trusted) jump forward_leaving",
                ]
            )
            + base(
                "output",
                canMark ? "route" : "filter",
                priority: 10,
                circle + leaving + rerouting(errors) + leavingWithoutMark
            )
            + base(
                "postrouting",
                priority: 250,
                leaving + dropping(errors) + leavingWithoutMark
            )
    }

    private func judging(_ errors: ErrorChains, _ direction: ErrorChains.Direction) -> [String] {
        errors.isEmpty ? [] : [errors.jump(direction)]
    }

    /// Marks errors that are to pass by an SA before they are routed, wherever they come from: one
    /// that came by a tunnel may be on its way to another.
    private func marking(_ errors: ErrorChains) -> [String] {
        guard !errors.isEmpty, errors.mark != nil else { return [] }
        return ["iifname \"lo\" accept", errors.jump(.outbound)]
    }

    /// The same for this machine's own. The interface that this hook sees is the one that an error
    /// would have left by without the mark: postrouting sees the right one.
    private func rerouting(_ errors: ErrorChains) -> [String] {
        judging(errors, .outbound) + whereMarked(errors, "accept")
    }

    /// For what leaves by another way than the device. Marks are set again here, for another program
    /// may have set its own since.
    private func dropping(_ errors: ErrorChains) -> [String] {
        judging(errors, .outbound) + whereMarked(errors, ErrorChains.drop)
    }

    private func whereMarked(_ errors: ErrorChains, _ verdict: String) -> [String] {
        guard !errors.isEmpty, let mark = errors.mark else { return [] }
        return ["\(GuardPlan.matches(mark)) \(verdict)"]
    }

    private func chain(_ name: String, _ rules: [String]) -> String {
        "    chain \(name) {\n" + rules.map { "        \($0)\n" }.joined() + "    }\n"
    }

    /// Hop limits of 255 show that a packet was not forwarded (RFC 4861 §7.1.1). Anybody can send
    /// one that arrives with 1; then the addresses are those of one link: RFC 3810 §5, RFC 3376 §4.
    private static let linkRules = [
        "icmpv6 type { 133, 134, 135, 136, 137 } ip6 hoplimit 255 accept",
        "icmpv6 type { 130, 131, 132, 143 } ip6 hoplimit 1 "
            + "ip6 saddr { ::, fe80::/10 } ip6 daddr ff00::/8 accept",
        "ip protocol 2 ip ttl 1 ip daddr 224.0.0.0/4 accept",
    ]

    /// IKE, ESP and AH to this machine. Each datagram of a tunnel passes these rules twice: only what
    /// came out of a tunnel, which passes as often, is let in before them, and where a packet leads,
    /// which costs most to find out, is asked last.
    private func ownDatagramRules() -> [String] {
        let ports = GuardPlan.set(self.ports.map(String.init))
        let destinations =
            localAddresses.isEmpty
            ? ["fib daddr type local"] : [IPVersion.v4, .v6].compactMap(ownDestination)
        return destinations.flatMap {
            ["udp dport \(ports) \($0) accept", "meta l4proto { 50, 51 } \($0) accept"]
                + ownSegmentRules(to: $0)
        }
    }

    /// Along connections (RFC 9329): those that we answer are known by their port, for the kernel does
    /// not show the mark of one that is only being made, and those that we began by the mark of their
    /// socket, for the peer's port is anybody's choice.
    private func ownSegmentRules(to destination: String) -> [String] {
        guard !streamPorts.isEmpty else { return [] }
        let ports = GuardPlan.set(streamPorts.map(String.init))
        let isOwn =
            "socket mark & \(GuardPlan.hexadecimal(mark.mask)) == "
            + GuardPlan.hexadecimal(mark.value)
        return [
            "tcp dport \(ports) \(destination) accept",
            "meta l4proto 6 \(destination) \(isOwn) accept",
        ]
    }

    /// What else is our own: later fragments, and ICMP errors that quote a packet of ours.
    private func ownRules() -> [String] {
        let ports = GuardPlan.set(self.ports.map(String.init))
        var rules: [String] = []
        for version in [IPVersion.v4, .v6] {
            guard let destination = ownDestination(version) else { continue }
            // Fragments behind the first: worthless without the first, which has the ports.
            let fragment = GuardPlan.isLaterFragment(version)
            rules.append("\(destination) meta l4proto 17 \(fragment) accept")
            if version == .v6 {
                // There AH counts as an extension header, behind which nothing is found then.
                rules.append("\(destination) \(fragment) frag nexthdr 51 accept")
            }
            rules += GuardPlan.errorRules(version, destination: destination, ports: ports)
        }
        return rules
    }

    private func ownDestination(_ version: IPVersion) -> String? {
        if localAddresses.isEmpty { return "meta nfproto ip\(version) fib daddr type local" }
        let addresses = localAddresses.filter { $0.version == version }
        guard !addresses.isEmpty else { return nil }
        let family = version == .v4 ? "ip" : "ip6"
        return "\(family) daddr \(GuardPlan.set(addresses.map(\.description)))"
    }

    /// The quoted packet begins 8 bytes into the error; its protocol and source port say whose.
    private static func errorRules(
        _ version: IPVersion,
        destination: String,
        ports: String
    ) -> [String] {
        switch version {
        case .v4:
            // Only a quoted header without options has its ports at a fixed place.
            let error = "\(destination) icmp type { 3, 11, 12 }"
            return [
                "\(error) @th,136,8 { 50, 51 } accept",
                "\(error) @th,64,8 0x45 @th,136,8 17 @th,224,16 \(ports) accept",
            ]
        case .v6:
            let error = "\(destination) icmpv6 type { 1, 2, 3, 4 }"
            return [
                "\(error) @th,112,8 { 50, 51 } accept",
                "\(error) @th,112,8 17 @th,384,16 \(ports) accept",
            ]
        }
    }

    // MARK: Policies

    private func rules(_ direction: Direction, _ runs: [OppositePolicies.Run]) -> [String] {
        var rules: [String] = []
        var next = 0
        for run in runs {
            rules += policies[next..<run.places.lowerBound].flatMap {
                GuardPlan.rules(for: $0, direction)
            }
            rules.append("jump \(GuardPlan.discardingName(direction, run))")
            next = run.places.upperBound
        }
        return rules + policies[next...].flatMap { GuardPlan.rules(for: $0, direction) }
            + (remainder.isEmpty ? [] : passing(direction))
            + remainder.flatMap { GuardPlan.rules(for: $0, direction) }
    }

    private static func discardingName(
        _ direction: Direction,
        _ run: OppositePolicies.Run
    ) -> String {
        let place = run.places.lowerBound
        return direction == .outbound ? "discarding_out_\(place)" : "discarding_in_\(place)"
    }

    /// What policies that discard must not take of what earlier ones cover in the other
    /// direction; the policies behind them still judge.
    private func exceptions(_ run: OppositePolicies.Run, _ direction: Direction) -> [String] {
        switch direction {
        case .inbound: return run.passing.flatMap { GuardPlan.onItsWay($0, .inbound) }
        case .outbound:
            let tunnels = GuardPlan.set(([device] + tunnelInterfaces).map(GuardPlan.quoted))
            return (run.sparesTunnels ? ["iifname \(tunnels) return"] : [])
                + run.passing.filter { $0.action == .bypass }
                .flatMap { GuardPlan.onItsWay($0, .outbound) }
        }
    }

    /// Lets through, where packets arrive or leave, what a policy covers the other way, whatever it
    /// says of that: between other machines alone. A packet to this one has but one way, and so has
    /// one of its own.
    private static func onItsWay(_ policy: TrafficPolicy, _ direction: Direction) -> [String] {
        var policy = policy
        policy.action = .bypass
        let isElsewhere =
            direction == .inbound
            ? "fib daddr type != { local, broadcast, anycast, multicast }"
            : "fib saddr type != local"
        return rules(for: policy, direction == .inbound ? .outbound : .inbound)
            .map { "\($0.dropLast("return".count))\(isElsewhere) return" }
    }

    /// What the remainder must not take: what hosts inside send to be protected, or in clear by a
    /// bypass, arrives in clear by right; what came out of a tunnel, or answers by a bypass, leaves in
    /// clear to them.
    private func passing(_ direction: Direction) -> [String] {
        let tunnels = GuardPlan.set(([device] + tunnelInterfaces).map(GuardPlan.quoted))
        switch direction {
        case .inbound:
            let own = policies.flatMap { policy in
                switch policy.action {
                case .bypass: return GuardPlan.onItsWay(policy, .inbound)
                case .prohibit: return GuardPlan.rules(for: policy, .outbound)
                case .protect:
                    var outbound = policy
                    outbound.action = .bypass
                    return GuardPlan.rules(for: outbound, .outbound)
                }
            }
            let errors = mark.forErrors.map { GuardPlan.matches($0) + " return" }
            let passing = (errors.map { [$0] } ?? []) + own
            guard !tunnelInterfaces.isEmpty else { return passing }
            return passing + [
                "iifname \(interfaceSet) return", "fib daddr oifname \(interfaceSet) return",
            ]
        case .outbound:
            let left =
                ["iifname \(tunnels) return"]
                + policies.filter { $0.action != .protect }.flatMap {
                    $0.action == .bypass
                        ? GuardPlan.onItsWay($0, .outbound) : GuardPlan.rules(for: $0, .inbound)
                }
            return tunnelInterfaces.isEmpty ? left : left + ["oifname \(interfaceSet) return"]
        }
    }

    private var interfaceSet: String { GuardPlan.set(tunnelInterfaces.map(GuardPlan.quoted)) }

    private enum Direction {
        case outbound
        case inbound
    }

    private static func rules(for policy: TrafficPolicy, _ direction: Direction) -> [String] {
        let addresses = addressMatch(policy, direction)
        let verdict =
            policy.action == .bypass ? "return" : "counter drop comment \"\(comment(policy))\""
        guard policy.ipProtocol != 0 else { return ["\(addresses) \(verdict)"] }
        let ipProtocol = "meta l4proto \(policy.ipProtocol)"
        if policy.localPorts.isAny, policy.remotePorts.isAny {
            let whole = "\(addresses) \(ipProtocol) \(verdict)"
            guard policy.version == .v6, policy.action != .bypass else { return [whole] }
            return [whole, "\(addresses) \(laterFragment(policy)) \(verdict)"]
        }
        var rules: [String] = []
        if let ports = portMatch(policy, direction) {
            rules.append("\(addresses) \(ipProtocol) \(ports) \(verdict)")
        }
        let isOpaque = policy.localPorts.isOpaque || policy.remotePorts.isOpaque
        if policy.action != .bypass || isOpaque {
            let fragment = laterFragment(policy)
            rules.append("\(addresses) \(fragment) \(verdict)")
        }
        return rules
    }

    private static func addressMatch(_ policy: TrafficPolicy, _ direction: Direction) -> String {
        let family = policy.version == .v4 ? "ip" : "ip6"
        let isOutbound = direction == .outbound
        let source = isOutbound ? policy.local : policy.remote
        let destination = isOutbound ? policy.remote : policy.local
        var parts: [String] = []
        if source.length > 0 { parts.append("\(family) saddr \(source)") }
        if destination.length > 0 { parts.append("\(family) daddr \(destination)") }
        return parts.isEmpty ? "meta nfproto ip\(policy.version)" : parts.joined(separator: " ")
    }

    /// Nil when no packet whose ports can be seen matches.
    private static func portMatch(_ policy: TrafficPolicy, _ direction: Direction) -> String? {
        if policy.localPorts.isOpaque || policy.remotePorts.isOpaque { return nil }
        if policy.ipProtocol == 1 || policy.ipProtocol == 58 {
            // RFC 4301 §4.4.1.1: type and code are one selector for both directions.
            guard let types = policy.localPorts.intersection(policy.remotePorts) else { return nil }
            return "@th,0,16 \(types.lower)-\(types.upper)"
        }
        if policy.ipProtocol == 135 {
            // RFC 6275 §6.1.1: the type of a Mobility Header is its third octet.
            guard let types = policy.localPorts.intersection(policy.remotePorts) else { return nil }
            return "@th,16,8 \(types.lower >> 8)-\(types.upper >> 8)"
        }
        let isOutbound = direction == .outbound
        let source = isOutbound ? policy.localPorts : policy.remotePorts
        let destination = isOutbound ? policy.remotePorts : policy.localPorts
        var parts: [String] = []
        if !source.isAny { parts.append("th sport \(source.lower)-\(source.upper)") }
        if !destination.isAny {
            parts.append("th dport \(destination.lower)-\(destination.upper)")
        }
        return parts.joined(separator: " ")
    }

    private static func laterFragment(_ policy: TrafficPolicy) -> String {
        switch policy.version {
        case .v4: "meta l4proto \(policy.ipProtocol) \(isLaterFragment(.v4))"
        case .v6:
            // An extension header in the fragmentable part hides the protocol as well.
            "\(isLaterFragment(.v6)) frag nexthdr "
                + set(hiding.union([policy.ipProtocol]).sorted().map(String.init))
        }
    }

    /// Hop-by-hop, routing, fragment, AH, destination options, mobility, HIP, shim6.
    static let hiding: Set<UInt8> = [0, 43, 44, 51, 60, 135, 139, 140]

    private static func isLaterFragment(_ version: IPVersion) -> String {
        version == .v4 ? "ip frag-off & 0x1fff != 0" : "frag frag-off != 0"
    }

    // MARK: Terms

    /// At most 128 bytes, as nft allows, and free of quotes by construction.
    private static func comment(_ policy: TrafficPolicy) -> String {
        let action = policy.action == .protect ? "protect" : "discard"
        var text = "\(action) \(policy.local) \(policy.remote)"
        if policy.ipProtocol != 0 { text += " \(IPProtocolName.name(of: policy.ipProtocol))" }
        return text
    }

    static func set(_ elements: [String]) -> String {
        "{ \(elements.joined(separator: ", ")) }"
    }

    /// A name that could end the quotation matches nothing instead: the guard errs to the closed.
    private static func quoted(_ name: String) -> String {
        let isPlain = name.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "\"") }
        return isPlain && (1...15).contains(name.utf8.count) ? "\"\(name)\"" : "\"cygnet-none\""
    }

    static func matches(_ mark: PacketMark) -> String {
        "meta mark & \(hexadecimal(mark.mask)) == \(hexadecimal(mark.value))"
    }

    static func hexadecimal(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }
}
