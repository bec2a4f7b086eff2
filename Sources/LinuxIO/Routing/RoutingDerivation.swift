package import IPsecPrimitives

/// The rules and routes that a plan comes to, as the kernel will report them.
///
/// In this order, by priority: packets of our own go around; ICMP errors that the guard marked for what
/// they quote go to the device, whoever they are from; what the link itself lives on (multicast and
/// link-local) goes around a policy that covers it only by being wide; each policy in its order, and
/// before one that forbids everything what came out of a tunnel; then hints, which give local sockets
/// that chose no source an inner one. Behind them all is a place to go to, where the system's own rules
/// take over.
struct RoutingDerivation: Equatable {
    var rules: [RoutingRule] = []
    var routes: [Route] = []

    /// - Parameters:
    ///   - deviceIndex: nil while there is no device; then everything is unreachable.
    ///   - interfaces: those of route-based tunnels, as far as they are there.
    init(
        _ plan: RoutingPlan,
        deviceIndex: UInt32?,
        interfaces: [String: UInt32] = [:]
    ) throws(SystemCallFailure) {
        for version in [IPVersion.v4, .v6] {
            let policies = plan.policies.filter { $0.version == version }
            if policies.isEmpty { continue }
            appendRules(plan, version, policies)
            appendRoutes(plan, version, policies, deviceIndex: deviceIndex)
        }
        appendInterfaceRoutes(plan.interfaceRoutes, interfaces)
        let last = plan.lastPriority
        for rule in rules where rule.action != .nothing && rule.priority >= last {
            throw SystemCallFailure(
                call: "ip rule add",
                errorNumber: 7,
                remedy: "Use fewer policies, or a lower rule-priority: rules of one version have "
                    + "the priorities from \(plan.firstPriority) to \(last)."
            )
        }
    }

    private mutating func appendRules(
        _ plan: RoutingPlan,
        _ version: IPVersion,
        _ policies: [TrafficPolicy]
    ) {
        let end = plan.lastPriority
        var priority = plan.firstPriority
        func next(_ action: RoutingRule.Action) -> RoutingRule {
            defer { priority += 1 }
            return RoutingRule(version: version, priority: priority, action: action)
        }
        rules.append(RoutingRule(version: version, priority: end, action: .nothing))
        var own = next(.goTo(priority: end))
        own.mark = plan.mark
        rules.append(own)
        if let mark = plan.mark.forErrors, policies.contains(where: { $0.action == .protect }) {
            var error = next(.lookup(table: plan.table))
            error.mark = mark
            rules.append(error)
        }
        for range in RoutingDerivation.linkRanges(version)
        where policies.contains(where: { $0.action != .bypass && $0.remote.surrounds(range) }) {
            var rule = next(.goTo(priority: end))
            rule.destination = range
            rules.append(rule)
        }
        for policy in policies {
            guard let ports = RoutingDerivation.expressible(policy) else { continue }
            if policy.isForEverything, policy.action == .prohibit {
                // What came out of a tunnel is on its way to a host inside, which no policy names as
                // remote.
                var arrived = next(.goTo(priority: end))
                arrived.inputInterface = plan.device
                rules.append(arrived)
            }
            var rule = next(RoutingDerivation.action(policy, table: plan.table, end: end))
            rule.source = policy.local.length > 0 ? policy.local : nil
            rule.destination = policy.remote.length > 0 ? policy.remote : nil
            rule.ipProtocol = policy.ipProtocol
            rule.sourcePorts = ports.local
            rule.destinationPorts = ports.remote
            rules.append(rule)
        }
        appendHints(plan, version, policies, end: end, next: next)
    }

