internal import ConnectionControl
internal import IPsecPrimitives

// Gateways with two ways into the network (RFC 4555).
extension World {
    func countRoaming() {
        for gateway in scenario.gateways {
            guard let second = gateway.second else { continue }
            let isTranslated = second.nat != nil
            coverage.count("second way", isTranslated ? "behind a NAT" : "with the network")
            if gateway.roamsAlone { coverage.count("second way", "that begins alone") }
            for peering in scenario.peerings where peering.gateways.contains(gateway.index) {
                coverage.count("roaming", peering.hasMobility ? "with MOBIKE" : "without MOBIKE")
            }
        }
    }

    func roam(_ gateway: Int, _ roaming: FaultKind.Roaming) {
        internet.changeWays(of: gateway) { ways in
            switch roaming {
            case .gain: ways.isUp = true
            case .handOver:
                ways.isUp = true
                ways.isPreferred = true
            case .jump:
                ways.isFirstUp = false
                ways.isUp = true
            case .outage:
                ways.isFirstUp = false
                ways.isUp = false
            case .silence:
                ways.isUp = true
                ways.isFirstSilent = true
            }
        }
        tellAddresses(of: gateway)
    }

    /// The old way has been there long enough for the new one to take over.
    func roamOn(_ fault: PlannedFault) {
        guard case .roam(let gateway, .handOver) = fault.kind else { return }
        internet.changeWays(of: gateway) { ways in
            if ways.isUp, ways.isPreferred { ways.isFirstUp = false }
        }
        tellAddresses(of: gateway)
    }

    func roamBack(_ gateway: Int, _ roaming: FaultKind.Roaming) {
        internet.changeWays(of: gateway) { ways in
            ways.isFirstUp = true
            ways.isFirstSilent = false
            ways.isPreferred = false
            // After a hand-over the second stays, so that the way back loses nothing either.
            if roaming != .handOver { ways.isUp = false }
        }
        tellAddresses(of: gateway)
    }

    /// A gateway with two ways hears a moment later which addresses it has.
    func tellAddresses(of index: Int) {
        guard gateways[index].plan.second != nil, gateways[index].isRunning else { return }
        let delay = roamingDice.span(milliseconds: 1...400)
        schedule(.addresses(index, life: gateways[index].life), at: now + delay)
    }

    func hearAddresses(_ index: Int, _ life: Int) {
        guard gateways[index].life == life else { return }
        let addresses = internet.localAddresses(of: index)
        trace.note(at: now) { "g\(index) has \(addresses)" }
        control(.localAddressesChanged(addresses), at: index)
    }
}
