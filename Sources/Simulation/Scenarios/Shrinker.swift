/// Leaves out of a failing scenario whatever the failure does not need.
package struct Shrinker {
    private let scenario: Scenario
    private let checker: Checker
    private(set) var omissions = Omissions()
    package private(set) var runs = 0

    private static let runLimit = 400

    package init(_ scenario: Scenario, checker: Checker) {
        self.scenario = scenario
        self.checker = checker
    }

    package mutating func shrink() -> Omissions {
        attempt { $0.attackers = true }
        attempt { $0.badNetwork = true }
        shorten()
        leaveOutFaults()
        for peering in scenario.peerings { attempt { $0.peerings.insert(peering.number) } }
        leaveOutFaults()
        attempt { $0.badNetwork = true }
        shorten()
        return omissions
    }

    /// Keeps the change if the same check still fails.
    @discardableResult
    private mutating func attempt(_ change: (inout Omissions) -> Void) -> Bool {
        var candidate = omissions
        change(&candidate)
        guard candidate != omissions, runs < Shrinker.runLimit else { return false }
        let smaller = scenario.without(candidate)
        guard !smaller.peerings.isEmpty else { return false }
        runs += 1
        let outcome = KeyEncapsulationComparison.outcome(of: smaller)
        guard outcome.violation?.checker == checker else { return false }
        omissions = candidate
        return true
    }

    private mutating func shorten() {
        for seconds in [10, 30, 60, 120, 200, 300] where omissions.turmoilSeconds ?? 420 > seconds {
            if attempt({ $0.turmoilSeconds = seconds }) { return }
        }
    }

    /// By halves, then one by one.
    private mutating func leaveOutFaults() {
        var size = scenario.faults.count
        while size > 0 {
            let left = scenario.faults.map(\.number).filter { !omissions.faults.contains($0) }
            var start = 0
            while start < left.count {
                let part = left[start..<min(start + size, left.count)]
                attempt { $0.faults.formUnion(part) }
                start += size
            }
            size /= 2
        }
    }
}
