internal import IPsecPrimitives

/// Words for traffic selectors that do not meet.
enum TrafficSelectorMismatch {
    /// The peer's offer meets none of the policies.
    static func explain(
        _ offered: TrafficSelectorPair,
        policies: [ChildPolicy]
    ) -> NegotiationFailure {
        let nearest = policies.max { agreement(offered, $0) < agreement(offered, $1) }
        return NegotiationFailure(
            subject: .trafficSelectors,
            explanation: "The peer's traffic selectors meet none of our children.",
            offered: [text(local: offered.local, remote: offered.remote)],
            accepted: policies.map { policy in
                "\(policy.name): "
                    + text(local: policy.localSelectors, remote: policy.remoteSelectors)
            },
            nearest: nearest.map { policy in
                "\(policy.name) (\(policy.selectorsSource)): "
                    + difference(offered, policy)
            },
            source: nearest?.selectorsSource,
            remedy: "Let local and remote of a child at "
                + "\(nearest?.selectorsSource ?? "the connection") overlap with what the peer "
                + "offers, or correct the peer: its local networks are our remote ones."
        )
    }

    /// The peer refused ours, or answered with what we did not offer.
    static func refused(_ policy: ChildPolicy, explanation: String) -> NegotiationFailure {
        NegotiationFailure(
            subject: .trafficSelectors,
            explanation: explanation,
            accepted: [text(local: policy.localSelectors, remote: policy.remoteSelectors)],
            source: policy.selectorsSource,
            remedy: "Compare local and remote at \(policy.selectorsSource) with the peer's "
                + "configuration: its local networks are our remote ones."
        )
    }

    /// The peer wants a Child SA for each pair of addresses, and we have no packet to name one.
    static func pairWanted(_ policy: ChildPolicy) -> NegotiationFailure {
        NegotiationFailure(
            subject: .singlePair,
            explanation: "The peer wants a Child SA for each pair of addresses "
                + "(SINGLE_PAIR_REQUIRED), and no packet says which pair is needed.",
            accepted: [text(policy.selectors)],
            source: policy.selectorsSource,
            remedy: "Let traffic start \(policy.name), or narrow local and remote at "
                + "\(policy.selectorsSource) to one address each."
        )
    }

    /// The peer asks for more than one value where our policy takes one from a packet.
    static func packetRequired(
        _ policy: ChildPolicy,
        _ offered: TrafficSelectorPair
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .singlePair,
            explanation: "Child \(policy.name) wants a Child SA for each "
                + "\(policy.populated.description); the peer does not name one first, as a packet "
                + "would, and is told so (SINGLE_PAIR_REQUIRED).",
            offered: [text(offered)],
            accepted: ["\(policy.name): " + text(policy.selectors)],
            source: policy.selectorsSource,
            remedy: "Let traffic start the Child SAs at the peer, or remove sa-per at "
                + "\(policy.source)."
        )
    }

    /// The peer's answer leaves out the packet that the Child SA was for.
    static func withoutPacket(
        _ packet: PacketSelector,
        _ answer: TrafficSelectorPair,
        _ policy: ChildPolicy
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .trafficSelectors,
            explanation: "The peer accepts child \(policy.name), but not for the packet that asks "
                + "for it.",
            offered: [text(local: [packet.source], remote: [packet.destination])],
            accepted: [text(answer)],
            source: policy.selectorsSource,
            remedy: "Compare local and remote at \(policy.selectorsSource) with the peer's "
                + "configuration, which allows less."
        )
    }

    static func text(_ selectors: TrafficSelectorPair) -> String {
        text(local: selectors.local, remote: selectors.remote)
    }

    static func text(local: [TrafficSelector], remote: [TrafficSelector]) -> String {
        "\(list(local)) === \(list(remote))"
    }

    private static func list(_ selectors: [TrafficSelector]) -> String {
        selectors.isEmpty ? "nothing" : selectors.map(\.description).joined(separator: " ")
    }

    private static func agreement(
        _ offered: TrafficSelectorPair,
        _ policy: ChildPolicy
    ) -> Int {
        (meets(offered.local, policy.localSelectors) ? 1 : 0)
            + (meets(offered.remote, policy.remoteSelectors) ? 1 : 0)
    }

    private static func difference(
        _ offered: TrafficSelectorPair,
        _ policy: ChildPolicy
    ) -> String {
        var parts: [String] = []
        if !meets(offered.local, policy.localSelectors) {
            parts.append(
                "local: they want \(list(offered.local)), we have \(list(policy.localSelectors))"
            )
        }
        if !meets(offered.remote, policy.remoteSelectors) {
            parts.append(
                "remote: they have \(list(offered.remote)), we want \(list(policy.remoteSelectors))"
            )
        }
        return parts.isEmpty
            ? "no IP version is common to both sides" : parts.joined(separator: "; ")
    }

    private static func meets(_ left: [TrafficSelector], _ right: [TrafficSelector]) -> Bool {
        left.contains { first in right.contains { first.intersection($0) != nil } }
    }
}
