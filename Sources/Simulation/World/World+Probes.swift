internal import IPsecPrimitives
internal import PacketProtection

// Hosts behind the gateways, which send to one another.
extension World {
    func sendProbe(_ flow: Int) {
        guard phase < .closing else { return }
        schedule(.probe(flow: flow), at: now + traffic.nextInterval(flow))
        let gateway = gateways[traffic.flows[flow].from]
        guard let path = gateway.path, !gateway.isClosing else { return }
        let isGuarded = mustArrive(flow)
        let packet = traffic.send(flow, at: now, isGuarded: isGuarded)
        let datagrams = path.send(packet, at: instant)
        for datagram in datagrams {
            if checks.isClear(datagram, traffic.mark) {
                fail(.clear, "a probe of flow \(traffic.flows[flow].name) leaves in clear")
            }
            checkClass(of: datagram, flow, by: gateway.index)
            sendESP(datagram, of: gateway)
        }
        postEvents(of: gateway)
    }

    /// Whether a probe leaves by the SA that is for its DSCP, or where there is none, by one for the
    /// rest.
    private func checkClass(of datagram: WireDatagram, _ flow: Int, by gateway: Int) {
        guard !traffic.flows[flow].codePoints.isEmpty, datagram.bytes.count >= 4,
            let taken = checks.associations.outbound(
                SPI(rawValue: datagram.bytes[..<4].reduce(0) { $0 << 8 | UInt32($1) }),
                to: datagram.destination.address,
                at: gateway
            ), let tunnel = taken.tunnel
        else { return }
        let usable = checks.associations.outbound(of: tunnel, at: gateway).filter {
            $0.activation > 0
        }
        let codePoint = traffic.codePoint(ofLast: flow)
        let isForIt = taken.codePoints.contains(codePoint)
        let isThere = usable.contains { $0.codePoints.contains(codePoint) }
        let isRestThere = usable.contains { $0.codePoints.isEmpty }
        guard isForIt == isThere, isForIt || taken.codePoints.isEmpty == isRestThere else {
            return fail(
                .classes,
                "g\(gateway) sends DSCP \(codePoint) of \(tunnel) by SPI \(taken.spi), which is for "
                    + "DSCP [\(taken.codePoints)]"
            )
        }
        if isForIt { coverage.count("classes", "by an SA of its own") }
    }

    /// Whether nothing may happen to a probe that is sent now.
    private func mustArrive(_ flow: Int) -> Bool {
        guard phase == .settled, now + .seconds(15) < scenario.timeline.closing else {
            return false
        }
        return scenario.peering(traffic.flows[flow].peering)?.mismatch == Mismatch.none
    }

    /// Where the daemon's guard stands, nothing that is to be protected is let past.
    func checkBypass(of gateway: SimulatedGateway) -> Violation? {
        guard let drops = gateway.path?.outboundSnapshot else { return nil }
        guard drops.dropCount(.policyBypass) == 0 else {
            return Violation(
                checker: .clear,
                text: "\(gateway.plan.name) would let a protected packet pass in clear",
                time: now
            )
        }
        return nil
    }

    func receiveInner(_ packet: [UInt8], at index: Int) {
        guard let arrival = traffic.arrived(packet, at: index, now) else {
            return fail(.probes, "\(gateways[index].plan.name) hands on a packet that nobody sent")
        }
        trace.mix(UInt64(arrival.flow) << 32 | UInt64(arrival.sequence))
        if let problem = arrival.problem { fail(.probes, problem) }
    }

    /// Looks for probes that should have arrived by now.
    func checkProbes() {
        for lost in traffic.overdue(at: now) { fail(.probes, lost) }
    }
}
