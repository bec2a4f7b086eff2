package import Configuration
internal import IPsecPrimitives
package import LinuxIO

/// Sets, shows and lifts the guard by hand, without a running gateway.
package enum GuardOperations {
    /// Puts the guard of a configuration in force: the filter, and the rules that lead protected
    /// traffic to the tunnel device or, without one, nowhere. Interfaces of route-based tunnels that are
    /// not there are made, and drop what is routed to them.
    package static func set(_ configuration: GatewayConfiguration) throws(SystemCallFailure) {
        try Privileges.demand([.networkAdministration])
        let network = try NetworkConfiguration()
        let plans = KernelPlans(configuration, localAddresses: try network.localAddresses())
        var kept = KeptGuard()
        try kept.set(plans, network)
        guard !configuration.routeBasedTunnels.isEmpty else { return }
        // What fails here leaves the rest in force; routes to what is made now come last.
        try TunnelDevices.makeUnattended(configuration, network)
        try network.apply(plans.routing)
    }

    /// The filter as the kernel has it; nil when the guard is not set.
    package static func show() throws(SystemCallFailure) -> String? {
        try Privileges.demand([.networkAdministration])
        return try PacketGuard.show()
    }

    /// Takes filter, rules and routes away, so that a running gateway leaves them away, and the interfaces of route-based tunnels that no gateway
    /// runs: what policies or routes protected can then pass in clear.
    package static func lift() throws(SystemCallFailure) {
        try Privileges.demand([.networkAdministration])
        try PacketGuard.lift()
        let network = try NetworkConfiguration()
        try network.withdraw()
        try network.removeUnusedTunnelInterfaces()
    }
}
