/// Whether the stand-in for ML-KEM does what the library's does: who sends how much when must not
/// depend on it.
package enum KeyEncapsulationComparison {
    /// Of so many seeds one is compared, for it takes twice the time and more.
    private static let share: UInt64 = 25

    /// Runs a scenario; one of the share that comes to its end runs again with the library's ML-KEM.
    package static func outcome(of scenario: Scenario) -> Outcome {
        guard scenario.seed % share == 0, !scenario.usesLibraryKeyEncapsulation,
            scenario.offersKeyEncapsulation
        else { return World(scenario).run() }
        var outcome = World(scenario, trace: Trace(course: Course())).run()
        guard outcome.violation == nil else { return outcome }
        var other = scenario
        other.usesLibraryKeyEncapsulation = true
        outcome.coverage.count("comparison", "library key encapsulation")
        let library = World(other, trace: Trace(course: Course())).run()
        outcome.violation = difference(of: library, outcome)
        return outcome
    }

    /// What is wrong with a run by the library's ML-KEM, and where it parts from the other; nil where
    /// nothing is. Precondition: both have their course.
    static func difference(of library: Outcome, _ standIn: Outcome) -> Violation? {
        let parting = library.course.flatMap { standIn.course?.parting(from: $0) }
        // A violation may follow from what differs, and not show where it began.
        if parting == nil, library.violation == nil { return nil }
        let place = parting.map { parting in
            "; step \(parting.place) is '\(parting.others?.text ?? "the end")' instead of "
                + "'\(parting.own?.text ?? "the end")'"
        }
        let times = [parting?.own?.time, parting?.others?.time, library.violation?.time]
        return Violation(
            checker: .encapsulation,
            text: "with the library's ML-KEM something else happens" + (place ?? "")
                + (library.violation.map { "; \($0.line)" } ?? ""),
            time: times.compactMap(\.self).min() ?? VirtualTime.start
        )
    }
}

extension Scenario {
    var offersKeyEncapsulation: Bool {
        peerings.contains { peering in
            let proposals =
                peering.ends.map(\.ikeProposals)
                + peering.tunnels.flatMap { $0.ends.map(\.espProposals) }
            return proposals.joined().contains { $0.contains("mlkem") }
        }
    }
}
