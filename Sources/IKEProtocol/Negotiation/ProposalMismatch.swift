internal import IKEMessages
internal import IPsecPrimitives

/// Words for proposals that do not meet: the nearest pair and what keeps it apart.
enum ProposalMismatch {
    static func explain(
        offered: [ProposalSubstructure],
        accepted: [ConfiguredProposal],
        for purpose: NegotiationPurpose,
        takesAdditional: Bool = true
    ) -> NegotiationFailure {
        let suitable = offered.filter { purpose.takes($0.securityProtocol) }
        var nearest:
            (
                match: ProposalMatch, theirs: ProposalSubstructure, ours: ConfiguredProposal
            )?
        for ours in accepted {
            for theirs in suitable
            where theirs.securityProtocol == ours.proposal.securityProtocol {
                let match = ProposalMatch(
                    offered: theirs,
                    accepted: purpose.completed(ours.proposal),
                    purpose: purpose,
                    guessedMethod: nil,
                    takesAdditional: takesAdditional
                )
                if match.failures.count < nearest?.match.failures.count ?? .max {
                    nearest = (match, theirs, ours)
                }
            }
        }
        let subject: NegotiationFailure.Subject =
            purpose == .ikeSA ? .ikeProposal : .childProposal
        let what = protocols(of: accepted, for: purpose)
        let acceptedText = accepted.map(\.proposal.description)
        let offeredText = offered.map(\.proposal.description)
        guard let nearest else {
            return NegotiationFailure(
                subject: subject,
                explanation: "The peer offers no proposal for \(what).",
                offered: offeredText,
                accepted: acceptedText,
                source: accepted.first?.source,
                remedy: "Give the peer one of: \(acceptedText.joined(separator: ", "))."
            )
        }
        let differences = nearest.match.failures.map(difference)
        let failure = nearest.match.failures.first
        return NegotiationFailure(
            subject: subject,
            explanation: "No \(what) proposal of the peer is one that we accept.",
            offered: offeredText,
            accepted: acceptedText,
            nearest: "theirs \(nearest.theirs.proposal) against ours "
                + "\(nearest.ours.proposal) (\(nearest.ours.source)): "
                + differences.joined(separator: "; "),
            source: nearest.ours.source,
            remedy: remedy(for: failure, source: nearest.ours.source)
        )
    }

    /// As `explain` for what the peer refused without saying what it would take.
    static func refusedByPeer(
        _ proposals: [ConfiguredProposal],
        for purpose: NegotiationPurpose
    ) -> NegotiationFailure {
        let what = protocols(of: proposals, for: purpose)
        return NegotiationFailure(
            subject: purpose == .ikeSA ? .ikeProposal : .childProposal,
            explanation: "The peer accepts none of our \(what) proposals (NO_PROPOSAL_CHOSEN).",
            accepted: proposals.map(\.proposal.description),
            source: proposals.first?.source,
            remedy: "Look in the peer's log or configuration for its \(what) proposals and write "
                + "one of them at \(proposals.first?.source ?? "proposals")."
        )
    }

    /// `IKE`, `ESP`, `AH` or `ESP or AH`.
    private static func protocols(
        of proposals: [ConfiguredProposal],
        for purpose: NegotiationPurpose
    ) -> String {
        if purpose == .ikeSA { return "IKE" }
        let names = [SecurityProtocol.esp, .ah].filter { securityProtocol in
            proposals.contains { $0.proposal.securityProtocol == securityProtocol }
        }.map { $0 == .esp ? "ESP" : "AH" }
        return names.isEmpty ? "ESP" : names.joined(separator: " or ")
    }

    private static func difference(_ failure: ProposalMatch.Failure) -> String {
        let repetition = failure.repeatsMethods ? ", and no method may come twice" : ""
        return "\(name(of: failure.type)): they offer \(words(failure.offered)), "
            + "we accept \(words(failure.accepted))\(repetition)"
    }

    private static func remedy(for failure: ProposalMatch.Failure?, source: String) -> String {
        if failure?.repeatsMethods == true {
            return "Give the additional key exchanges at \(source) and at the peer methods that "
                + "differ from each other."
        }
        guard let failure, let theirs = failure.offered.first else {
            return "Have the peer offer what \(source) names."
        }
        let word = ProposalKeyword.name(of: theirs)
        guard ProposalKeyword.transform(for: word) != nil else {
            return "Have the peer offer what \(source) names; \(word) is not supported here."
        }
        return "Add a proposal with \(word) at \(source), or have the peer offer "
            + "\(words(failure.accepted))."
    }

    private static func words(_ transforms: [Transform]) -> String {
        transforms.isEmpty
            ? "none" : transforms.map(ProposalKeyword.name(of:)).joined(separator: " or ")
    }

    private static func name(of type: TransformType) -> String {
        switch type {
        case .encryption: "encryption"
        case .pseudorandomFunction: "pseudorandom function"
        case .integrity: "integrity"
        case .keyExchange: "key exchange"
        case .sequenceNumbers: "sequence numbers"
        case _ where type.isAdditionalKeyExchange: "additional key exchange \(type.rawValue - 5)"
        default: "transform type \(type.rawValue)"
        }
    }
}
