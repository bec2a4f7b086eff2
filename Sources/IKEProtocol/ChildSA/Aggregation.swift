internal import IKEMessages

/// Whether a policy wants AGGFRAG payloads (RFC 9347 §5.1).
package struct AggregationPolicy: Hashable, Sendable {
    /// Whether there is to be no Child SA without.
    package var isRequired: Bool
    /// `file:line`.
    package var source: String

    package init(isRequired: Bool, source: String) {
        self.isRequired = isRequired
        self.source = source
    }
}

/// AGGFRAG payloads as two ends have agreed on them.
package struct Aggregation: Hashable, Sendable {
    /// Whether the peer puts inner packets together from several outer ones.
    package var peerTakesFragments: Bool

    package init(peerTakesFragments: Bool) { self.peerTakesFragments = peerTakesFragments }
}

/// The requirements in USE_AGGFRAG (RFC 9347 §6.1.4).
struct AggregationFlags {
    /// The sender must be told of congestion.
    static let congestionControl: UInt8 = 0b10
    /// The sender takes no fragments.
    static let dontFragment: UInt8 = 0b01

    let bits: UInt8

    /// Nil where the notify is not one octet.
    init?(_ notify: NotifyPayload) {
        guard notify.data.count == 1 else { return nil }
        bits = notify.data[0]
    }

    /// Whether this end can do what is required. Of congestion it tells nothing; what later
    /// specifications may require it does not know.
    var areSupported: Bool { bits & ~AggregationFlags.dontFragment == 0 }

    var takesFragments: Bool { bits & AggregationFlags.dontFragment == 0 }

    /// For people.
    var words: String {
        if bits & AggregationFlags.congestionControl != 0 { return "congestion control (C)" }
        return "flags that are not known (0x\(String(bits, radix: 16)))"
    }
}

extension NotifyPayload {
    /// This end requires nothing: it takes fragments, and its rate hangs on nothing that the peer
    /// could tell.
    static var useAggregation: NotifyPayload { NotifyPayload(.useAggregation, data: [0]) }
}

extension ChildPolicy {
    /// What the responder makes of the peer's wish, or of its having none.
    func answeredAggregation(
        _ content: MessageContent,
        _ mode: ChildMode
    ) throws(ChildRefusal) -> Aggregation? {
        guard let policy = self.aggregation, mode == .tunnel else { return nil }
        guard let notify = content.notify(.useAggregation) else {
            return try without(policy, AggregationMismatch.notAsked(self, policy))
        }
        // RFC 9347 §5.1: "MUST NOT be combined with USE_TRANSPORT".
        guard let flags = AggregationFlags(notify), flags.areSupported,
            content.notify(.useTransportMode) == nil
        else { return try without(policy, AggregationMismatch.unsupported(self, policy, notify)) }
        return Aggregation(peerTakesFragments: flags.takesFragments)
    }

    private func without(
        _ policy: AggregationPolicy,
        _ failure: NegotiationFailure
    ) throws(ChildRefusal) -> Aggregation? {
        if policy.isRequired { throw ChildRefusal(.noProposalChosen, failure) }
        return nil
    }

    /// What the initiator makes of the answer.
    func agreedAggregation(
        _ content: MessageContent
    ) throws(NegotiationFailure) -> Aggregation? {
        let notify = content.notify(.useAggregation)
        guard let policy = self.aggregation else {
            guard let notify else { return nil }
            throw AggregationMismatch.unasked(self, notify)
        }
        guard let notify else {
            if policy.isRequired { throw AggregationMismatch.declined(self, policy) }
            return nil
        }
        // Once the peer has agreed, it sends nothing else by the SA: there is no doing without.
        guard let flags = AggregationFlags(notify), flags.areSupported else {
            throw AggregationMismatch.unsupported(self, policy, notify)
        }
        return Aggregation(peerTakesFragments: flags.takesFragments)
    }
}

/// Words for ends that want different things of IP-TFS.
enum AggregationMismatch {
    static func notAsked(_ child: ChildPolicy, _ policy: AggregationPolicy) -> NegotiationFailure {
        NegotiationFailure(
            subject: .aggregation,
            explanation: "The peer does not ask for IP-TFS (USE_AGGFRAG); child \(child.name) does "
                + "not go without.",
            source: policy.source,
            remedy: "Have the peer use IP-TFS (RFC 9347), or write `optional: true` at "
                + "\(policy.source)."
        )
    }

    static func declined(_ child: ChildPolicy, _ policy: AggregationPolicy) -> NegotiationFailure {
        NegotiationFailure(
            subject: .aggregation,
            explanation: "The peer declines IP-TFS (no USE_AGGFRAG in its answer); child "
                + "\(child.name) does not go without.",
            source: policy.source,
            remedy: "Have the peer use IP-TFS (RFC 9347), or write `optional: true` at "
                + "\(policy.source)."
        )
    }

    static func unsupported(
        _ child: ChildPolicy,
        _ policy: AggregationPolicy,
        _ notify: NotifyPayload
    ) -> NegotiationFailure {
        let what = AggregationFlags(notify).map(\.words) ?? "what no USE_AGGFRAG says"
        return NegotiationFailure(
            subject: .aggregation,
            explanation: "The peer requires \(what) of IP-TFS, which this end does not do.",
            source: policy.source,
            remedy: "Have the peer send at a constant rate, without congestion control."
        )
    }

    static func unasked(_ child: ChildPolicy, _ notify: NotifyPayload) -> NegotiationFailure {
        NegotiationFailure(
            subject: .aggregation,
            explanation: "The peer answers with IP-TFS (\(notify.type)), which child "
                + "\(child.name) did not ask for.",
            source: child.source,
            remedy: "The peer errs."
        )
    }
}
