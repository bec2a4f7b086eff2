internal import IPsecPrimitives

/// Gives one gateway of some scenarios a second way into the network, and plans when it is taken;
/// with dice of its own.
struct RoamingGenerator {
    static let stream: UInt64 = 0x726f_616d_0000

    private var dice: Dice

    init(seed: UInt64) { dice = Dice(seed: seed, stream: RoamingGenerator.stream) }

    mutating func add(to scenario: inout Scenario) {
        guard dice.chance(perMille: 300) else { return }
        let able = scenario.gateways.indices.filter { mayRoam($0, scenario) }
        guard !able.isEmpty else { return }
        let gateway = dice.pick(able)
        scenario.gateways[gateway].second = attachment(of: gateway, scenario)
        let isAlone = dice.chance(perMille: 600) && mayBeginAlone(gateway, scenario)
        scenario.gateways[gateway].roamsAlone = isAlone
        // Of one that takes few children its peers begin new IKE SAs, in which it cannot move by itself.
        if isAlone { scenario.gateways[gateway].childLimit = nil }
        for index in scenario.peerings.indices
        where scenario.peerings[index].gateways.contains(gateway) {
            setMobility(of: &scenario.peerings[index], gateway, beginsAlone: isAlone)
            // Who takes few children in an IKE SA is asked for another, and takes none from an
            // address that it does not know.
            let peer = scenario.peerings[index].other(than: gateway)
            if scenario.peerings[index].end(of: peer).knowsPeer {
                scenario.gateways[peer].childLimit = nil
            }
        }
        plan(gateway, isAlone: isAlone, &scenario)
    }

    /// TCP follows a gateway in a way of its own, transport mode and AH cannot follow everywhere, and
    /// where ends are to disagree, nothing else should stand in the way.
    private func mayRoam(_ gateway: Int, _ scenario: Scenario) -> Bool {
        let own = scenario.peerings.filter { $0.gateways.contains(gateway) }
        return !own.isEmpty
            && own.allSatisfy { peering in
                peering.transport.word == "udp" && peering.mismatch == .none
                    && peering.tunnels.allSatisfy { $0.carriage == nil }
            }
    }

    private mutating func attachment(of gateway: Int, _ scenario: Scenario) -> AttachmentPlan {
        let isV6 = scenario.gateways[gateway].publicAddress.version == .v6
        let text = isV6 ? "2001:db8:5e::\(gateway + 1)" : "198.18.0.\(gateway + 1)"
        var plan = AttachmentPlan(address: IPAddress(text)!)
        guard dice.chance(perMille: 400), !isV6 else { return plan }
        plan.nat = NATPlan(
            publicAddress: plan.address,
            isOpen: dice.chance(perMille: 500),
            forwards: dice.chance(perMille: 300),
            timeout: .seconds(dice.within(40...120))
        )
        plan.address = IPAddress("192.168.\(100 + gateway).1")!
        return plan
    }

    /// Whether a gateway can be the one that begins all its IKE SAs, as a notebook is, which nobody
    /// calls: each peer lets it come from anywhere, and so can have but one of the kind.
    private func mayBeginAlone(_ gateway: Int, _ scenario: Scenario) -> Bool {
        scenario.peerings.filter { $0.gateways.contains(gateway) }.allSatisfy { peering in
            let peer = peering.other(than: gateway)
            return scenario.gateways[peer].isReachable
                && scenario.peerings.allSatisfy { other in
                    !other.gateways.contains(peer)
                        || other.mismatch == .none
                            && (other.number == peering.number || other.end(of: peer).knowsPeer)
                }
        }
    }

    private mutating func setMobility(
        of peering: inout PeeringPlan,
        _ gateway: Int,
        beginsAlone: Bool
    ) {
        let own = peering.gateways[0] == gateway ? 0 : 1
        for place in 0...1 {
            let words = ["true", "true", "auto"] + (beginsAlone ? [] : ["false"])
            peering.ends[place].mobike = dice.pick(words)
        }
        guard beginsAlone else { return }
        peering.ends[1 - own].knowsPeer = false
        peering.ends[1 - own].peerName = nil
        peering.ends[own].knowsPeer = true
        for tunnel in peering.tunnels.indices {
            peering.tunnels[tunnel].ends[1 - own].start = "by-hand"
            peering.tunnels[tunnel].ends[own].start = dice.pick(["at-boot", "on-traffic"])
        }
    }

    private mutating func plan(_ gateway: Int, isAlone: Bool, _ scenario: inout Scenario) {
        var number = (scenario.faults.map(\.number).max() ?? -1) + 1
        func add(_ time: UInt64, _ end: UInt64, _ roaming: FaultKind.Roaming) {
            scenario.faults.append(
                PlannedFault(number: number, time: time, end: end, kind: .roam(gateway, roaming))
            )
            number += 1
        }
        let last = Int((scenario.timeline.calm - VirtualTime.start) / .seconds(1)) - 60
        for _ in 0..<dice.within(1...4) {
            let time = VirtualTime.start + .milliseconds(dice.within(5000...last * 1000))
            let end = time + .milliseconds(dice.within(2000...60_000))
            add(time, end, dice.pick(FaultKind.Roaming.allCases))
        }
        // On the calm network: no packet may be lost, for one of the ways is always there.
        guard isAlone else { return }
        let time = scenario.timeline.settled + .milliseconds(dice.within(5000...25_000))
        add(time, time + .milliseconds(dice.within(30_000...40_000)), .handOver)
    }
}
