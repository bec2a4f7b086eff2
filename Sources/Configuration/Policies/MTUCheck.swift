internal import IPsecPrimitives

/// Refuses sizes with which nothing could pass.
enum MTUCheck {
    /// RFC 8200 §5: no link that carries IPv6 has a smaller MTU.
    private static let smallestForIPv6 = 1280

    static func run(
        _ settings: GatewaySettings,
        _ connections: [ConnectionConfiguration],
        _ problems: Problems
    ) {
        let tunnels = connections.flatMap(\.tunnels)
        if let mtu = settings.mtu {
            check(
                Located(mtu, at: settings.location),
                settings,
                carriesIPv6: tunnels.contains(where: carriesIPv6),
                "gateway",
                problems
            )
        }
        for tunnel in tunnels {
            guard let mtu = tunnel.mtu.value else { continue }
            check(
                Located(mtu, at: tunnel.mtu.location),
                settings,
                carriesIPv6: carriesIPv6(tunnel),
                "tunnel \"\(tunnel.path)\"",
                problems
            )
        }
    }

    private static func check(
        _ mtu: Located<Int>,
        _ settings: GatewaySettings,
        carriesIPv6: Bool,
        _ subject: String,
        _ problems: Problems
    ) {
        if mtu.value >= settings.linkMTU {
            problems.error(
                at: mtu.location,
                "mtu \(mtu.value) of \(subject) leaves nothing of link-mtu \(settings.linkMTU) "
                    + "for ESP",
                hint: "write auto, or raise link-mtu if the path carries more"
            )
        } else if carriesIPv6, mtu.value < smallestForIPv6 {
            problems.error(
                at: mtu.location,
                "mtu \(mtu.value) of \(subject) is too small for the IPv6 networks of its tunnels",
                hint: "write auto, or \(smallestForIPv6) at least"
            )
        }
    }

    private static func carriesIPv6(_ tunnel: TunnelConfiguration) -> Bool {
        tunnel.local.contains { $0.value.version == .v6 }
    }
}