    private mutating func appendHints(
        _ plan: RoutingPlan,
        _ version: IPVersion,
        _ policies: [TrafficPolicy],
        end: UInt32,
        next: (RoutingRule.Action) -> RoutingRule
    ) {
        for policy in policies where policy.action == .protect && policy.preferredSource != nil {
            guard let ports = RoutingDerivation.expressible(policy), policy.local.length > 0
            else { continue }
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
                    chosen.action = .goTo(priority: end)
                    chosen.source = IPPrefix(half)
                    rules.append(chosen)
                    hint.priority = next(.nothing).priority
                }
            }
            rules.append(hint)
        }
    }

    private mutating func appendRoutes(
        _ plan: RoutingPlan,
        _ version: IPVersion,
        _ policies: [TrafficPolicy],
        deviceIndex: UInt32?
    ) {
        guard let everything = IPPrefix(address: .unspecified(version), length: 0) else { return }
        routes.append(
            Route(
                table: plan.table,
                destination: everything,
                target: .unreachable,
                metric: RoutingDerivation.lastResortMetric
            )
        )
        guard let deviceIndex else { return }
        var destinations: Set<IPPrefix> = []
        for policy in policies where policy.action == .protect {
            guard let source = policy.preferredSource, destinations.insert(policy.remote).inserted
            else { continue }
            routes.append(
                Route(
                    table: plan.table,
                    destination: policy.remote,
                    target: .device(index: deviceIndex),
                    metric: RoutingDerivation.deviceMetric,
                    preferredSource: source
                )
            )
        }
        if destinations.insert(everything).inserted {
            routes.append(
                Route(
                    table: plan.table,
                    destination: everything,
                    target: .device(index: deviceIndex),
                    metric: RoutingDerivation.deviceMetric
                )
            )
        }
    }

    /// Below each is a last resort, so that what was meant for a tunnel is unreachable when its
    /// interface goes, and not routed elsewhere.
    private mutating func appendInterfaceRoutes(
        _ wanted: [InterfaceRoute],
        _ interfaces: [String: UInt32]
    ) {
        var guarded: Set<IPPrefix> = []
        for route in wanted {
            if let index = interfaces[route.interface] {
                routes.append(
                    Route(
                        table: RoutingDerivation.mainTable,
                        destination: route.destination,
                        target: .device(index: index),
                        metric: route.metric
                    )
                )
            }
            guard guarded.insert(route.destination).inserted else { continue }
            routes.append(
                Route(
                    table: RoutingDerivation.mainTable,
                    destination: route.destination,
                    target: .unreachable,
                    metric: RoutingDerivation.lastResortMetric
                )
            )
        }
    }

    // MARK: Terms

    private static let mainTable: UInt32 = 254

    private static let deviceMetric: UInt32 = 10
    private static let lastResortMetric: UInt32 = 4_278_198_272

    /// What neighbours on one link need among themselves.
    private static func linkRanges(_ version: IPVersion) -> [IPPrefix] {
        let texts =
            switch version {
            case .v4: ["224.0.0.0/4", "169.254.0.0/16", "255.255.255.255"]
            case .v6: ["ff00::/8", "fe80::/10"]
            }
        return texts.compactMap { IPPrefix($0) }
    }

    private static func action(
        _ policy: TrafficPolicy,
        table: UInt32,
        end: UInt32
    ) -> RoutingRule.Action {
        switch policy.action {
        case .protect: .lookup(table: table)
        case .bypass: .goTo(priority: end)
        case .prohibit: .prohibit
        }
    }

    /// The ports that a rule can match, or nil when no rule can stand for the policy.
    ///
    /// The kernel's rules know ports 1 to 65534, and no ICMP types. Where they cannot be exact, a
    /// protect policy takes in more, and the others are left to the guard and to the packet path,
    /// which are: nothing passes in clear that should not.
    private static func expressible(
        _ policy: TrafficPolicy
    ) -> (local: PortRange, remote: PortRange)? {
        if policy.localPorts.isAny, policy.remotePorts.isAny { return (.any, .any) }
        let hasPorts = [6, 17, 33, 132, 136].contains(policy.ipProtocol)
        guard hasPorts, !policy.localPorts.isOpaque, !policy.remotePorts.isOpaque,
            let local = clamped(policy.localPorts), let remote = clamped(policy.remotePorts)
        else { return policy.action == .protect ? (.any, .any) : nil }
        return (local, remote)
    }

    private static func clamped(_ ports: PortRange) -> PortRange? {
        if ports.isAny { return .any }
        return PortRange(max(ports.lower, 1), through: min(ports.upper, 65_534))
    }
}

extension IPPrefix {
    /// Whether `other` lies within and is smaller.
    fileprivate func surrounds(_ other: IPPrefix) -> Bool {
        length < other.length && contains(other.address)
    }
}

extension RoutingPlan {
    /// The plan with an address of this machine as preferred source wherever a protect policy
    /// names none and one of `addresses` lies within its local network.
    package func fillingPreferredSources(from addresses: [IPAddress]) -> RoutingPlan {
        var plan = self
        for index in plan.policies.indices
        where plan.policies[index].action == .protect
            && plan.policies[index].preferredSource == nil
        {
            plan.policies[index].preferredSource = addresses.first {
                plan.policies[index].local.contains($0)
            }
        }
        return plan
    }
}
