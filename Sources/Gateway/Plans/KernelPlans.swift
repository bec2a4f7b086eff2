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
        var policies = configuration.policies.flatMap { policy in
            policy.pairs.flatMap { pair in
                TrafficPolicy.covering(
                    TrafficPolicy.Action(policy.action),
                    local: pair.local,
                    remote: pair.remote
                )
            }
        }
        if settings.defaultPolicy == .discard {
            for version in [IPVersion.v4, .v6] {
                policies += TrafficPolicy.covering(
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
            policies: policies
        ).fillingPreferredSources(from: localAddresses)
        packetGuard = GuardPlan(
            device: settings.interfaceName,
            mark: mark,
            policies: policies,
            localAddresses: settings.listenAddresses,
            ports: [settings.ikePort, settings.natPort]
        )
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
