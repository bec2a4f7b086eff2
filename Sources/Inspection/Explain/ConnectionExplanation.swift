internal import Configuration
internal import IPsecPrimitives

/// One connection and its tunnels in words.
struct ConnectionExplanation {
    private let connection: ConnectionConfiguration

    init(_ connection: ConnectionConfiguration) {
        self.connection = connection
    }

    var lines: [String] {
        connection.isManual ? manualLines : negotiatedLines
    }

    private var manualLines: [String] {
        let near = connection.localAddress.value?.description ?? "nowhere"
        var lines = [
            "Connection \(connection.name) (line \(connection.location.line)), manual keys",
            "  here  \(near)",
            "  there \(connection.remoteAddressText)",
            "  nothing is negotiated and no key is ever replaced; who records packets can send them "
                + "again",
            "  ESP \(encapsulation)",
        ]
        for tunnel in connection.tunnels {
            lines += TunnelExplanation(tunnel, peerIsKnown: true).lines
        }
        return lines
    }

    private var negotiatedLines: [String] {
        let near = connection.localAddress.value.map { "at \($0)" } ?? "at whichever address fits"
        let far = "at \(connection.remoteAddressText)"
        var lines = [
            "Connection \(connection.name) (line \(connection.location.line))",
            "  here  \(connection.localIdentity.value), \(near)",
            "  there \(peer), \(far)",
            "  both prove who they are by the secret in \(connection.secretFile?.value ?? "no file")",
            "  ESP \(encapsulation)",
            "  \(liveness)",
            "  the IKE SA lives \(connection.lifetime.value.configurationText); offered and "
                + "accepted for it:",
        ]
        lines += connection.ikeProposals.map { "    \($0.value)" }
        lines += TrafficExplanation.lines(connection.traffic, "its tunnels together").map {
            "  \($0)"
        }
        for tunnel in connection.tunnels {
            lines +=
                TunnelExplanation(tunnel, peerIsKnown: connection.canBegin)
                .lines
        }
        return lines
    }

    private var peer: String {
        connection.remoteIdentity.value == .any
            ? "whoever has the secret" : connection.remoteIdentity.value.description
    }

    private var encapsulation: String {
        switch connection.encapsulation.value {
        case .automatic: "travels as IP protocol 50, in UDP when there is a NAT between"
        case .udp: "always travels in UDP"
        case .esp: "always travels as IP protocol 50: no NAT may be between"
        }
    }

    private var liveness: String {
        let retransmission = connection.retransmission
        let seconds = retransmission.total.components.seconds
        guard let interval = connection.liveness.value else {
            return "a silent peer is not asked whether it is alive"
        }
        return "a peer silent for \(interval.configurationText) is asked whether it is alive, and "
            + "given up \(seconds)s later after \(count(retransmission.tries, "request"))"
    }
}

/// One tunnel in words.
struct TunnelExplanation {
    private let tunnel: TunnelConfiguration
    private let peerIsKnown: Bool

    init(_ tunnel: TunnelConfiguration, peerIsKnown: Bool) {
        self.tunnel = tunnel
        self.peerIsKnown = peerIsKnown
    }

    var lines: [String] {
        if let manual = tunnel.manualKeys { return lines(manual) }
        return [
            "  Tunnel \(tunnel.name) (line \(tunnel.location.line))",
            "    \(start)",
        ] + carriage + TrafficExplanation.lines(tunnel.traffic, "it").map { "    \($0)" } + [
            "    its keys live \(limits); offered and accepted for it:"
        ] + tunnel.espProposals.map { "      \($0.value)" }
            + tunnel.carriage.ahProposals.map { "      AH \($0.value)" }
    }

    private func lines(_ manual: ManualKeyConfiguration) -> [String] {
        let proposals =
            tunnel.espProposals.map { "\($0.value)" }
            + tunnel.carriage.ahProposals.map { "AH \($0.value)" }
        let ends = byteAndPacketLimits.joined(separator: " or ")
        return [
            "  Tunnel \(tunnel.name) (line \(tunnel.location.line))",
            "    its SAs are there as long as the gateway runs",
        ] + carriage + [
            "    \(proposals.joined()), SPIs \(manual.inbound.spi.value) in and "
                + "\(manual.outbound.spi.value) out",
            "    keys in " + manual.inbound.keyFiles.map(\.value).joined(separator: ", "),
            "    keys out " + manual.outbound.keyFiles.map(\.value).joined(separator: ", "),
        ] + (ends.isEmpty ? [] : ["    after \(ends) nothing passes any more"])
    }

    /// What is not ordinary.
    private var carriage: [String] {
        let carriage = tunnel.carriage
        var lines: [String] = []
        if carriage.mode.value == .transport {
            lines.append("transport mode: only what the two gateways send each other")
        }
        if !carriage.populated.value.isEmpty {
            lines.append("each \(carriage.populated.value) has an SA of its own")
        }
        if carriage.resources.value > 1 {
            lines.append("\(carriage.resources.value) SAs of the same traffic")
        }
        if carriage.isSpread.value {
            lines.append("several threads work on the packets of one SA")
        }
        for codePoints in carriage.codePointSets.value {
            lines.append("packets with DSCP \(codePoints) have an SA of their own")
        }
        if !carriage.compression.isEmpty {
            let words = carriage.compression.map(\.value.rawValue).joined(separator: ", ")
            lines.append("compressed where the peer agrees: \(words)")
        }
        if carriage.laterFragments.value {
            lines.append("later fragments go by the SA of the first where the peer agrees")
        }
        if carriage.padding.value == .refuse {
            lines.append("padding for traffic flow confidentiality is refused")
        }
        lines += hiding
        return lines.map { "    \($0)" }
    }

    /// What is done against the analysis of traffic.
    private var hiding: [String] {
        let carriage = tunnel.carriage
        if let train = carriage.train {
            let size =
                train.packetSize.value.map { "of \($0) bytes" } ?? "as long as the path allows"
            return [
                "IP-TFS: packets \(size), \(train.rate.value) bits a second, whatever it carries; "
                    + (train.isOptional.value
                        ? "without where the peer cannot do it" : "not without it")
            ]
        }
        var lines: [String] = []
        switch carriage.padTo.value {
        case .off: break
        case .mtu: lines.append("packets are padded to the longest that the path allows")
        case .bytes(let bytes): lines.append("packets are padded to \(bytes) bytes")
        }
        if let rate = carriage.dummiesPerSecond.value {
            lines.append("silences are filled with \(rate) dummy packets a second")
        }
        return lines
    }

    private var start: String {
        switch tunnel.start.value {
        case .onTraffic: "the first packet brings it up"
        case .atBoot: "comes up when the gateway starts"
        case .byHand:
            peerIsKnown
                ? "`cygnet up \(tunnel.path)`, or the peer, brings it up"
                : "the peer brings it up"
        }
    }

    private var limits: String {
        let limits = [tunnel.lifetime.value.configurationText] + byteAndPacketLimits
        return limits.count == 1 ? limits[0] : limits.joined(separator: " or ")
    }
    private var byteAndPacketLimits: [String] {
        [
            tunnel.lifetimeBytes.value.map { "\($0) bytes" },
            tunnel.lifetimePackets.value.map { "\($0) packets" },
        ].compactMap(\.self)
    }
}
