package import Management

/// The gateway's status for people, as `cygnet status` prints it.
package struct StatusText {
    private let status: GatewayStatus

    package init(_ status: GatewayStatus) {
        self.status = status
    }

    package var text: String {
        let guardText =
            switch status.guardState {
            case .set: "set"
            case .lifted: "LIFTED: protected traffic may leave in clear"
            case .incomplete: "INCOMPLETE: protected traffic may leave in clear"
            }
        var lines = [
            "Cygnet \(status.version), up \(age(status.uptimeSeconds)), "
                + "\(status.interface.name) with MTU \(status.interface.mtu), packets by "
                + status.interface.packetCipher,
            "configuration \(status.configurationFile), guard \(guardText)",
        ]
        lines += status.ike.map(describe) ?? []
        lines += describe(status.workers ?? [])
        for connection in status.connections { lines += [""] + describe(connection) }
        if let traffic = status.traffic { lines += [""] + TrafficText(traffic).lines }
        if !status.drops.isEmpty {
            lines += ["", "Dropped"]
            let width = status.drops.map { String($0.packets).count }.max() ?? 0
            lines += status.drops.map { "  \(pad(String($0.packets), width)) \($0.reason)" }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What was never needed is not told of.
    private func describe(_ ike: IKECounts) -> [String] {
        var lines = [
            "IKE: \(ike.messagesReceived) messages received, \(ike.messagesSent) sent"
                + told(ike.retransmissions, "of them again")
                + told(ike.answersRepeated, "answers repeated")
                + told(UInt64(max(0, ike.halfOpen)), "half-open SAs")
        ]
        if ike.cookiesDemanded + ike.puzzlesDemanded > 0 {
            lines.append(
                "  demanded \(ike.cookiesDemanded) cookies (\(ike.cookiesReturned) came back) and "
                    + "\(ike.puzzlesDemanded) puzzles (\(ike.puzzlesSolved) solved)"
            )
        }
        if ike.cookiesShown > 0 {
            lines.append(
                "  peers demanded \(ike.cookiesShown) cookies, and \(ike.puzzlesWorkedOut) puzzles "
                    + "were solved for them"
            )
        }
        return lines
    }

    /// One alone has nothing to tell that the tunnels do not, unless it is helped.
    private func describe(_ workers: [WorkerStatus]) -> [String] {
        guard workers.count > 1 || workers.contains(where: { $0.helped > 0 }) else { return [] }
        return [workers.count == 1 ? "1 worker" : "\(workers.count) workers"]
            + workers.map { worker in
                "  \(worker.number)"
                    + (worker.processor.map { " on processor \($0)" } ?? "")
                    + ": read \(traffic(worker.read)); sent \(traffic(worker.sent)); "
                    + "received \(traffic(worker.received)); wrote \(traffic(worker.written))"
                    + told(worker.handedOver, "handed over")
                    + told(worker.takenOver, "taken over")
                    + told(worker.helped, "sealed or opened by other threads")
            }
    }

    private func told(_ count: UInt64, _ what: String) -> String {
        count == 0 ? "" : ", \(count) \(what)"
    }

    private func describe(_ connection: ConnectionStatus) -> [String] {
        var lines = ["\(connection.name): \(connection.state.rawValue)"]
        let near = connection.localAddress.map { " at \($0)" } ?? ""
        let far = connection.remoteAddress.map { " at \($0)" } ?? ""
        if let sa = connection.ikeSA {
            lines += [
                "  here  \(connection.localIdentity), \(sa.localEndpoint), the \(sa.role.rawValue)",
                "  there \(sa.remoteIdentity), \(sa.remoteEndpoint)" + nat(sa.nat)
                    + (sa.transport == .tcp ? ", by TCP" : ""),
                "  IKE   \(sa.algorithms), \(times(sa.ageSeconds, sa.rekeyInSeconds))"
                    + (sa.resumed == true ? ", resumed" : ""),
                "        SPIs \(sa.initiatorSPI) \(sa.responderSPI)",
            ]
            lines += abilities(sa)
        } else {
            lines += [
                "  here  \(connection.localIdentity)\(near)",
                "  there \(connection.remoteIdentity)\(far)",
            ]
        }
        for tunnel in connection.tunnels { lines += describe(tunnel) }
        if let failure = connection.lastFailure {
            lines.append("  last failure, \(age(failure.ageSeconds)) ago:")
            lines += FailureText(failure).lines.map { "    " + $0 }
        }
        return lines
    }

    /// What the two ends have agreed on besides algorithms.
    private func abilities(_ sa: IKESAStatus) -> [String] {
        var words: [String] = []
        if sa.ppk == true { words.append("keys with a PPK") }
        if let size = sa.fragmentSize { words.append("fragments above \(size) bytes") }
        if let window = sa.window, window > 1 { words.append("window \(window)") }
        // Told by the size already.
        words += (sa.extensions ?? []).filter { $0 != "fragmentation" }
        return words.isEmpty ? [] : ["        with " + words.joined(separator: ", ")]
    }

    private func nat(_ position: IKESAStatus.NATPosition) -> String {
        switch position {
        case .none: ""
        case .local: ", this end behind NAT"
        case .remote: ", that end behind NAT"
        case .both: ", both ends behind NAT"
        }
    }

    private func describe(_ tunnel: TunnelStatus) -> [String] {
        let state =
            tunnel.state == .waitingForTraffic ? "waiting for traffic" : tunnel.state.rawValue
        var lines = [
            "  \(tunnel.name): \(state)",
            "    \(tunnel.localSelectors.joined(separator: ", ")) <-> "
                + tunnel.remoteSelectors.joined(separator: ", "),
        ]
        if let interface = tunnel.interface {
            lines.append(
                "    by interface \(interface.name) with MTU \(interface.mtu): "
                    + "in \(traffic(interface.received)); out \(traffic(interface.sent))"
                    + told(interface.dropped, "dropped there")
            )
            lines += interface.problem.map { ["    \($0)"] } ?? []
        }
        for sa in tunnel.securityAssociations {
            let traits = sa.traits ?? []
            lines.append(
                "    \(traits.contains("AH") ? "AH" : "ESP") \(sa.algorithms)"
                    + (sa.udpEncapsulation ? " in UDP" : "")
                    + traits.filter { $0 != "AH" }.map { ", \($0)" }.joined() + ", "
                    + times(sa.ageSeconds, sa.rekeyInSeconds)
                    + (sa.isOutbound ? "" : ", for receiving only")
            )
            // The peer may have agreed to less than the tunnel asks for.
            if sa.localSelectors != tunnel.localSelectors
                || sa.remoteSelectors != tunnel.remoteSelectors
            {
                lines.append(
                    "      carries \(sa.localSelectors.joined(separator: ", ")) <-> "
                        + sa.remoteSelectors.joined(separator: ", ")
                )
            }
            lines += [
                "      in  \(sa.inboundSPI) \(traffic(sa.inbound))",
                "      out \(sa.outboundSPI) \(traffic(sa.outbound))",
            ]
            if let largest = sa.largestPacket, let path = sa.pathMTU {
                lines.append("      packets of up to \(largest) bytes, \(path) on the way")
            }
            lines += sa.trafficFlow.map { TrafficFlowText($0).lines } ?? []
            if let compression = sa.compression {
                lines.append(
                    "      compressed: \(compression.sent) packets out, "
                        + "\(StatusText.size(compression.savedSending)) saved; \(compression.received) in, "
                        + "\(StatusText.size(compression.savedReceiving)) saved"
                )
            }
            if let drops = sa.drops, !drops.isEmpty {
                let counts = drops.map { "\($0.packets) \($0.reason)" }
                lines.append("      dropped " + counts.joined(separator: ", "))
            }
        }
        return lines
    }

    private func times(_ elapsed: Double, _ rekey: Double?) -> String {
        "\(age(elapsed)) old" + (rekey.map { ", rekey in \(age($0))" } ?? "")
    }

    private func traffic(_ count: TrafficCount) -> String {
        "\(count.packets) packets, \(StatusText.size(count.bytes))"
    }
}

/// A failure and its remedy for people.
package struct FailureText {
    private let failure: FailureStatus

    package init(_ failure: FailureStatus) {
        self.failure = failure
    }

    package var lines: [String] {
        var lines = [failure.summary]
        lines += failure.offered.map { "offered:  \($0)" }
        lines += failure.accepted.map { "accepted: \($0)" }
        if let nearest = failure.nearest { lines.append("nearest:  \(nearest)") }
        if let place = failure.configurationLine { lines.append("see:      \(place)") }
        if let remedy = failure.remedy { lines.append("remedy:   \(remedy)") }
        return lines
    }
}

/// `45s`, `12m 5s`, `3h 4m`, `2d 3h`.
private func age(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "?" }
    let whole = Int(seconds)
    switch whole {
    case ..<60: return "\(whole)s"
    case ..<3600: return "\(whole / 60)m \(whole % 60)s"
    case ..<86_400: return "\(whole / 3600)h \(whole % 3600 / 60)m"
    default: return "\(whole / 86_400)d \(whole % 86_400 / 3600)h"
    }
}

extension StatusText {
    /// Bytes with three digits that count: `1.46 GiB`.
    static func size(_ bytes: UInt64) -> String {
        var value = Double(bytes)
        var unit = "bytes"
        for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] where value >= 1024 {
            value /= 1024
            unit = next
        }
        if unit == "bytes" { return "\(bytes) bytes" }
        let hundredths = Int((value * 100).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) \(unit)"
    }
}

private func pad(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}
