internal import ConnectionControl
internal import IPsecPrimitives

// Configurations that change while gateways run, and addresses that do.
extension World {
    func reload(_ index: Int, _ number: Int, _ change: FaultKind.Change, isOver: Bool) {
        guard let place = current.peerings.firstIndex(where: { $0.number == number }) else {
            return
        }
        let end = current.peerings[place].gateways[0] == index ? 0 : 1
        switch change {
        case .liveness where !isOver:
            current.peerings[place].ends[end].liveness = dice.within(5...20)
        case .lifetimes where !isOver:
            current.peerings[place].ends[end].ikeLifetime = dice.within(80...300)
            for tunnel in current.peerings[place].tunnels.indices {
                current.peerings[place].tunnels[tunnel].ends[end].lifetime = dice.within(60...150)
            }
        case .proposals where !isOver:
            // Another one at each end: where the two are not to agree, it must not be by this.
            let more = end == 0 ? "aes256-sha384-ecp384" : "aes256-sha512-ecp384"
            if current.peerings[place].ends[end].ikeProposals.last != more {
                current.peerings[place].ends[end].ikeProposals.append(more)
            } else {
                current.peerings[place].ends[end].ikeProposals.removeLast()
            }
        case .tunnel:
            // A connection without tunnels is none.
            guard let last = current.peerings[place].tunnels.indices.last, last > 0 else { return }
            current.peerings[place].tunnels[last].ends[end].isRemoved = !isOver
        default: return
        }
        reread(index)
    }

    /// The gateway reads its configuration again, if it runs.
    func reread(_ index: Int) {
        guard gateways[index].isRunning, !gateways[index].isClosing else { return }
        do {
            perform(try gateways[index].reload(current, at: instant), of: gateways[index])
        } catch {
            fail(.setup, error.text)
        }
    }

    /// The gateway, or its box, gets another address for a while. Peers do not hear of it.
    func move(_ gateway: Int, _ fault: PlannedFault) {
        let isV6 = internet.publicAddress(of: gateway).version == .v6
        let number = gateway * 16 + fault.number % 16 + 1
        let text = isV6 ? "2001:db8:aa::\(number)" : "203.0.113.\(number)"
        guard let address = IPAddress(text) else { return }
        internet.move(gateway, to: address)
        tellAddresses(of: gateway)
    }

    func moveBack(_ gateway: Int) {
        internet.move(gateway, to: scenario.gateways[gateway].publicAddress)
        tellAddresses(of: gateway)
    }
}
