internal import IPsecPrimitives

/// Refuses route-based tunnels that could not work, and warns of what keeps packets from them.
enum InterfaceCheck {
    static func run(
        _ settings: GatewaySettings,
        _ connections: [ConnectionConfiguration],
        _ policies: [PolicyConfiguration],
        _ problems: Problems
    ) {
        checkNames(settings, connections, problems)
        checkRoutes(connections, problems)
        for connection in connections {
            for (index, tunnel) in connection.tunnels.enumerated() {
                guard let interface = tunnel.interface else { continue }
                checkMode(tunnel, interface, problems)
                checkTwins(tunnel, connection.tunnels[..<index], connection, problems)
            }
        }
        guard connections.contains(where: { $0.tunnels.contains { $0.interface != nil } }) else {
            return
        }
        checkPolicies(policies, problems)
        checkCircles(connections, problems)
    }

    private static func checkNames(
        _ settings: GatewaySettings,
        _ connections: [ConnectionConfiguration],
        _ problems: Problems
    ) {
        var first: [String: TunnelConfiguration] = [:]
        for tunnel in connections.flatMap(\.tunnels) {
            guard let interface = tunnel.interface, !interface.name.value.isEmpty else { continue }
            let name = interface.name
            if name.value == settings.interfaceName {
                problems.error(
                    at: name.location,
                    "interface \(name.value) of tunnel \"\(tunnel.path)\" is the gateway's own, "
                        + "which policy-based tunnels share",
                    hint: "give the tunnel a name of its own, or the gateway another `interface`"
                )
            } else if name.value == "lo" {
                problems.error(
                    at: name.location,
                    "interface lo of tunnel \"\(tunnel.path)\" is the loopback",
                    hint: "choose a name that no network interface has"
                )
            } else if let other = first[name.value] {
                problems.error(
                    at: name.location,
                    "interface \(name.value) of tunnel \"\(tunnel.path)\" is that of tunnel "
                        + "\"\(other.path)\" already",
                    hint: "one tunnel, one interface: choose another name; the first is on line "
                        + "\(other.interface?.name.location.line ?? 0)"
                )
            } else {
                first[name.value] = tunnel
            }
        }
        if first.count > ConfigurationLimits.interfaces, let last = connections.last {
            problems.error(
                at: last.location,
                "\(first.count) tunnels have an interface",
                hint: "give at most \(ConfigurationLimits.interfaces) one; others can be "
                    + "policy-based"
            )
        }
    }

    /// The kernel has one route for a network and a metric.
    private static func checkRoutes(
        _ connections: [ConnectionConfiguration],
        _ problems: Problems
    ) {
        struct Key: Hashable {
            var destination: IPPrefix
            var metric: UInt32
        }
        var first: [Key: TunnelConfiguration] = [:]
        for tunnel in connections.flatMap(\.tunnels) {
            guard let interface = tunnel.interface else { continue }
            for route in interface.routes {
                let key = Key(destination: route.value, metric: interface.routeMetric.value)
                if let other = first[key] {
                    problems.error(
                        at: route.location,
                        "the route to \(route.value) with metric \(key.metric) stands at tunnel "
                            + "\"\(other.path)\" and at \"\(tunnel.path)\"",
                        hint: "give one of them another route-metric; the lower one is taken"
                    )
                }
                first[key] = tunnel
            }
        }
    }

    private static func checkMode(
        _ tunnel: TunnelConfiguration,
        _ interface: InterfaceConfiguration,
        _ problems: Problems
    ) {
        if tunnel.carriage.mode.value == .transport {
            problems.error(
                at: tunnel.carriage.mode.location,
                "tunnel \"\(tunnel.path)\" has an interface and transport mode, which carries only "
                    + "what the two gateways send each other",
                hint: "write `mode: tunnel`, or remove interface"
            )
        }
        let versions = Set(tunnel.local.map(\.value.version))
        for route in interface.routes where !versions.contains(route.value.version) {
            problems.error(
                at: route.location,
                "the route to \(route.value) leads to tunnel \"\(tunnel.path)\", which carries no "
                    + (route.value.version == .v4 ? "IPv4" : "IPv6"),
                hint: "add networks of that version to local and remote, or remove the route"
            )
        }
    }

    /// Of two tunnels of one peer with the same selectors, the peer cannot say which it means.
    private static func checkTwins(
        _ tunnel: TunnelConfiguration,
        _ earlier: ArraySlice<TunnelConfiguration>,
        _ connection: ConnectionConfiguration,
        _ problems: Problems
    ) {
        let twin = earlier.first {
            $0.interface != nil && Set($0.local.map(\.value)) == Set(tunnel.local.map(\.value))
                && Set($0.remote.map(\.value)) == Set(tunnel.remote.map(\.value))
        }
        guard let twin else { return }
        problems.error(
            at: tunnel.location,
            "tunnels \"\(twin.path)\" and \"\(tunnel.path)\" of one peer carry the same, so that "
                + "the peer cannot say which of them it means",
            hint: "put one into a connection of its own, or give them different local and remote"
        )
    }

    /// A route that covers a peer's own address leads round in a circle, unless a narrower one leads
    /// out.
    private static func checkCircles(
        _ connections: [ConnectionConfiguration],
        _ problems: Problems
    ) {
        for tunnel in connections.flatMap(\.tunnels) {
            for route in tunnel.interface?.routes ?? [] {
                guard let peer = firstPeer(within: route.value, connections) else { continue }
                problems.warning(
                    at: route.location,
                    "the route to \(route.value) covers the peer's own address \(peer): what "
                        + "carries the tunnel would enter a tunnel, and is dropped there",
                    hint:
                        "see that the peer has a route of its own, as `ip route add \(peer) via …` "
                        + "by the way outside makes one"
                )
            }
        }
    }

    private static func firstPeer(
        within route: IPPrefix,
        _ connections: [ConnectionConfiguration]
    ) -> IPAddress? {
        for connection in connections {
            for case .address(let address) in connection.remoteAddresses.value
            where route.contains(address) {
                return address
            }
        }
        return nil
    }

    /// Policies come before routes: one that takes everything leaves nothing to route.
    private static func checkPolicies(
        _ policies: [PolicyConfiguration],
        _ problems: Problems
    ) {
        for policy in policies where policy.action != .bypass {
            let takesAll = [IPVersion.v4, .v6].contains { version in
                let everything = TrafficSelector.everything(version)
                return policy.local.contains { $0.covers(everything) }
                    && policy.remote.contains { $0.covers(everything) }
            }
            guard takesAll else { continue }
            problems.warning(
                at: policy.location,
                "this policy takes every packet before the routing table can send it to the "
                    + "interface of a tunnel",
                hint: policy.action == .discard
                    ? "write `default-policy: discard`, which routes come before"
                    : "give that tunnel an `interface` as well, or narrower networks"
            )
        }
    }
}
