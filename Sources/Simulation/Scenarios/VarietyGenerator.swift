internal import IPsecPrimitives

/// Kinds of things that came later than others: decided by dice of their own, so that a seed's other
/// decisions stay what they were.
struct VarietyGenerator {
    /// Gateways that give out tokens of crash detection.
    private static let tokensPerMille = 500

    private var dice: Dice

    init(seed: UInt64) { dice = Dice(seed: seed, stream: 6) }

    mutating func vary(_ scenario: inout Scenario) {
        for index in scenario.gateways.indices {
            let hasTokens = dice.chance(perMille: VarietyGenerator.tokensPerMille)
            scenario.gateways[index].detectsCrashes = hasTokens
        }
        for index in scenario.faults.indices {
            let keepsState = dice.chance(perMille: 500)
            guard case .crash(let gateway, _) = scenario.faults[index].kind else { continue }
            scenario.faults[index].kind = .crash(gateway, keepsState: keepsState)
        }
        for peering in scenario.peerings.indices {
            for tunnel in scenario.peerings[peering].tunnels.indices {
                let form = dice.pick(Form.allCases)
                guard dice.chance(perMille: 400), scenario.peerings[peering].mismatch != .selectors
                else { continue }
                scenario.peerings[peering].tunnels[tunnel].shape(form)
            }
            for place in 0...1 { vary(&scenario.peerings[peering], place) }
        }
        dropFragments(&scenario)
    }

    private mutating func vary(_ peering: inout PeeringPlan, _ place: Int) {
        let hasName = dice.chance(perMille: 250)
        let cuts = dice.chance(perMille: 850)
        // Where something is to be refused, nothing else should stand in the way.
        guard peering.mismatch == .none else { return }
        if hasName { peering.ends[place].peerName = "g\(peering.gateways[1 - place]).example.net" }
        if !cuts { peering.ends[place].fragmentSize = nil }
    }

    /// Fragments of IP that do not arrive: messages that are not cut (RFC 7383) stay away with them.
    private mutating func dropFragments(_ scenario: inout Scenario) {
        let count = dice.below(4)
        guard scenario.character != .lossFree, !scenario.peerings.isEmpty else { return }
        let last = Int((scenario.timeline.calm - VirtualTime.start) / .seconds(1)) - 60
        let first = (scenario.faults.map(\.number).max() ?? -1) + 1
        for number in 0..<count {
            let ends = dice.pick(scenario.peerings).gateways
            let isForward = dice.chance(perMille: 500)
            let time = VirtualTime.start + .milliseconds(dice.within(0...last * 1000))
            scenario.faults.append(
                PlannedFault(
                    number: first + number,
                    time: time,
                    end: time + .milliseconds(dice.within(5000...60_000)),
                    kind: .dropFragments(
                        from: ends[isForward ? 0 : 1],
                        to: ends[isForward ? 1 : 0]
                    )
                )
            )
        }
    }

    /// What a tunnel protects besides whole networks.
    enum Form: String, CaseIterable {
        case severalNetworks = "several networks"
        case range
        case transport = "protocol and port"
        case severalProtocols = "several protocols"
    }
}

extension TunnelPlan {
    /// Gives both ends other selectors, which fit one another. Precondition: each end has one network.
    fileprivate mutating func shape(_ form: VarietyGenerator.Form) {
        let near = ends[0].local[0]
        let far = ends[0].remote[0]
        switch form {
        case .severalNetworks: set([near, near.neighbour], [far, far.neighbour])
        case .range: set([near.range], [far.range])
        case .transport: set([near.with(17)], [far.with(17, port: 7777)])
        case .severalProtocols:
            set([near.with(132), near.with(17)], [far.with(132, port: 443), far.with(17)])
        }
        selectorForm = form.rawValue
    }

    private mutating func set(_ near: [SelectorPlan], _ far: [SelectorPlan]) {
        for end in 0...1 {
            ends[end].local = end == 0 ? near : far
            ends[end].remote = end == 0 ? far : near
        }
    }
}

extension SelectorPlan {
    /// Another network, which no tunnel has.
    fileprivate var neighbour: SelectorPlan {
        var result = self
        let offset: UInt128 = network.version == .v4 ? 100 << 16 : 0x1000 << 80
        result.network = IPPrefix(
            address: IPAddress(version: network.version, bits: network.first.bits + offset),
            length: network.length
        )!
        return result
    }

    /// Part of the network, whose ends are no network's.
    fileprivate var range: SelectorPlan {
        var result = self
        result.leftOutBefore = 5
        result.leftOutBehind = 30
        return result
    }

    fileprivate func with(_ ipProtocol: UInt8, port: UInt16 = 0) -> SelectorPlan {
        var result = self
        result.ipProtocol = ipProtocol
        result.port = port
        return result
    }
}
