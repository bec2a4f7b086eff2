/// Gateways that take few Child SAs in one IKE SA, and answer more with NO_ADDITIONAL_SAS
/// (RFC 7296 §1.3); with dice of its own.
struct ScarcityGenerator {
    static let stream: UInt64 = 0x6c69_6d69_0000

    private var dice: Dice

    init(seed: UInt64) { dice = Dice(seed: seed, stream: ScarcityGenerator.stream) }

    mutating func add(to scenario: inout Scenario) {
        for index in scenario.gateways.indices {
            let limit = dice.within(1...3)
            guard dice.chance(perMille: 50), canBeAsked(index, scenario) else { continue }
            scenario.gateways[index].childLimit = limit
        }
    }

    /// RFC 9329 §6.1: each IKE SA has a TCP connection of its own, and to whom none leads no other end
    /// can begin another IKE SA; its children are made anew when they have ended.
    private func canBeAsked(_ gateway: Int, _ scenario: Scenario) -> Bool {
        scenario.gateways[gateway].isReachable
            || scenario.peerings.allSatisfy { peering in
                !peering.gateways.contains(gateway) || peering.transport.word == "udp"
            }
    }
}
