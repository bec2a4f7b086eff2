internal import IPsecPrimitives

/// Which policies say what of packets that one which discards covers only when they go the other way.
///
/// A policy counts for both directions, each with the addresses exchanged. Where networks of both sides lie
/// in what a policy discards, what a host inside sends to be protected is covered by the discarding one as
/// if it arrived, and what came out of a tunnel as if it left. The policy before it decides.
struct OppositePolicies {
    /// By the place of each policy that discards: policies before it, in their order.
    private let found: [Int: [TrafficPolicy]]

    /// - Parameter policies: in the order in which they decide.
    init(_ policies: [TrafficPolicy]) {
        let places = Dictionary(
            grouping: policies.indices.filter { policies[$0].action != .prohibit },
            by: { policies[$0].version }
        )
        let discarding = policies.indices.filter { policies[$0].action == .prohibit }
        guard !places.isEmpty, !discarding.isEmpty else {
            found = [:]
            return
        }
        let searches = places.mapValues { OverlapSearch($0.map { policies[$0] }) }
        var found: [Int: [TrafficPolicy]] = [:]
        for place in discarding {
            let version = policies[place].version
            guard let search = searches[version], let passing = places[version] else { continue }
            let opposite = search.overlapping(policies[place].reversed).map { passing[$0] }.sorted()
                .prefix { $0 < place }
            if !opposite.isEmpty { found[place] = opposite.map { policies[$0] } }
        }
        self.found = found
    }

    /// Those before the policy at `place`; empty for one that does not discard.
    func before(_ place: Int) -> [TrafficPolicy] { found[place] ?? [] }

    /// Where there are any.
    var places: [Int] { found.keys.sorted() }
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
