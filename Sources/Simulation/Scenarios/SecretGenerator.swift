internal import IPsecPrimitives

/// Plans secrets that change while an IKE SA is being made; with dice of its own.
struct SecretGenerator {
    static let stream: UInt64 = 0x7363_6172_0000

    private var dice: Dice

    init(seed: UInt64) { dice = Dice(seed: seed, stream: SecretGenerator.stream) }

    mutating func add(to scenario: inout Scenario) {
        guard dice.chance(perMille: 100) else { return }
        let able = scenario.peerings.filter { peering in
            peering.mismatch == .none && peering.ends.contains { $0.knowsPeer }
        }
        guard !able.isEmpty else { return }
        let last = Int((scenario.timeline.calm - VirtualTime.start) / .seconds(1)) - 40
        for _ in 0..<dice.within(1...3) {
            let peering = dice.pick(able)
            let knowing = [0, 1].filter { peering.ends[$0].knowsPeer }
            let time = VirtualTime.start + .milliseconds(dice.within(20_000...last * 1000))
            scenario.faults.append(
                PlannedFault(
                    number: (scenario.faults.map(\.number).max() ?? -1) + 1,
                    time: time,
                    end: time + .milliseconds(dice.within(0...2000)),
                    kind: .changeSecret(dice.pick(knowing), peering: peering.number)
                )
            )
        }
    }
}
