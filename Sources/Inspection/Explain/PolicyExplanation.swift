package import Configuration
internal import IPsecPrimitives

/// A configuration's effective policy in words, as `cygnet check` prints it.
package struct PolicyExplanation {
    private let configuration: GatewayConfiguration

    package init(_ configuration: GatewayConfiguration) {
        self.configuration = configuration
    }

    package var text: String {
        let connections = configuration.connections
        var lines = [
            "\(configuration.file) is valid: \(count(connections.count, "connection")), "
                + "\(count(connections.reduce(0) { $0 + $1.tunnels.count }, "tunnel")).",
            "",
            "What happens to a packet, in either direction; the first line that fits decides:",
        ]
        for (index, policy) in configuration.policies.enumerated() {
            lines += explain(policy, order: index + 1)
        }
        var order = configuration.policies.count
        for tunnel in configuration.routeBasedTunnels {
            order += 1
            lines += explain(tunnel, order: order)
        }
        lines.append("  \(order + 1). everything else")
        lines.append("     \(defaultPolicy)")
        for connection in connections {
            lines += [""] + ConnectionExplanation(connection).lines
        }
        lines += [""] + gateway
        return lines.joined(separator: "\n") + "\n"
    }

    private func explain(_ policy: PolicyConfiguration, order: Int) -> [String] {
        let local = policy.local.map(PolicyExplanation.words)
        let remote = policy.remote.map(PolicyExplanation.words)
        var lines = ["  \(order). between \(and(local)) here and \(and(remote)) there"]
        switch policy.action {
        case .protect(let path):
            lines.append("     is protected by tunnel \(path), never in clear (\(place(policy)))")
        case .bypass:
            lines.append("     passes in clear, untouched (\(place(policy)))")
        case .discard:
            lines.append("     is dropped (\(place(policy)))")
        }
        return lines
    }

    private func explain(_ tunnel: TunnelConfiguration, order: Int) -> [String] {
        guard let interface = tunnel.interface else { return [] }
        let local = tunnel.local.map { PolicyExplanation.words($0.value) }
        let remote = tunnel.remote.map { PolicyExplanation.words($0.value) }
        var lines = [
            "  \(order). whatever the routing table sends to interface \(interface.name.value), "
                + "between \(and(local)) here and \(and(remote)) there",
            "     is protected by tunnel \(tunnel.path) (line \(tunnel.location.line)); what is "
                + "routed elsewhere is not",
        ]
        if !interface.addresses.isEmpty {
            let addresses = interface.addresses.map(\.value.description)
            lines.append("     the interface has \(and(addresses))")
        }
        if !interface.routes.isEmpty {
            let routes = interface.routes.map(\.value.description)
            lines.append(
                "     routed there with metric \(interface.routeMetric.value), and unreachable "
                    + "without it: \(and(routes))"
            )
        }
        return lines
    }

    private var defaultPolicy: String {
        switch configuration.settings.defaultPolicy {
        case .bypass: "passes in clear, untouched (default-policy: bypass)"
        case .discard: "is dropped (default-policy: discard)"
        }
    }

    private var gateway: [String] {
        let settings = configuration.settings
        let addresses =
            settings.listenAddresses.isEmpty
            ? "every address" : and(settings.listenAddresses.map(\.description))
        return [
            "Gateway",
            "  answers on \(addresses), UDP ports \(settings.ikePort) and \(settings.natPort)",
            "  policy-based tunnels pass through device \(settings.interfaceName), routing table "
                + "\(settings.routingTable)",
            "  is controlled at \(settings.controlSocket)",
        ] + TrafficExplanation.lines(settings.traffic, "all tunnels together").map { "  \($0)" }
    }

    private func place(_ policy: PolicyConfiguration) -> String { "line \(policy.location.line)" }

    private static func words(_ selector: TrafficSelector) -> String {
        let everything = TrafficSelector.everything(selector.version)
        guard selector.first == everything.first, selector.last == everything.last else {
            return selector.description
        }
        let family = selector.version == .v4 ? "any IPv4 address" : "any IPv6 address"
        let suffix = selector.description.firstIndex(of: "[").map { selector.description[$0...] }
        return family + (suffix.map { " \($0)" } ?? "")
    }
}
