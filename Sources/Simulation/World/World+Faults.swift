internal import Configuration
internal import ConnectionControl
internal import IPsecPrimitives
internal import PacketProtection

// What goes wrong, as planned.
extension World {
    func begin(_ fault: PlannedFault) {
        trace.note(at: now) { "fault \(fault.number): \(fault.kind)" }
        coverage.count("fault", fault.kind.name)
        schedule(
            .faultEnds(scenario.faults.firstIndex { $0.number == fault.number }!),
            at: fault.end
        )
        switch fault.kind {
        case .partition(let from, let to): internet.block(from: from, to: to, true)
        case .crash(let gateway):
            if gateways[gateway].isRunning { stop(gateway) }
        case .restart(let gateway):
            if gateways[gateway].isRunning { close(gateway) }
        case .rebind(let gateway): internet.boxes[gateway]?.rebind()
        case .move: break
        case .burst(let from, let to, let loss):
            internet.change(from: from, to: to) { $0.lossPerMille += loss }
        case .takeDown(let gateway, let peering, let tunnel):
            let plan = scenario.peerings[peering]
            control(
                .takeDown(
                    RequestToken(rawValue: UInt64(fault.number)),
                    connection: plan.name,
                    tunnel: plan.tunnels[tunnel].name
                ),
                at: gateway
            )
        case .bringUp(let gateway, let peering, let tunnel):
            bringUp(gateway, peering, tunnel, fault)
        case .wearOut(let peering, let tunnel): wearOut(scenario.peerings[peering], tunnel)
        }
    }

    func end(_ fault: PlannedFault) {
        switch fault.kind {
        case .partition(let from, let to): internet.block(from: from, to: to, false)
        case .crash(let gateway): boot(gateway)
        case .restart(let gateway):
            // The daemon does not wait for ever.
            if gateways[gateway].isRunning, gateways[gateway].isClosing { stop(gateway) }
            boot(gateway)
        case .burst(let from, let to, let loss):
            internet.change(from: from, to: to) { $0.lossPerMille = max(0, $0.lossPerMille - loss) }
        case .takeDown(let gateway, let peering, let tunnel):
            bringUp(gateway, peering, tunnel, fault)
        case .rebind, .move, .bringUp, .wearOut: break
        }
    }

    private func bringUp(_ gateway: Int, _ peering: Int, _ tunnel: Int, _ fault: PlannedFault) {
        let plan = scenario.peerings[peering]
        control(
            .bringUp(
                RequestToken(rawValue: 1 << 32 | UInt64(fault.number)),
                connection: plan.name,
                tunnel: plan.tunnels[tunnel].name
            ),
            at: gateway
        )
    }

    /// Both ends of a tunnel hear at the same time that its SAs are worn out.
    private func wearOut(_ peering: PeeringPlan, _ tunnel: Int) {
        let name = peering.tunnels[tunnel].name
        let path = TunnelPath(connection: peering.name, tunnel: name)
        for gateway in peering.gateways {
            guard let pair = gateways[gateway].controller?.pairs(of: path).first else { continue }
            schedule(
                .packetPath(
                    gateway,
                    life: gateways[gateway].life,
                    .softLifetimeReached(pair.outbound)
                ),
                at: now + dice.span(milliseconds: 0...40)
            )
        }
    }
}
