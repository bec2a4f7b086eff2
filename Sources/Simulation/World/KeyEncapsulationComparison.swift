/// Whether the stand-in for ML-KEM does what the library's does: who sends how much when must not
/// depend on it.
package enum KeyEncapsulationComparison {
    /// Of so many seeds one is compared, for it takes twice the time and more.
    private static let share: UInt64 = 25

    /// Runs a scenario; one of the share that comes to its end runs again with the library's ML-KEM.
    package static func outcome(of scenario: Scenario) -> Outcome {
        var outcome = World(scenario).run()
        guard outcome.violation == nil, scenario.seed % share == 0,
            !scenario.usesLibraryKeyEncapsulation, scenario.offersKeyEncapsulation
        else { return outcome }
        var other = scenario
        other.usesLibraryKeyEncapsulation = true
        outcome.compare(with: World(other).run())
        return outcome
    }
}

extension Outcome {
    fileprivate mutating func compare(with library: Outcome) {
        coverage.count("comparison", "library key encapsulation")
        if let found = library.violation {
            violation = Violation(
                checker: .encapsulation,
                text: "with the library's ML-KEM, \(found.checker.rawValue): \(found.text)",
                time: found.time
            )
        } else if library.shape != shape || library.events != events {
            violation = Violation(
                checker: .encapsulation,
                text: "with the library's ML-KEM something else happens",
                time: VirtualTime.start + virtualNanoseconds
            )
        }
    }
}

extension Scenario {
    fileprivate var offersKeyEncapsulation: Bool {
        peerings.contains { peering in
            let proposals =
                peering.ends.map(\.ikeProposals)
                + peering.tunnels.flatMap { $0.ends.map(\.espProposals) }
            return proposals.joined().contains { $0.contains("mlkem") }
        }
    }
}
