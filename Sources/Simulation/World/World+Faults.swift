internal import Configuration
internal import ConnectionControl
internal import IPsecPrimitives
internal import PacketProtection

// What goes wrong, as planned.
extension World {
    func begin(_ fault: PlannedFault) {
        trace.note(at: now) { "fault \(fault.number): \(fault.kind)" }
        coverage.count("fault", fault.kind.name)
        let index = scenario.faults.firstIndex { $0.number == fault.number }
        if let index { schedule(.faultEnds(index), at: fault.end) }
        switch fault.kind {
        case .partition(let from, let to): internet.block(from: from, to: to, true)
        case .crash(let gateway, let keepsState):
            if gateways[gateway].isRunning { stop(gateway) }
            if !keepsState { gateways[gateway].loseState() }
        case .restart(let gateway):
            if gateways[gateway].isRunning { close(gateway) }
        case .rebind(let gateway): internet.boxes[gateway]?.rebind()
        case .move(let gateway): move(gateway, fault)
        case .reload(let gateway, let peering, let change):
            reload(gateway, peering, change, isOver: false)
        case .dropFragments(let from, let to):
            internet.change(from: from, to: to) { $0.dropsFragments = true }
        case .burst(let from, let to, let loss):
            internet.change(from: from, to: to) { $0.lossPerMille += loss }
        case .takeDown(let gateway, let peering, let tunnel):
            guard let plan = scenario.peering(peering) else { return }
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
        case .wearOut(let peering, let tunnel):
            if let plan = scenario.peering(peering) { wearOut(plan, tunnel) }
        case .redirect(let plan): redirect(plan, isOver: false)
        case .changeSecret(let place, let peering): changeSecret(place, fault, of: peering)
        case .roam(let gateway, let roaming):
            roam(gateway, roaming)
            if let index, roaming == .handOver {
                schedule(.roamingHalf(index), at: now + (fault.end - now) / 2)
            }
        }
    }

    func end(_ fault: PlannedFault) {
        switch fault.kind {
        case .partition(let from, let to): internet.block(from: from, to: to, false)
        case .crash(let gateway, _): boot(gateway)
        case .restart(let gateway):
            // The daemon does not wait for ever.
            if gateways[gateway].isRunning, gateways[gateway].isClosing { stop(gateway) }
            boot(gateway)
        case .dropFragments(let from, let to):
            internet.change(from: from, to: to) { $0.dropsFragments = false }
        case .burst(let from, let to, let loss):
            internet.change(from: from, to: to) { $0.lossPerMille = max(0, $0.lossPerMille - loss) }
        case .takeDown(let gateway, let peering, let tunnel):
            bringUp(gateway, peering, tunnel, fault)
        case .reload(let gateway, let peering, let change):
            reload(gateway, peering, change, isOver: true)
        case .move(let gateway): moveBack(gateway)
        case .redirect(let plan): redirect(plan, isOver: true)
        case .changeSecret(let place, let peering): endOfSecret(place, of: peering)
        case .roam(let gateway, let roaming): roamBack(gateway, roaming)
        case .rebind, .bringUp, .wearOut: break
        }
    }

    private func bringUp(_ gateway: Int, _ peering: Int, _ tunnel: Int, _ fault: PlannedFault) {
        guard let plan = scenario.peering(peering) else { return }
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
