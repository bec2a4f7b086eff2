internal import IPsecPrimitives

/// A gateway's configuration file, as a person would write it.
enum ConfigurationText {
    static func text(for gateway: Int, of scenario: Scenario) -> String {
        let plan = scenario.gateways[gateway]
        var lines = [
            "gateway:", "  default-policy: discard", "  cookie-threshold: \(plan.cookieThreshold)",
            "  crash-detection: \(plan.detectsCrashes)", "connections:",
        ]
        for peering in scenario.peerings where peering.isConfigured(at: gateway) {
            lines += connection(peering, gateway, scenario)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func connection(
        _ peering: PeeringPlan,
        _ gateway: Int,
        _ scenario: Scenario
    ) -> [String] {
        let end = peering.end(of: gateway)
        let other = scenario.gateways[peering.other(than: gateway)]
        let address = end.peerName ?? "\"\(other.publicAddress)\""
        let remote = end.knowsPeer ? "address: \(address), " : ""
        var lines = [
            "  \(peering.name):", "    local: {id: \(end.localIdentity)}",
            "    remote: {\(remote)id: \(end.remoteIdentity)}",
            "    secret-file: \(peering.name).secret",
            "    ike-proposals: [\(end.ikeProposals.joined(separator: ", "))]",
            "    encapsulation: \(end.encapsulation)", "    liveness: \(end.liveness)s",
            "    retransmission: {initial: \(end.firstRetransmission)ms, factor: 1.8, "
                + "tries: \(end.tries)}",
            "    ike-lifetime: \(end.ikeLifetime)s", "    keepalive: \(end.keepalive)s",
            "    window: \(end.window)",
            "    fragment-size: \(end.fragmentSize.map(String.init) ?? "off")",
        ]
        if end.resumes { lines.append("    resumption: true") }
        if !end.follows { lines.append("    follow-redirects: false") }
        if let plan = peering.redirecting,
            let target = plan.steps.first(where: { $0.gateway == gateway })?.target
        {
            lines.append("    redirect-to: \(target)")
            lines.append("    redirect-when: \(plan.isProven ? "proven" : "first")")
        }
        if let mobike = end.mobike { lines.append("    mobike: \(mobike)") }
        if peering.transport.word != "udp" {
            lines.append("    transport: \(peering.transport.word)")
        }
        if peering.transport.word == "auto" {
            lines.append("    udp-retry: \(peering.transport.udpRetry)s")
        }
        lines.append("    tunnels:")
        let place = peering.place(of: gateway)
        for tunnel in peering.tunnels where !tunnel.ends[place].isRemoved {
            var end = tunnel.ends[place]
            // Who stands in for others waits for those who are sent.
            if !peering.gateways.contains(gateway) { end.start = "by-hand" }
            lines += self.tunnel(tunnel, end)
        }
        return lines
    }

    private static func tunnel(_ tunnel: TunnelPlan, _ end: TunnelEndPlan) -> [String] {
        var lines = [
            "      \(tunnel.name):", "        local: [\(list(end.local))]",
            "        remote: [\(list(end.remote))]", "        start: \(end.start)",
            "        lifetime: \(end.lifetime)s",
        ]
        if !end.espProposals.isEmpty {
            lines.append("        esp-proposals: [\(end.espProposals.joined(separator: ", "))]")
        }
        if !end.headerProposals.isEmpty {
            lines.append("        ah-proposals: [\(end.headerProposals.joined(separator: ", "))]")
        }
        if end.isTransport { lines.append("        mode: transport") }
        if !end.classes.isEmpty {
            let sets = end.classes.map { "[" + $0.map(String.init).joined(separator: ", ") + "]" }
            lines.append("        sa-per-dscp: [\(sets.joined(separator: ", "))]")
        }
        if let packets = end.lifetimePackets {
            lines.append("        lifetime-packets: \(packets)")
        }
        return lines
    }

    private static func list(_ selectors: [SelectorPlan]) -> String {
        selectors.map(\.text).joined(separator: ", ")
    }
}
