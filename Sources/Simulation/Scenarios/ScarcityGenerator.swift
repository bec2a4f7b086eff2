/// Gateways that take few Child SAs in one IKE SA, and answer more with NO_ADDITIONAL_SAS
/// (RFC 7296 §1.3); with dice of its own.
struct ScarcityGenerator {
    static let stream: UInt64 = 0x6c69_6d69_0000

    private var dice: Dice

    init(seed: UInt64) { dice = Dice(seed: seed, stream: ScarcityGenerator.stream) }

    mutating func add(to scenario: inout Scenario) {
        for index in scenario.gateways.indices {
            let limit = dice.within(1...3)
            if dice.chance(perMille: 50) { scenario.gateways[index].childLimit = limit }
        }
    }
}
