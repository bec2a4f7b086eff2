internal import IPsecPrimitives

/// The agreement on what a Child SA carries (RFC 7296 §2.9).
enum TrafficSelectorNarrowing {
    /// RFC 7296 §3.13: the count of a payload has 8 bits.
    static let limit = 255

    struct Selectors: Hashable {
        var local: [TrafficSelector]
        var remote: [TrafficSelector]
    }

    /// What both the offer and the policy cover; nil when one side of it is nothing.
    static func narrow(_ offered: Selectors, to policy: ChildPolicy) -> Selectors? {
        let local = intersection(offered.local, policy.localSelectors)
        let remote = intersection(offered.remote, policy.remoteSelectors)
        // Of two versions, only those count that both sides have: no packet is of both.
        let versions = Set(local.map(\.version)).intersection(remote.map(\.version))
        let result = Selectors(
            local: local.filter { versions.contains($0.version) },
            remote: remote.filter { versions.contains($0.version) }
        )
        return result.local.isEmpty || result.remote.isEmpty ? nil : result
    }

    /// The policy that fits an offer best, with what it narrows the offer to.
    ///
    /// RFC 7296 §2.9: the first selector of each payload may be that of the packet that asks for
    /// the SA; a policy that covers it goes first, then one that is offered whole.
    static func choose(
        _ offered: Selectors,
        among policies: [ChildPolicy]
    ) -> (policy: ChildPolicy, selectors: Selectors)? {
        var best: (policy: ChildPolicy, selectors: Selectors)?
        var bestRank = -1
        for policy in policies {
            guard let selectors = narrow(offered, to: policy) else { continue }
            var rank = 0
            if coversPacket(offered, selectors) { rank += 4 }
            if Set(selectors.local) == Set(policy.localSelectors) { rank += 1 }
            if Set(selectors.remote) == Set(policy.remoteSelectors) { rank += 1 }
            if rank > bestRank {
                best = (policy, selectors)
                bestRank = rank
            }
        }
        return best
    }

    /// What an initiator offers: the packet's own selector first, then the policy.
    static func offer(_ policy: ChildPolicy, packet: PacketSelector?) -> Selectors {
        var result = Selectors(local: policy.localSelectors, remote: policy.remoteSelectors)
        guard let packet,
            policy.localSelectors.contains(where: { $0.covers(packet.source) }),
            policy.remoteSelectors.contains(where: { $0.covers(packet.destination) })
        else { return cut(result) }
        if !result.local.contains(packet.source) { result.local.insert(packet.source, at: 0) }
        if !result.remote.contains(packet.destination) {
            result.remote.insert(packet.destination, at: 0)
        }
        return cut(result)
    }

    /// Whether an answer stays within what was offered, as it must.
    static func isWithin(_ answer: Selectors, _ offered: Selectors) -> Bool {
        !answer.local.isEmpty && !answer.remote.isEmpty
            && answer.local.allSatisfy { part in offered.local.contains { $0.covers(part) } }
            && answer.remote.allSatisfy { part in offered.remote.contains { $0.covers(part) } }
    }

    private static func coversPacket(_ offered: Selectors, _ narrowed: Selectors) -> Bool {
        guard let local = offered.local.first, let remote = offered.remote.first else {
            return false
        }
        return narrowed.local.contains { $0.covers(local) }
            && narrowed.remote.contains { $0.covers(remote) }
    }

    private static func intersection(
        _ left: [TrafficSelector],
        _ right: [TrafficSelector]
    ) -> [TrafficSelector] {
        var result: [TrafficSelector] = []
        for first in left {
            for second in right {
                guard let common = first.intersection(second),
                    !result.contains(where: { $0.covers(common) })
                else { continue }
                result.removeAll { common.covers($0) }
                result.append(common)
                if result.count == limit { return result }
            }
        }
        return result
    }

    private static func cut(_ selectors: Selectors) -> Selectors {
        Selectors(
            local: Array(selectors.local.prefix(limit)),
            remote: Array(selectors.remote.prefix(limit))
        )
    }
}
