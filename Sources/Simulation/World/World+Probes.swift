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
            sendESP(datagram, of: gateway)
        }
        postEvents(of: gateway)
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
