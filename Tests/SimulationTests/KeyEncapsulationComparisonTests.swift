import Testing

@testable import Simulation

@Suite("One run with the stand-in for ML-KEM, another with the library's")
struct KeyEncapsulationComparisonTests {
    /// The first seed that is compared.
    private func compared() throws -> Scenario {
        let scenarios = (1...100).lazy.map { ScenarioGenerator.scenario(seed: $0 * 25) }
        let first = scenarios.first { $0.offersKeyEncapsulation }
        return try #require(first)
    }

    private func run(_ scenario: Scenario) -> Outcome {
        World(scenario, trace: Trace(course: Course())).run()
    }

    @Test("they go alike")
    func alike() throws {
        let outcome = KeyEncapsulationComparison.outcome(of: try compared())
        #expect(outcome.violation == nil, "\(outcome.violation?.line ?? "")")
        #expect(outcome.coverage.counts["comparison library key encapsulation"] == 1)
    }

    @Test("a difference is told with its place and what happens there in either")
    func difference() throws {
        let scenario = try compared()
        var other = scenario
        // The tokens are in its first IKE_AUTH, whoever it is with.
        other.gateways[0].detectsCrashes.toggle()
        let own = run(scenario)
        #expect(KeyEncapsulationComparison.difference(of: run(scenario), own) == nil)
        let found = try #require(KeyEncapsulationComparison.difference(of: run(other), own))
        #expect(found.text.contains("is 'g0: "))
        #expect(found.text.contains("instead of 'g0: "))
        #expect(found.time < scenario.timeline.end)
    }

    @Test("a run that ends before the other differs from it")
    func shorter() {
        let step = Course.Step(time: 1, gateway: 0, what: "boot", octets: 0)
        var long = Course()
        long.add(step)
        let short = Course()
        #expect(long.parting(from: short)?.own == step)
        #expect(short.parting(from: long)?.others == step)
        #expect(long.parting(from: long) == nil)
    }

    /// What is sent depends on real randomness; what an attacker does to it must not, nor what comes
    /// of that.
    @Test("an attacker damages the same places, whatever is there")
    func damage() {
        var one = Attackers(ScenarioGenerator.scenario(seed: 3))
        var other = one
        for octet in UInt8.min...UInt8.max {
            let zeros = [UInt8](repeating: 0, count: 40)
            let octets = [UInt8](repeating: octet, count: 40)
            let left = one.damaged(zeros)
            let right = other.damaged(octets)
            #expect(zip(left, right).allSatisfy { $0 ^ $1 == octet } && left.count == right.count)
        }
    }
}
