internal import IPsecPrimitives

/// The rules of one IP version, each with the next priority.
///
/// In this order: packets of our own go around; ICMP errors that the guard marked for what they quote go
/// to the device, whoever they are from; each policy in its order. What the link itself lives on
/// (multicast and link-local) goes around a policy that covers it only by being wide, and not around one
/// that names it. Then come hints, which give local sockets that chose no source an inner one. Behind
/// them all is a place to go to, where the system's own rules take over.
///
/// A rule is asked for more than the way of a packet. For each packet that arrives the kernel's filter
/// of sources (`rp_filter`), and such ones of firewalls (`fib saddr`, `rpfilter`), look up the way back:
/// with the addresses exchanged, without the mark, and for what is delivered here with `lo` as the
/// interface that it came by, as if it were sent here. A rule that forbids a way forbids what comes from
/// there too, IKE and ESP included. So rules forbid what is forwarded, and what this machine itself
/// sends only where a policy names its `local` side; the rest of that is the filter's. Exceptions
/// from policies that discard lead right behind these, and not past those that follow.
struct RuleSequence {
    private(set) var rules: [RoutingRule] = []
    private let plan: RoutingPlan
    private let version: IPVersion
    private var priority: UInt32

    /// - Parameter policies: of that version alone, in the order in which they decide.
    init(_ plan: RoutingPlan, _ version: IPVersion, _ policies: [TrafficPolicy]) {
        self.plan = plan
        self.version = version
        priority = plan.firstPriority
        rules.append(
            RoutingRule(version: version, priority: plan.lastPriority, action: .nothing)
        )
        appendMarks(policies)
        let order = LinkOrder(policies, version)
        let sequence = order.leading + order.trailing
        let runs = OppositePolicies(sequence).runs
        append(sequence, 0..<order.leading.count, runs)
        for policy in order.leading where order.isOnLink(policy) { appendHint(policy) }
        for range in order.exempt {
            var rule = next(around)
            rule.destination = range
            rules.append(rule)
        }
        append(sequence, order.leading.count..<sequence.count, runs)
        for policy in policies where !order.isOnLink(policy) { appendHint(policy) }
    }

    // MARK: Policies

    private mutating func appendMarks(_ policies: [TrafficPolicy]) {
        var own = next(around)
        own.mark = plan.mark
        rules.append(own)
        guard let mark = plan.mark.forErrors, policies.contains(where: { $0.action == .protect })
        else { return }
        var error = next(.lookup(table: plan.table))
        error.mark = mark
        rules.append(error)
    }

    private mutating func append(
        _ policies: [TrafficPolicy],
        _ places: Range<Int>,
        _ runs: [OppositePolicies.Run]
    ) {
        var place = places.lowerBound
        while place < places.upperBound {
            guard let run = runs.first(where: { $0.places.contains(place) }) else {
                if let ports = policies[place].rulePorts {
                    rules.append(matching(policies[place], ports, action(policies[place])))
                }
                place += 1
                continue
            }
            let end = min(run.places.upperBound, places.upperBound)
            let discarded = policies[place..<end].filter { $0.rulePorts != nil }
            appendDiscarding(discarded, run)
            place = end
        }
    }

    /// Policies that discard, one behind the other, and before them what passes beside them. That goes
    /// on right behind them, where the policies that follow still decide.
    private mutating func appendDiscarding(
        _ discarded: [TrafficPolicy],
        _ run: OppositePolicies.Run
    ) {
        let bypasses = run.passing.filter { $0.action == .bypass }
        let fromAnywhere = discarded.count { $0.local.length == 0 }
        let exceptions =
            bypasses.count + run.inexact.count + fromAnywhere + (run.sparesTunnels ? 1 : 0)
        let behind = priority + UInt32(exceptions + discarded.count)
        if exceptions > 0 {
            rules.append(RoutingRule(version: version, priority: behind, action: .nothing))
        }
        let onward = RoutingRule.Action.goTo(priority: behind)
        if run.sparesTunnels {
            // What came out of a tunnel is on its way to a host inside.
            var arrived = next(onward)
            arrived.inputInterface = plan.device
            rules.append(arrived)
        }
        // What no rule can match exactly is left to the filter, which can.
        for bypass in run.inexact { rules.append(matching(bypass, (.any, .any), onward)) }
        for bypass in bypasses {
            // The answers, on their way to a host inside.
            let ports = bypass.rulePorts ?? (.any, .any)
            rules.append(matching(bypass.reversed, (ports.remote, ports.local), onward))
        }
        for policy in discarded {
            guard let ports = policy.rulePorts else { continue }
            if policy.local.length == 0 {
                // From any address: from that of IKE and ESP as well.
                var here = matching(policy, ports, onward)
                here.inputInterface = "lo"
                rules.append(here)
            }
            rules.append(matching(policy, ports, .prohibit))
        }
        if exceptions > 0 { priority = behind + 1 }
    }

    private mutating func appendHint(_ policy: TrafficPolicy) {
        guard policy.action == .protect, policy.preferredSource != nil, policy.local.length > 0,
            let ports = policy.rulePorts
        else { return }
        var hint = next(.lookup(table: plan.table))
        hint.inputInterface = "lo"
        hint.destination = policy.remote.length > 0 ? policy.remote : nil
        hint.ipProtocol = policy.ipProtocol
        hint.destinationPorts = ports.remote
        switch version {
        case .v4:
            hint.source = IPPrefix(address: .unspecified(.v4), length: 32)
        case .v6:
            // "No source yet" cannot be matched in IPv6, but "any source" can, in two halves:
            // whoever has chosen one goes on behind our rules.
            for half in ["::/1", "8000::/1"] {
                var chosen = hint
                chosen.action = around
                chosen.source = IPPrefix(half)
                rules.append(chosen)
                hint.priority = next(.nothing).priority
            }
        }
        rules.append(hint)
    }

    // MARK: Terms

    private var around: RoutingRule.Action { .goTo(priority: plan.lastPriority) }

    private mutating func next(_ action: RoutingRule.Action) -> RoutingRule {
        defer { priority += 1 }
        return RoutingRule(version: version, priority: priority, action: action)
    }

    private mutating func matching(
        _ policy: TrafficPolicy,
        _ ports: (local: PortRange, remote: PortRange),
        _ action: RoutingRule.Action
    ) -> RoutingRule {
        var rule = next(action)
        rule.source = policy.local.length > 0 ? policy.local : nil
        rule.destination = policy.remote.length > 0 ? policy.remote : nil
        rule.ipProtocol = policy.ipProtocol
        rule.sourcePorts = ports.local
        rule.destinationPorts = ports.remote
        return rule
    }

    private func action(_ policy: TrafficPolicy) -> RoutingRule.Action {
        switch policy.action {
        case .protect: .lookup(table: plan.table)
        case .bypass: around
        case .prohibit: .prohibit
        }
    }
}
