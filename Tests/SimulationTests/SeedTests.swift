import Simulation
import Testing

@Suite("Seeds")
struct SeedTests {
    @Test("a few seeds find nothing", arguments: 1...8)
    func seeds(seed: UInt64) {
        let outcome = World(ScenarioGenerator.scenario(seed: seed)).run()
        #expect(outcome.violation == nil, "\(outcome.violation?.line ?? "")")
    }
}
