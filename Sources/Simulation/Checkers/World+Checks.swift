internal import Configuration
internal import ConnectionControl
internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

// Checks that look at the whole world.
extension World {
    /// Once a virtual second.
    func lookAround() {
        checkProbes()
        for gateway in gateways { fail(checkBypass(of: gateway)) }
    }

    /// The place of a tunnel in a gateway's policy database: tunnels stand there in the order of
    /// the configuration.
    private func policy(_ peering: PeeringPlan, _ tunnel: Int, at gateway: Int) -> PolicyIdentifier
    {
        var number = 0
        for other in scenario.peerings where other.gateways.contains(gateway) {
            if other.number == peering.number { break }
            number += other.tunnels.count
        }
        return PolicyIdentifier(rawValue: UInt32(number + tunnel))
    }

    /// Why packets of a tunnel cannot pass from a gateway to another; nil when they can.
    private func obstacle(_ peering: PeeringPlan, _ tunnel: Int, from: Int, to: Int) -> String? {
        let policy = policy(peering, tunnel, at: from)
        guard let spi = checks.associations.outboundSPI(from, policy) else {
            return "g\(from) has no SA to g\(to)"
        }
        guard checks.associations.accepts(spi, at: to) else {
            return "g\(from) sends to g\(to) by SPI \(spi), which that has not"
        }
        return nil
    }

    func checkConvergence() {
        for peering in scenario.peerings where peering.mismatch == .none {
            for (index, tunnel) in peering.tunnels.enumerated() {
                let ends = peering.gateways
                for (from, to) in [(ends[0], ends[1]), (ends[1], ends[0])] {
                    if let why = obstacle(peering, index, from: from, to: to) {
                        fail(.convergence, "\(peering.name)/\(tunnel.name) is not up: \(why)")
                    }
                }
            }
        }
    }

    /// After everybody was told to stop, nothing may be left.
    func checkTheEnd() {
        for gateway in gateways where gateway.isRunning {
            if !gateway.hasClosed {
                return fail(.leftovers, "\(gateway.plan.name) has not come to an end")
            }
            let status = gateway.controller?.engineStatus(at: instant)
            if let left = status?.ikeSAs.first {
                return fail(
                    .leftovers,
                    "\(gateway.plan.name) keeps an IKE SA of \(left.connection), \(left.stage)"
                )
            }
            if let left = checks.associations.associations[gateway.index].values.first {
                return fail(.leftovers, "\(gateway.plan.name) keeps \(left.identifier)")
            }
        }
        if let left = checks.secrets.survivor { fail(.secrets, "a key is left: \(left)") }
    }
}
