/// What a check found.
package struct Violation: Sendable {
    package let checker: Checker
    package let text: String
    let time: UInt64

    package var line: String { "\(VirtualTime.text(time)): \(checker.rawValue): \(text)" }
}

/// Names of the checks, as output has them.
package enum Checker: String, CaseIterable, Sendable {
    case setup
    case authentication
    case identity
    case agreement
    case selectors
    case reuse
    case window
    case rest
    case crossings
    case convergence
    case diagnosis
    case probes
    case paths
    case redirects
    case clear
    case bounds
    case leftovers
    case secrets
    case encapsulation
    case classes
}

/// How a run went.
package struct Outcome: Sendable {
    package let seed: UInt64
    package let character: Scenario.Character
    package internal(set) var violation: Violation?
    /// Of everything that happened: the same on any machine.
    package let hash: UInt64
    /// What `hash` is of, but for what is in the datagrams, where it was wanted.
    let course: Course?
    package let events: Int
    package let virtualNanoseconds: UInt64
    package internal(set) var coverage: Coverage
}

extension Outcome {
    /// One line: seed, character, events, hash, and what was violated.
    package var line: String {
        "seed \(seed) \(character.rawValue) \(events) \(String(hash, radix: 16))"
            + (violation.map { " " + $0.line } ?? "")
    }
}
