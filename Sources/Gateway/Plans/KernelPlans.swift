package import Configuration
package import IPsecPrimitives
package import LinuxIO

/// What the kernel has to do for a configuration: routes to the tunnel device, and the guard.
package struct KernelPlans: Hashable, Sendable {
    package let routing: RoutingPlan
    package let packetGuard: GuardPlan

    /// - Parameter localAddresses: of this machine; one that lies in a policy's local networks is
    ///   what sockets of this machine send from when they chose none.
    package init(_ configuration: GatewayConfiguration, localAddresses: [IPAddress]) {
        let settings = configuration.settings
        let mark = PacketMark(value: settings.firewallMark, mask: settings.firewallMask)
        let tunnels = configuration.routeBasedTunnels
        var policies = configuration.policies.flatMap { policy in
            policy.pairs.flatMap { pair in
                TrafficPolicy.covering(
                    TrafficPolicy.Action(policy.action),
                    local: pair.local,
                    remote: pair.remote
                )
            }
        }
        var remainder: [TrafficPolicy] = []
        for version in [IPVersion.v4, .v6] {
            // Written as a policy it is the same, but for interfaces: what is routed to those passes
            // beside the default, and not beside a policy.
            if tunnels.isEmpty, let rest = KernelPlans.takeRest(of: version, from: &policies) {
                remainder.append(rest)
            } else if settings.defaultPolicy == .discard {
                remainder += TrafficPolicy.covering(
                    .prohibit,
                    local: .everything(version),
                    remote: .everything(version)
                )
            }
        }
        routing = RoutingPlan(
            device: settings.interfaceName,
            table: settings.routingTable,
            firstPriority: settings.rulePriority,
            mark: mark,
            // A rule for everything would leave nothing to route to interfaces: with them, the filter
            // alone discards the rest.
            policies: policies + (tunnels.isEmpty ? remainder : []),
            interfaceRoutes: tunnels.flatMap(InterfaceRoute.all)
        ).fillingPreferredSources(from: localAddresses)
        packetGuard = GuardPlan(
            device: settings.interfaceName,
            mark: mark,
            policies: policies,
            localAddresses: settings.listenAddresses,
            ports: [settings.ikePort, settings.natPort],
            streamPorts: configuration.connections.contains {
                $0.paths.transport.value != .udp
            } ? settings.tcpPorts : [],
            tunnelInterfaces: tunnels.compactMap { $0.interface?.name.value },
            remainder: remainder
        )
    }

    /// Takes the policy that discards everything of a version away, and those behind it, which decide
    /// nothing.
    private static func takeRest(
        of version: IPVersion,
        from policies: inout [TrafficPolicy]
    ) -> TrafficPolicy? {
        let place = policies.firstIndex {
            $0.version == version && $0.action == .prohibit && $0.isForEverything
        }
        guard let place else { return nil }
        let rest = policies[place]
        policies = policies[..<place] + policies[place...].filter { $0.version != version }
        return rest
    }
}

extension InterfaceRoute {
    fileprivate static func all(of tunnel: TunnelConfiguration) -> [InterfaceRoute] {
        guard let interface = tunnel.interface else { return [] }
        return interface.routes.map {
            InterfaceRoute(
                interface: interface.name.value,
                destination: $0.value,
                metric: interface.routeMetric.value
            )
        }
    }
}

extension TrafficPolicy.Action {
    init(_ action: PolicyConfiguration.Action) {
        self =
            switch action {
            case .protect: .protect
            case .bypass: .bypass
            case .discard: .prohibit
            }
    }
}
