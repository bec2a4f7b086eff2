internal import IPsecPrimitives

/// Which policies say what of packets that those which discard cover only when they go the other way.
///
/// A policy counts for both directions, each with the addresses exchanged. Where networks of both
/// sides lie in what a policy discards, what a host inside sends to be protected is covered by the
/// discarding one as if it arrived, and what came out of a tunnel as if it left. The policy before
/// it decides.
struct OppositePolicies {
    /// Policies that discard, one behind the other, all or none of which cover the other way what one
    /// that protects does.
    struct Run {
        var places: Range<Int>
        /// Policies before them, in their order, that cover the other way what one of them covers.
        var passing: [TrafficPolicy]
        /// Those before them that pass what one of them covers the same way, and that no rule can match
        /// exactly, in their order.
        var inexact: [TrafficPolicy]

        var sparesTunnels: Bool { passing.contains { $0.action == .protect } }
    }

    /// In their order.
    let runs: [Run]

    /// - Parameter policies: in the order in which they decide.
    init(_ policies: [TrafficPolicy]) {
        let others = Search(policies) { $0.action != .prohibit }
        let loose = Search(policies) {
            $0.action == .bypass && $0.rulePorts == nil
        }
        var runs:
            [(places: Range<Int>, passing: Set<Int>, inexact: Set<Int>, sparesTunnels: Bool)] =
                []
        for place in policies.indices where policies[place].action == .prohibit {
            let passing = others.places(before: place, overlapping: policies[place].reversed)
            let inexact = loose.places(before: place, overlapping: policies[place])
            let sparesTunnels = passing.contains { policies[$0].action == .protect }
            if let last = runs.last, last.places.upperBound == place,
                last.sparesTunnels == sparesTunnels
            {
                runs[runs.count - 1].places = last.places.lowerBound..<place + 1
                runs[runs.count - 1].passing.formUnion(passing)
                runs[runs.count - 1].inexact.formUnion(inexact)
            } else {
                runs.append((place..<place + 1, passing, inexact, sparesTunnels))
            }
        }
        self.runs = runs.map { run in
            Run(
                places: run.places,
                passing: run.passing.sorted().map { policies[$0] },
                inexact: run.inexact.sorted().map { policies[$0] }
            )
        }
    }

    /// Some of the policies, by what they cover.
    private struct Search {
        private let known: [IPVersion: [Int]]
        private let searches: [IPVersion: OverlapSearch]

        init(_ policies: [TrafficPolicy], _ isWanted: (TrafficPolicy) -> Bool) {
            known = Dictionary(
                grouping: policies.indices.filter { isWanted(policies[$0]) },
                by: { policies[$0].version }
            )
            searches = known.mapValues { OverlapSearch($0.map { policies[$0] }) }
        }

        func places(before place: Int, overlapping policy: TrafficPolicy) -> Set<Int> {
            guard let places = known[policy.version], let search = searches[policy.version] else {
                return []
            }
            return Set(search.overlapping(policy).map { places[$0] }.filter { $0 < place })
        }
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
