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
        try PacketGuard.set(plans.packetGuard)
        try network.apply(plans.routing)
        guard !configuration.routeBasedTunnels.isEmpty else { return }
        // What fails here leaves the rest in force; routes to what is made now come last.
        try TunnelDevices.makeUnattended(configuration, network)
        try network.apply(plans.routing)
    }

    /// Puts back the half of the guard that somebody else took away without meaning it: a firewall
    /// that loads its rules anew flushes every table, a network manager removes rules that it does
    /// not know. Where both halves are gone, the guard was lifted, and stays so.
    ///
    /// - Returns: whether anything had to be put back.
    static func restore(
        _ plans: KernelPlans,
        _ network: NetworkConfiguration
    ) throws(SystemCallFailure) -> Bool {
        let hasFilter = try PacketGuard.show() != nil
        let hasRules = try network.hasRules()
        guard hasFilter || hasRules else { return false }
        if !hasFilter { try PacketGuard.set(plans.packetGuard) }
        return try network.apply(plans.routing) > 0 || !hasFilter
    }

    /// The filter as the kernel has it; nil when the guard is not set.
    package static func show() throws(SystemCallFailure) -> String? {
        try Privileges.demand([.networkAdministration])
        return try PacketGuard.show()
    }

    /// Takes filter, rules and routes away, and the interfaces of route-based tunnels that no gateway
    /// runs: what policies or routes protected can then pass in clear.
    package static func lift() throws(SystemCallFailure) {
        try Privileges.demand([.networkAdministration])
        try PacketGuard.lift()
        let network = try NetworkConfiguration()
        try network.withdraw()
        try network.removeUnusedTunnelInterfaces()
    }
}
