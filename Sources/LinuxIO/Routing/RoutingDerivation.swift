package import IPsecPrimitives

/// The rules and routes that a plan comes to, as the kernel will report them.
///
/// The rules of each version are a ``RuleSequence``.
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
            rules += RuleSequence(plan, version, policies).rules
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
