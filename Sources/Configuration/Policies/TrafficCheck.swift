/// Refuses limits that would not hold, and warns of such that do nothing.
enum TrafficCheck {
    static func run(
        _ settings: GatewaySettings,
        _ connections: [ConnectionConfiguration],
        _ problems: Problems
    ) {
        checkGateway(settings, connections, problems)
        MarkCheck.run(settings, connections, problems)
        for connection in connections {
            if let traffic = connection.traffic {
                check(traffic, "connection \"\(connection.name)\"", settings, problems)
                checkOwners(traffic, connection, settings, problems)
            }
            for tunnel in connection.tunnels {
                if let traffic = tunnel.traffic {
                    check(traffic, "tunnel \"\(tunnel.path)\"", settings, problems)
                }
                checkPairs(tunnel, of: connection, settings, problems)
            }
        }
    }

    private static func checkGateway(
        _ settings: GatewaySettings,
        _ connections: [ConnectionConfiguration],
        _ problems: Problems
    ) {
        guard let traffic = settings.traffic else { return }
        guard traffic.rate.value == nil else {
            guard settings.workers != 1 else { return }
            return problems.error(
                at: traffic.rate.location,
                "several workers send each on their own, and none of them could keep the gateway's "
                    + "rate",
                hint: "write `workers: 1`, or give each tunnel a rate of its own"
            )
        }
        let isUsed = connections.contains { connection in
            connection.traffic != nil || connection.tunnels.contains { $0.traffic != nil }
        }
        if !isUsed {
            problems.warning(
                at: traffic.rate.location,
                "traffic classes without any rate: nothing waits here, so that none goes before "
                    + "another",
                hint: "write `rate:`, a little less than the link carries, here or in traffic of "
                    + "connections or tunnels"
            )
        }
    }

    private static func check(
        _ traffic: TrafficConfiguration,
        _ owner: String,
        _ settings: GatewaySettings,
        _ problems: Problems
    ) {
        let above = settings.traffic?.rate.value
        if traffic.rate.value == nil, above == nil {
            problems.error(
                at: traffic.rate.location,
                "traffic of \(owner) has no rate, nor has the gateway: nothing would ever wait, so "
                    + "that no class goes before another",
                hint: "write `rate: 100Mbit`, a little less than the way to the peer carries"
            )
        }
        if let rate = traffic.rate.value, let above, rate > above {
            problems.warning(
                at: traffic.rate.location,
                "\(owner) may have \(rate.rateText), more than the \(above.rateText) of the gateway",
                hint: "remove its rate, or lower it"
            )
        }
        if above == nil, traffic.weight.value != 1 {
            problems.warning(
                at: traffic.weight.location,
                "the weight of \(owner) is a share of the gateway's rate, and that has none",
                hint: "write `rate:` in traffic of the gateway, or remove the weight"
            )
        }
    }

    /// One limit for what several workers may carry would be kept by none of them.
    private static func checkOwners(
        _ traffic: TrafficConfiguration,
        _ connection: ConnectionConfiguration,
        _ settings: GatewaySettings,
        _ problems: Problems
    ) {
        if let tunnel = connection.tunnels.first(where: { $0.traffic != nil }),
            let own = tunnel.traffic
        {
            problems.error(
                at: own.rate.location,
                "traffic stands at connection \"\(connection.name)\" and at its tunnel "
                    + "\"\(tunnel.name)\": it is not clear which limit counts",
                hint: "write it at the connection, for its tunnels together, or at each tunnel"
            )
        }
        if settings.workers != 1, connection.tunnels.count > 1, traffic.rate.value != nil {
            problems.error(
                at: traffic.rate.location,
                "the \(connection.tunnels.count) tunnels of connection \"\(connection.name)\" may "
                    + "belong to several workers, and none of them could keep the rate of all",
                hint: "write `workers: 1`, or traffic at each tunnel"
            )
        }
    }

    private static func checkPairs(
        _ tunnel: TunnelConfiguration,
        of connection: ConnectionConfiguration,
        _ settings: GatewaySettings,
        _ problems: Problems
    ) {
        guard settings.workers != 1, tunnel.carriage.resources.value > 1,
            tunnel.traffic != nil || connection.traffic != nil
        else { return }
        problems.error(
            at: tunnel.carriage.resources.location,
            "the SAs of tunnel \"\(tunnel.path)\" belong to several workers, and none of them could "
                + "keep its rate",
            hint: "remove resources or traffic, or write `workers: 1`"
        )
    }
}
