package import Management

/// What the running gateway would do with a packet, for people.
package struct StandingText {
    private let standing: PacketStanding

    package init(_ standing: PacketStanding) {
        self.standing = standing
    }

    package var text: String {
        let lines =
            ["Now, by the gateway that runs (\(standing.file)):"] + leaving.map { "  \($0)" }
            + arriving.map { "  \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }

    private var leaving: [String] {
        var lines = ["leaving: \(decision)"]
        if let sa = standing.outbound {
            let which = sa.dscp.map { ", for DSCP \($0)," } ?? ","
            lines.append(
                "  it would be number \(sa.sequence &+ 1) of SA \(sa.spi)\(which) to \(end(sa.path))"
                    + (sa.limit.map { ", and fits if it has no more than \($0) bytes" } ?? "")
            )
        }
        if standing.isRemembered {
            lines.append("  such a packet passed lately: the flow is known")
        }
        if standing.decision == "acquire" {
            lines.append(
                "  no SA covers it: the tunnel is \(state), "
                    + "and \(count(standing.heldPackets, "packet")) wait for it"
            )
            if let failure = standing.lastFailure {
                lines.append("  what went wrong last:")
                lines += FailureText(failure).lines.map { "    \($0)" }
            }
        }
        return lines
    }

    private var decision: String {
        let place = standing.policy?.place.map { " (\($0))" } ?? ""
        let order = standing.policy?.order.map { "policy \($0)\(place)" } ?? "default-policy"
        return switch standing.decision {
        case "protect", "acquire":
            "\(order) protects it by tunnel \(standing.policy?.tunnel ?? "?")"
        case "discard": "\(order) discards it"
        case "bypass": "\(order) lets it pass in clear; it does not come to the packet path"
        case "routedIntoItself": "it would be routed into the tunnel that it carries"
        default: "no policy covers it"
        }
    }

    private var state: String {
        switch standing.tunnelState {
        case .waitingForTraffic: "waiting for traffic"
        case .some(let state): state.rawValue
        case nil: "unknown"
        }
    }

    private var arriving: [String] {
        guard !standing.inbound.isEmpty else {
            return ["arriving: no SA would let it in"]
        }
        return standing.inbound.map { sa in
            let drops = sa.drops.map { "\($0.packets) \($0.reason)" }.joined(separator: ", ")
            return "arriving: by SA \(sa.spi)"
                + (sa.tunnel.map { " of tunnel \($0)" } ?? "") + ", from \(end(sa.path)), which "
                + "has carried \(count(Int(clamping: sa.packets), "packet"))"
                + (drops.isEmpty ? "" : "; dropped: \(drops)")
        }
    }

    private func end(_ path: TraceEntry.Path) -> String {
        let carrier = path.carrier == "ip" ? "" : " in \(path.carrier.uppercased())"
        guard let port = path.remotePort else { return path.remote + carrier }
        let address = path.remote.contains(":") ? "[\(path.remote)]" : path.remote
        return "\(address):\(port)\(carrier)"
    }
}
