/// Tunnels whose SAs are worn out by packets and not by time; with dice of its own.
///
/// A soft limit that is not told of lets the SA run dry, and its last packets are lost.
struct WearGenerator {
    static let stream: UInt64 = 0x7765_6172_0000
    /// Longer than a run: nothing but packets wears such an SA out.
    private static let lifetime = 3600

    private var dice: Dice

    init(seed: UInt64) { dice = Dice(seed: seed, stream: WearGenerator.stream) }

    mutating func add(to scenario: inout Scenario) {
        for peering in scenario.peerings.indices {
            for tunnel in scenario.peerings[peering].tunnels.indices {
                let packets = dice.within(200...300)
                guard dice.chance(perMille: 150),
                    scenario.peerings[peering].tunnels[tunnel].carriage == nil
                else { continue }
                for end in 0...1 {
                    scenario.peerings[peering].tunnels[tunnel].ends[end].lifetime =
                        WearGenerator.lifetime
                    scenario.peerings[peering].tunnels[tunnel].ends[end].lifetimePackets = packets
                }
            }
        }
    }
}
