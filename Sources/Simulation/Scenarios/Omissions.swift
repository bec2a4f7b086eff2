/// What is left out of a scenario, so that less is left to look at.
package struct Omissions: Sendable, Equatable {
    /// Numbers of faults.
    package var faults: Set<Int> = []
    /// Numbers of peerings.
    package var peerings: Set<Int> = []
    /// Nothing is lost, doubled or damaged but by faults.
    package var badNetwork = false
    package var attackers = false
    /// Virtual seconds after which nothing goes wrong any more; nil: as planned.
    package var turmoilSeconds: Int?

    package init() {}

    package var isEmpty: Bool { self == Omissions() }

    /// As options of the command line.
    package var options: String {
        var words: [String] = []
        if !faults.isEmpty { words.append("--without-faults " + Omissions.list(faults)) }
        if !peerings.isEmpty { words.append("--without-peerings " + Omissions.list(peerings)) }
        if badNetwork { words.append("--good-network") }
        if attackers { words.append("--without-attackers") }
        if let turmoilSeconds { words.append("--turmoil \(turmoilSeconds)") }
        return words.joined(separator: " ")
    }

    private static func list(_ numbers: Set<Int>) -> String {
        numbers.sorted().map(String.init).joined(separator: ",")
    }
}

extension Scenario {
    package func without(_ omissions: Omissions) -> Scenario {
        var result = self
        result.faults.removeAll { omissions.faults.contains($0.number) }
        result.peerings.removeAll { omissions.peerings.contains($0.number) }
        if omissions.badNetwork { result.conditions = conditions.map(\.calmed) }
        if omissions.attackers { result.hasAttackers = false }
        if let seconds = omissions.turmoilSeconds {
            let calm = VirtualTime.start + .seconds(seconds)
            let earlier = timeline.calm - min(calm, timeline.calm)
            result.timeline.calm -= earlier
            result.timeline.settled -= earlier
            result.timeline.closing -= earlier
            result.timeline.end -= earlier
            result.faults.removeAll {
                $0.time >= result.timeline.calm && $0.time < timeline.settled
            }
            // What happens on the calm network keeps its distance from the end.
            for index in result.faults.indices
            where result.faults[index].time >= timeline.settled {
                result.faults[index].time -= earlier
                result.faults[index].end -= earlier
            }
        }
        return result
    }

    func peering(_ number: Int) -> PeeringPlan? { peerings.first { $0.number == number } }
}
