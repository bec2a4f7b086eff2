package import IPsecPrimitives

/// How the kernel must route so that what a policy protects reaches the tunnel device.
package struct RoutingPlan: Hashable, Sendable {
    package var device: String
    /// The routing table that leads to the device.
    package var table: UInt32
    /// Rules take priorities from here on; at most `RoutingPlan.priorityCount` of
    /// them, and fewer when those end at the main table's rule.
    package var firstPriority: UInt32
    package var mark: PacketMark
    /// In the order in which they decide; the first that matches does.
    package var policies: [TrafficPolicy]
    /// Of route-based tunnels, in the main table.
    package var interfaceRoutes: [InterfaceRoute]

    package init(
        device: String = "cygnet0",
        table: UInt32 = 4367,
        firstPriority: UInt32 = 4367,
        mark: PacketMark = .own,
        policies: [TrafficPolicy],
        interfaceRoutes: [InterfaceRoute] = []
    ) {
        self.device = device
        self.table = table
        self.firstPriority = firstPriority
        self.mark = mark
        self.policies = policies
        self.interfaceRoutes = interfaceRoutes
    }

    /// Priorities that rules of ours may take.
    package static let priorityCount: UInt32 = 28_000

    /// The last priority of ours, where those go on that go around: before the main table's rule,
    /// which is at 32766.
    package var lastPriority: UInt32 { min(firstPriority + RoutingPlan.priorityCount, 32_765) }
}

/// A route to the interface of a route-based tunnel.
package struct InterfaceRoute: Hashable, Sendable {
    package var interface: String
    package var destination: IPPrefix
    package var metric: UInt32

    package init(interface: String, destination: IPPrefix, metric: UInt32) {
        self.interface = interface
        self.destination = destination
        self.metric = metric
    }
}
