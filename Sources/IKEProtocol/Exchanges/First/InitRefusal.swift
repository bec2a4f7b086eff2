internal import IKEMessages
internal import IPsecPrimitives

/// Words for errors in the answer to IKE_SA_INIT.
enum InitRefusal {
    static func explain(
        _ error: NotifyPayload,
        _ content: MessageContent,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        switch error.type {
        case .noProposalChosen: noProposalChosen(connection)
        case .invalidKEPayload:
            NegotiationFailure(
                subject: .keyExchange,
                explanation: "The peer wants the key exchange "
                    + (content.wantedMethod.map { ProposalKeyword.name(of: .keyExchange($0)) }
                        ?? "of an unreadable number") + ", which we do not offer.",
                accepted: connection.proposals.map(\.proposal.description),
                source: connection.proposals.first?.source,
                remedy: "Add that method to the proposals at "
                    + "\(connection.proposals.first?.source ?? connection.source), or change the "
                    + "peer's."
            )
        default:
            NegotiationFailure(
                subject: .refusedByPeer,
                explanation: "The peer refused IKE_SA_INIT with \(error.type).",
                source: connection.source,
                remedy: "Look in the peer's log for the reason."
            )
        }
    }

    /// Gateways answer so, too, whoever comes from an address that they have nothing for: the first
    /// message tells no more of its sender.
    private static func noProposalChosen(_ connection: IKEConnection) -> NegotiationFailure {
        var failure = ProposalMismatch.refusedByPeer(connection.proposals, for: .ikeSA)
        failure.explanation =
            "The peer accepts none of our IKE proposals, or has no connection for the address that "
            + "we come from (NO_PROPOSAL_CHOSEN)."
        failure.remedy += " Or have the peer expect us at our address."
        return failure
    }

    static func strangeAnswer(_ connection: IKEConnection) -> NegotiationFailure {
        NegotiationFailure(
            subject: .ikeProposal,
            explanation: "The peer chose an IKE proposal that we did not offer.",
            accepted: connection.proposals.map(\.proposal.description),
            source: connection.proposals.first?.source,
            remedy: "The peer errs; another proposal may avoid it."
        )
    }
}
