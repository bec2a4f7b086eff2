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
        let policies = configuration.policies.flatMap { policy in
            policy.pairs.flatMap { pair in
                TrafficPolicy.covering(
                    TrafficPolicy.Action(policy.action),
                    local: pair.local,
                    remote: pair.remote
                )
            }
        }
        var remainder: [TrafficPolicy] = []
        if settings.defaultPolicy == .discard {
            for version in [IPVersion.v4, .v6] {
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
            tunnelInterfaces: tunnels.compactMap { $0.interface?.name.value },
            remainder: remainder
        )
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
