internal import IPsecPrimitives

/// Tunnels with AH in the place of ESP, or in transport mode, where both ends want that, or one
/// alone; with dice of its own. No probes go by such tunnels: they are agreed on only.
struct CarriageGenerator {
    static let stream: UInt64 = 0x6361_7272_0000

    private var dice: Dice

    init(seed: UInt64) { dice = Dice(seed: seed, stream: CarriageGenerator.stream) }

    mutating func add(to scenario: inout Scenario) {
        guard dice.chance(perMille: 250) else { return }
        for index in scenario.peerings.indices {
            let carriage = dice.pick(Carriage.allCases)
            let fails = dice.chance(perMille: 200)
            guard dice.chance(perMille: 600), scenario.peerings[index].mismatch == .none,
                scenario.peerings[index].transport.word == "udp",
                !carriage.isTransport || !scenario.moves(scenario.peerings[index])
            else { continue }
            shape(index, carriage, fails: fails, &scenario)
        }
    }

    /// Changes the last tunnel of a peering, or all where it is to fail.
    private mutating func shape(
        _ index: Int,
        _ carriage: Carriage,
        fails: Bool,
        _ scenario: inout Scenario
    ) {
        var peering = scenario.peerings[index]
        let isTranslated = peering.gateways.contains { scenario.gateways[$0].nat != nil }
        // What a configuration forbids need not be tried.
        if carriage.hasHeader { for place in 0...1 { peering.ends[place].encapsulation = "auto" } }
        if fails || carriage.hasHeader && isTranslated {
            peering.tunnels.removeLast(peering.tunnels.count - 1)
            for fault in scenario.faults.indices {
                scenario.faults[fault].kind.takeFirstTunnel(of: peering.number)
            }
        }
        let last = peering.tunnels.count - 1
        if carriage.isTransport { peering.setTransport(last, scenario, dice.pick([0, 0, 17])) }
        if carriage.hasHeader { setHeader(&peering.tunnels[last]) }
        peering.tunnels[last].carriage = carriage
        for place in 0...1 where peering.ends[place].knowsPeer {
            // No traffic brings it up.
            peering.tunnels[last].ends[place].start = "at-boot"
        }
        let end = dice.below(2)
        if carriage.hasHeader, isTranslated {
            peering.mismatch = .headerInUDP
            for place in 0...1 { peering.tunnels[last].ends[place].espProposals = [] }
        } else if fails {
            if carriage.hasHeader {
                peering.mismatch = .header
                peering.tunnels[last].ends[end].headerProposals = []
                peering.tunnels[last].ends[end].espProposals = ["aes128gcm16"]
                peering.tunnels[last].ends[1 - end].espProposals = []
            } else if !isTranslated {
                // Behind a NAT the selectors differ too, and are what is named.
                peering.mismatch = .mode
                peering.tunnels[last].ends[end].isTransport = false
            }
        }
        scenario.peerings[index] = peering
    }

    /// Both ends have AH; one may have ESP as well, and prefer it.
    private mutating func setHeader(_ tunnel: inout TunnelPlan) {
        let proposals = dice.pick([
            ["sha256"], ["sha512", "sha256"], ["sha256-esn"], ["sha384-x25519"], ["aescmac-noesn"],
        ])
        let generous = dice.pick([0, 1, 2, 3])
        for place in 0...1 {
            tunnel.ends[place].headerProposals = proposals
            if place != generous { tunnel.ends[place].espProposals = [] }
        }
    }
}

extension PeeringPlan {
    /// RFC 7296 §2.23.1: between the gateways themselves, each by the addresses that it sees.
    fileprivate mutating func setTransport(_ index: Int, _ scenario: Scenario, _ number: Int) {
        for place in 0...1 {
            let own = scenario.gateways[gateways[place]].address
            let peer = scenario.gateways[gateways[1 - place]].publicAddress
            tunnels[index].ends[place].isTransport = true
            tunnels[index].ends[place].local = [SelectorPlan(host: own, UInt8(number))]
            tunnels[index].ends[place].remote = [SelectorPlan(host: peer, UInt8(number))]
        }
        tunnels[index].selectorForm = nil
    }
}

extension FaultKind {
    /// Of several tunnels of a peering, the first is left.
    fileprivate mutating func takeFirstTunnel(of number: Int) {
        switch self {
        case .takeDown(let gateway, number, _):
            self = .takeDown(gateway, peering: number, tunnel: 0)
        case .bringUp(let gateway, number, _):
            self = .bringUp(gateway, peering: number, tunnel: 0)
        case .wearOut(number, _): self = .wearOut(peering: number, tunnel: 0)
        default: break
        }
    }
}

extension SelectorPlan {
    fileprivate init(host: IPAddress, _ ipProtocol: UInt8) {
        self.init(network: IPPrefix(address: host, length: host.version.addressBits)!)
        self.ipProtocol = ipProtocol
    }
}

extension Scenario {
    /// Whether an end comes to an address that policies of transport mode do not have.
    fileprivate func moves(_ peering: PeeringPlan) -> Bool {
        faults.contains { fault in
            if case .move(let gateway) = fault.kind {
                peering.gateways.contains(gateway)
            } else {
                false
            }
        }
    }
}
