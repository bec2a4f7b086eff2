internal import IPsecPrimitives

/// The agreement on what a Child SA carries (RFC 7296 §2.9).
enum TrafficSelectorNarrowing {
    /// RFC 7296 §3.13: the count of a payload has 8 bits.
    static let limit = 255

    /// What a policy makes of an offer.
    struct Choice {
        let policy: ChildPolicy
        let selectors: TrafficSelectorPair
        /// More of the offer would have been acceptable, but only in a Child SA of its own: what
        /// ADDITIONAL_TS_POSSIBLE says.
        let isMorePossible: Bool
    }

    enum Outcome {
        case chosen(Choice)
        /// This policy's selectors come from a packet, and the offer names none.
        case packetRequired(ChildPolicy)
        /// No policy allows any part.
        case unacceptable
    }

    /// The policy that fits an offer best, with what it narrows the offer to.
    ///
    /// RFC 7296 §2.9: where a policy allows the first selector of both payloads, which may be that
    /// of the packet that asks for the SA, the result includes it; such a policy goes first, then
    /// one of which all is offered, then the one that stands first.
    static func choose(
        _ offered: TrafficSelectorPair,
        among policies: [ChildPolicy]
    ) -> Outcome {
        var work = SelectorWork()
        return choose(offered, among: policies, &work)
    }

    /// Policies for which there is no work left are passed over.
    static func choose(
        _ offered: TrafficSelectorPair,
        among policies: [ChildPolicy],
        _ work: inout SelectorWork
    ) -> Outcome {
        var possible: [TrafficSelectorPair] = []
        var best: (policy: ChildPolicy, selectors: TrafficSelectorPair)?
        var bestRank = -1
        var wantsPacket: ChildPolicy?
        for policy in policies {
            guard let whole = offered.intersection(policy.selectors, &work) else { continue }
            possible.append(whole)
            let part = policy.populated.isEmpty ? whole : populated(whole, policy, offered, &work)
            guard let selectors = part else {
                wantsPacket = wantsPacket ?? policy
                continue
            }
            // With one policy there is nothing to weigh.
            guard policies.count > 1 else {
                best = (policy, selectors)
                break
            }
            var rank = 0
            if selectors.coversFirst(of: offered, &work) { rank += 4 }
            if Set(selectors.local) == Set(policy.localSelectors) { rank += 1 }
            if Set(selectors.remote) == Set(policy.remoteSelectors) { rank += 1 }
            if rank > bestRank {
                best = (policy, selectors)
                bestRank = rank
            }
        }
        guard let best else {
            return wantsPacket.map(Outcome.packetRequired) ?? .unacceptable
        }
        var isMorePossible = false
        for whole in possible where !isMorePossible && whole != best.selectors {
            isMorePossible = !best.selectors.covers(whole, &work)
        }
        return .chosen(
            Choice(
                policy: best.policy,
                selectors: best.selectors,
                isMorePossible: isMorePossible || work.isExhausted
            )
        )
    }

    /// What an initiator offers.
    ///
    /// - Parameter packet: its own selectors go first (RFC 7296 §2.9), if the policy covers it.
    /// - Parameter isOnlyPair: nothing but the addresses of the packet, as a peer wants it with
    ///   SINGLE_PAIR_REQUIRED.
    static func offer(
        _ policy: ChildPolicy,
        packet: PacketSelector?,
        isOnlyPair: Bool = false
    ) -> TrafficSelectorPair {
        var result = policy.selectors
        guard let packet, result.covers(packet) else { return result.cut(to: limit) }
        let populated = isOnlyPair ? policy.populated.union(.addresses) : policy.populated
        if !populated.isEmpty {
            var work = SelectorWork()
            result = result.populated(populated, from: packet, &work) ?? result
        }
        if !result.local.contains(packet.source) { result.local.insert(packet.source, at: 0) }
        if !result.remote.contains(packet.destination) {
            result.remote.insert(packet.destination, at: 0)
        }
        return result.cut(to: limit)
    }

    /// The part with the values that the offer names first, which may be those of a packet; nil where
    /// it names more than one there.
    private static func populated(
        _ narrowed: TrafficSelectorPair,
        _ policy: ChildPolicy,
        _ offered: TrafficSelectorPair,
        _ work: inout SelectorWork
    ) -> TrafficSelectorPair? {
        if narrowed.isPopulated(policy.populated) { return narrowed }
        guard let local = offered.local.first, let remote = offered.remote.first else { return nil }
        let packet = PacketSelector(source: local, destination: remote)
        return narrowed.populated(policy.populated, from: packet, &work)
    }
}

extension ChildPolicy {
    var selectors: TrafficSelectorPair {
        TrafficSelectorPair(local: self.localSelectors, remote: self.remoteSelectors)
    }
}
