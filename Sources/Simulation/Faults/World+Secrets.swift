internal import ConnectionControl
internal import IPsecPrimitives

// A new secret, which one end reads while it begins an IKE SA, and the other a moment later.
extension World {
    func changeSecret(_ place: Int, _ fault: PlannedFault, of number: Int) {
        guard let index = current.peerings.firstIndex(where: { $0.number == number }) else {
            return
        }
        let plan = current.peerings[index]
        let gateway = plan.gateways[place]
        for end in 0...1 { current.peerings[index].ends[end].secret += "+" }
        for (order, isUp) in [false, true].enumerated() {
            let token = RequestToken(rawValue: UInt64(3 + order) << 32 | UInt64(fault.number))
            let (name, tunnel) = (plan.name, plan.tunnels[0].name)
            control(
                isUp
                    ? .bringUp(token, connection: name, tunnel: tunnel)
                    : .takeDown(token, connection: name, tunnel: nil),
                at: gateway
            )
        }
        let way = internet.roundTrip(gateway, plan.other(than: gateway)) ?? .seconds(1)
        let delay = secretDice.next() % (3 * way + 1)
        schedule(.reread(gateway, life: gateways[gateway].life), at: now + delay)
    }

    func endOfSecret(_ place: Int, of number: Int) {
        guard let plan = current.peerings.first(where: { $0.number == number }) else { return }
        for gateway in [plan.gateways[1 - place], plan.gateways[place]] { reread(gateway) }
        // Whatever else was taken down comes back.
        for tunnel in plan.tunnels {
            control(
                .bringUp(
                    RequestToken(rawValue: 5 << 32 | UInt64(number)),
                    connection: plan.name,
                    tunnel: tunnel.name
                ),
                at: plan.gateways[place]
            )
        }
    }
}
