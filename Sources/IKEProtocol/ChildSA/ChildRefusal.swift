internal import IKEMessages
internal import IPsecPrimitives

/// Why a Child SA was not made: what the peer hears, and what our report says.
struct ChildRefusal: Error {
    let notify: NotifyPayload
    let failure: NegotiationFailure

    init(_ notify: NotifyType, _ failure: NegotiationFailure) {
        self.init(notify: NotifyPayload(notify), failure)
    }

    init(notify: NotifyPayload, _ failure: NegotiationFailure) {
        self.notify = notify
        self.failure = failure
    }
}

extension ChildRefusal {
    static func incomplete(_ connection: IKEConnection) -> ChildRefusal {
        ChildRefusal(
            .invalidSyntax,
            NegotiationFailure(
                subject: .malformedMessage,
                explanation: "The peer's request for a Child SA lacks a payload or a valid SPI.",
                source: connection.source,
                remedy: "The peer errs."
            )
        )
    }

    /// Strictly the notify asks for a pair of addresses (RFC 7296 §2.9), but there is no other way to ask
    /// for a packet, whose protocol and ports then go first as well.
    static func packetRequired(
        _ policy: ChildPolicy,
        _ offered: TrafficSelectorPair
    ) -> ChildRefusal {
        ChildRefusal(
            .singlePairRequired,
            TrafficSelectorMismatch.packetRequired(policy, offered)
        )
    }

    static func tooMany(_ connection: IKEConnection) -> ChildRefusal {
        ChildRefusal(
            .noAdditionalSAs,
            NegotiationFailure(
                subject: .resources,
                explanation: "The IKE SA has as many Child SAs as it may have.",
                source: connection.source,
                remedy: "See why the peer makes so many."
            )
        )
    }
}

/// Words for answers of the peer that make no Child SA.
enum ChildAnswerFailure {
    static func refused(
        _ error: NotifyType?,
        _ offer: ChildOffer,
        of sa: IKESA? = nil
    ) -> NegotiationFailure {
        let policy = offer.policy
        switch error {
        case .internalAddressFailure?, .failedCPRequired?:
            return InternalFailure.refused(
                isRequired: error == .failedCPRequired,
                offer.policy,
                sa?.connection.request
            )
        case .noProposalChosen?
        where sa?.isEncapsulated == true
            && policy.proposals.allSatisfy { $0.proposal.securityProtocol == .ah }:
            return translated(policy)
        case .noProposalChosen?:
            return ProposalMismatch.refusedByPeer(offer.policy.proposals, for: .childSA)
        case .tsUnacceptable?:
            return TrafficSelectorMismatch.refused(
                offer.policy,
                explanation: "The peer accepts none of our traffic selectors, or not in "
                    + "\(policy.mode == .transport ? "transport" : "tunnel") mode "
                    + "(TS_UNACCEPTABLE)."
            )
        case .singlePairRequired?:
            return TrafficSelectorMismatch.pairWanted(offer.policy)
        default:
            let reason = error.map { "with \($0)" } ?? "without a reason"
            return NegotiationFailure(
                subject: .refusedByPeer,
                explanation: "The peer refused "
                    + (offer.replaced == nil ? "child" : "to rekey child")
                    + " \(offer.policy.name) \(reason).",
                source: offer.policy.source,
                remedy: "Look in the peer's log."
            )
        }
    }

    static func translated(_ policy: ChildPolicy) -> NegotiationFailure {
        NegotiationFailure(
            subject: .childProposal,
            explanation: "AH protects the outer addresses, and a NAT, or UDP, is between the ends: "
                + "child \(policy.name) cannot work.",
            accepted: policy.proposals.map(\.proposal.description),
            source: policy.proposals.first?.source,
            remedy: "Use esp-proposals, or connect the ends without a NAT and `encapsulation: udp`."
        )
    }

    static func strangeTraits(_ offer: ChildOffer) -> NegotiationFailure {
        NegotiationFailure(
            subject: .childProposal,
            explanation: "The peer agrees to compression or fragments that we did not offer.",
            source: offer.policy.source,
            remedy: "The peer errs."
        )
    }

    static func closedAtOnce(_ offer: ChildOffer) -> NegotiationFailure {
        NegotiationFailure(
            subject: .refusedByPeer,
            explanation: "The peer made child \(offer.policy.name) and closed it at once.",
            source: offer.policy.source,
            remedy: "Look in the peer's log."
        )
    }

    static func strangeProposal(_ offer: ChildOffer) -> NegotiationFailure {
        NegotiationFailure(
            subject: .childProposal,
            explanation: "The peer chose a proposal that we did not offer.",
            accepted: offer.policy.proposals.map(\.proposal.description),
            source: offer.policy.proposals.first?.source,
            remedy: "The peer errs."
        )
    }
}
