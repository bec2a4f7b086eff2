internal import IPsecPrimitives

/// Plans what goes wrong in a scenario.
struct FaultGenerator {
    private var dice: Dice

    init(seed: UInt64) { dice = Dice(seed: seed, stream: 2) }

    mutating func faults(for scenario: Scenario) -> [PlannedFault] {
        let share: Int
        switch scenario.character {
        case .lossFree: share = 4
        case .lossy: share = 6
        case .stormy, .hostile: share = 14
        }
        let count = dice.within(0...share * max(1, scenario.gateways.count / 2))
        let last = Int((scenario.timeline.calm - VirtualTime.start) / .seconds(1)) - 40
        return (0..<count).map { number in
            let time = VirtualTime.start + .milliseconds(dice.within(1000...last * 1000))
            let end = time + .milliseconds(dice.within(200...40_000))
            return PlannedFault(number: number, time: time, end: end, kind: kind(scenario))
        }
    }

    private mutating func kind(_ scenario: Scenario) -> FaultKind {
        let gateway = dice.below(scenario.gateways.count)
        // RFC 7296 §2.23: who is behind a NAT "SHOULD NOT do this type of dynamic address update",
        // so that of two such ends neither may move.
        let mayMove = scenario.peerings.allSatisfy { peering in
            !peering.gateways.contains(gateway)
                || peering.gateways.contains { scenario.gateways[$0].nat == nil }
        }
        let move = mayMove ? FaultKind.move(gateway) : .crash(gateway, keepsState: true)
        let peering = dice.pick(scenario.peerings)
        let tunnel = dice.below(peering.tunnels.count)
        let isForward = dice.chance(perMille: 500)
        let from = peering.gateways[isForward ? 0 : 1]
        let to = peering.gateways[isForward ? 1 : 0]
        let wearOut = FaultKind.wearOut(peering: peering.number, tunnel: tunnel)
        switch scenario.character {
        case .lossFree: return wearOut
        case .lossy:
            return dice.pick([
                wearOut, wearOut, .bringUp(from, peering: peering.number, tunnel: tunnel),
                .burst(from: from, to: to, lossPerMille: dice.within(300...1000)),
            ])
        case .stormy, .hostile:
            return dice.pick([
                wearOut, wearOut, .partition(from: from, to: to), .partition(from: from, to: to),
                .crash(gateway, keepsState: true), .crash(gateway, keepsState: true), move, move,
                .reload(from, peering: peering.number, dice.pick(FaultKind.Change.allCases)),
                .reload(from, peering: peering.number, dice.pick(FaultKind.Change.allCases)),
                .restart(gateway), mayMove ? .rebind(gateway) : .restart(gateway),
                .takeDown(from, peering: peering.number, tunnel: tunnel),
                .bringUp(from, peering: peering.number, tunnel: tunnel),
                .burst(from: from, to: to, lossPerMille: dice.within(300...1000)),
            ])
        }
    }
}
