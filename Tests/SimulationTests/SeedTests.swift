import Simulation
import Testing

@Suite("Seeds")
struct SeedTests {
    @Test("a few seeds find nothing", arguments: 1...8)
    func seeds(seed: UInt64) {
        let outcome = World(ScenarioGenerator.scenario(seed: seed)).run()
        #expect(outcome.violation == nil, "\(outcome.violation?.line ?? "")")
    }

    // In each, an end is taken for a peer of another connection, and sent along its chain.
    @Test("who is sent on is known to the check", arguments: [170_003_084, 170_003_221])
    func redirectsAlongAChain(seed: UInt64) {
        let outcome = World(ScenarioGenerator.scenario(seed: seed)).run()
        #expect(outcome.violation == nil, "\(outcome.violation?.line ?? "")")
    }

    // The address in a REDIRECT that nothing protects is another when it arrives, and the nonce is not.
    @Test("where damage sends an end is known to the check", arguments: [410_012_341])
    func damagedRedirect(seed: UInt64) {
        let outcome = World(ScenarioGenerator.scenario(seed: seed)).run()
        #expect(outcome.violation == nil, "\(outcome.violation?.line ?? "")")
    }

    // One end falls silent just when two rekeyings have crossed.
    @Test("a crossing need not be settled while nothing gets through", arguments: [410_013_001])
    func crossingCutOff(seed: UInt64) {
        let outcome = World(ScenarioGenerator.scenario(seed: seed)).run()
        #expect(outcome.violation == nil, "\(outcome.violation?.line ?? "")")
    }

    // The peer moves behind a NAT between its CREATE_CHILD_SA and the key exchanges that follow.
    @Test("a child goes in UDP where the NAT came amid its key exchanges", arguments: [600_015_937])
    func translatedMeanwhile(seed: UInt64) {
        let outcome = World(ScenarioGenerator.scenario(seed: seed)).run()
        #expect(outcome.violation == nil, "\(outcome.violation?.line ?? "")")
    }

    // One peer claims the very name that is expected of another by mistake.
    @Test("whose name is whose mistake is known to the check", arguments: [600_020_724])
    func twoWrongNames(seed: UInt64) {
        let outcome = World(ScenarioGenerator.scenario(seed: seed)).run()
        #expect(outcome.violation == nil, "\(outcome.violation?.line ?? "")")
    }

    // Two ends that differ in something else, and a tunnel that a reload takes away from one of them.
    @Test("what a reload took away is refused for that", arguments: [760_029_844])
    func takenAway(seed: UInt64) {
        let outcome = World(ScenarioGenerator.scenario(seed: seed)).run()
        #expect(outcome.violation == nil, "\(outcome.violation?.line ?? "")")
    }

    // A NAT gives the mover another port while its new address is in question, and packets come by the old
    // way meanwhile.
    @Test("packets by the old way keep no end from asking", arguments: [920_008_820])
    func questionLost(seed: UInt64) {
        let outcome = World(ScenarioGenerator.scenario(seed: seed)).run()
        #expect(outcome.violation == nil, "\(outcome.violation?.line ?? "")")
    }
}
