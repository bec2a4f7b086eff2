internal import IPsecPrimitives

/// Which policies say what of packets that those which discard cover only when they go the other way.
///
/// A policy counts for both directions, each with the addresses exchanged. Where networks of both
/// sides lie in what a policy discards, what a host inside sends to be protected is covered by the
/// discarding one as if it arrived, and what came out of a tunnel as if it left. The policy before
/// it decides.
struct OppositePolicies {
    /// Policies that discard, one behind the other.
    struct Run {
        let places: Range<Int>
        /// Policies before them, in their order, that cover the other way what one of them covers.
        let passing: [TrafficPolicy]
    }

    /// In their order; those alone of which `passing` is not empty.
    let runs: [Run]

    /// - Parameter policies: in the order in which they decide.
    init(_ policies: [TrafficPolicy]) {
        let places = Dictionary(
            grouping: policies.indices.filter { policies[$0].action != .prohibit },
            by: { policies[$0].version }
        )
        let searches = places.mapValues { OverlapSearch($0.map { policies[$0] }) }
        var runs: [Run] = []
        for run in OppositePolicies.runs(of: policies) {
            var passing: Set<Int> = []
            for place in run {
                let version = policies[place].version
                guard let search = searches[version], let others = places[version] else { continue }
                for found in search.overlapping(policies[place].reversed)
                where others[found] < place {
                    passing.insert(others[found])
                }
            }
            guard !passing.isEmpty else { continue }
            runs.append(Run(places: run, passing: passing.sorted().map { policies[$0] }))
        }
        self.runs = runs
    }

    private static func runs(of policies: [TrafficPolicy]) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        for place in policies.indices where policies[place].action == .prohibit {
            if let last = runs.last, last.upperBound == place {
                runs[runs.count - 1] = last.lowerBound..<place + 1
            } else {
                runs.append(place..<place + 1)
            }
        }
        return runs
    }
}

extension TrafficPolicy {
    /// The same of packets that go the other way.
    var reversed: TrafficPolicy {
        TrafficPolicy(
            action,
            local: remote,
            remote: local,
            ipProtocol: ipProtocol,
            localPorts: remotePorts,
            remotePorts: localPorts
        )
    }
}
