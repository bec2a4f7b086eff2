/// Tunnels with an SA for each class of traffic, at both ends, in the same order or not, or at one end
/// alone; with dice of its own.
struct ClassGenerator {
    static let stream: UInt64 = 0x6473_6370_0000

    private static let sets: [[UInt8]] = [[46], [34, 36, 38], [8, 10]]

    private var dice: Dice

    init(seed: UInt64) { dice = Dice(seed: seed, stream: ClassGenerator.stream) }

    mutating func add(to scenario: inout Scenario) {
        guard dice.chance(perMille: 200) else { return }
        for index in scenario.peerings.indices {
            let count = dice.within(1...ClassGenerator.sets.count)
            let isTurned = dice.chance(perMille: 300)
            let without = dice.chance(perMille: 300) ? dice.below(2) : nil
            guard dice.chance(perMille: 700), scenario.peerings[index].mismatch == .none,
                // A gateway that takes few children has none for classes.
                scenario.peerings[index].gateways.allSatisfy({
                    scenario.gateways[$0].childLimit == nil
                })
            else { continue }
            let sets = Array(ClassGenerator.sets.prefix(count))
            for tunnel in scenario.peerings[index].tunnels.indices
            where scenario.peerings[index].tunnels[tunnel].carriage == nil {
                for place in 0...1 where place != without {
                    scenario.peerings[index].tunnels[tunnel].ends[place].classes =
                        isTurned && place == 1 ? sets.reversed() : sets
                }
            }
        }
    }
}
