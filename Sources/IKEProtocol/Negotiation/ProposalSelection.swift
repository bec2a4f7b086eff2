internal import IKEMessages
internal import IPsecPrimitives

/// The choice of one proposal among those that the peer offers (RFC 7296 §2.7, §3.3.6).
enum ProposalSelection {
    /// One transform of each type, and where they come from.
    struct Choice: Hashable {
        let number: UInt8
        let securityProtocol: SecurityProtocol
        let peerSPI: [UInt8]
        let transforms: [Transform]
        let source: String

        /// The payload that answers the offer.
        func answer(spi: [UInt8]) -> SecurityAssociationPayload {
            let proposal = Proposal(securityProtocol: securityProtocol, transforms: transforms)
            return SecurityAssociationPayload(proposals: [
                ProposalSubstructure(number: number, spi: spi, proposal: proposal)
            ])
        }
    }

    /// The first of our proposals that one of theirs meets, in our order of preference.
    ///
    /// - Parameter guessedMethod: of the peer's KE payload; taken where it is acceptable at all,
    ///   which saves a round trip.
    /// - Parameter takesAdditional: see `ProposalMatch`.
    static func choose(
        from offered: [ProposalSubstructure],
        accepting: [ConfiguredProposal],
        for purpose: NegotiationPurpose,
        guessedMethod: KeyExchangeMethod? = nil,
        takesAdditional: Bool = true
    ) throws(NegotiationFailure) -> Choice {
        for ours in accepting {
            let securityProtocol = ours.proposal.securityProtocol
            for theirs in offered where theirs.securityProtocol == securityProtocol {
                let match = ProposalMatch(
                    offered: theirs,
                    accepted: purpose.completed(ours.proposal),
                    purpose: purpose,
                    guessedMethod: guessedMethod,
                    takesAdditional: takesAdditional
                )
                if match.failures.isEmpty {
                    return Choice(
                        number: theirs.number,
                        securityProtocol: securityProtocol,
                        peerSPI: theirs.spi,
                        transforms: match.chosen,
                        source: ours.source
                    )
                }
            }
        }
        throw ProposalMismatch.explain(
            offered: offered,
            accepted: accepting,
            for: purpose,
            takesAdditional: takesAdditional
        )
    }

    /// What we offer: one numbered proposal for each configured one.
    static func offer(
        _ proposals: [ConfiguredProposal],
        for purpose: NegotiationPurpose,
        spi: [UInt8]
    ) -> SecurityAssociationPayload {
        SecurityAssociationPayload(
            proposals: proposals.prefix(255).enumerated().map { index, configured in
                ProposalSubstructure(
                    number: UInt8(index + 1),
                    spi: spi,
                    proposal: purpose.completed(configured.proposal)
                )
            }
        )
    }

    /// What the peer chose of our offer; nil when that is not one transform of each type of one
    /// of our proposals.
    ///
    /// RFC 7296 §3.3: "The initiator MUST verify that the accepted offer is consistent with one
    /// of its proposals".
    static func accepted(
        _ answer: SecurityAssociationPayload,
        of offer: SecurityAssociationPayload
    ) -> Choice? {
        guard answer.proposals.count == 1, let chosen = answer.proposals.first,
            let ours = offer.proposals.first(where: { $0.number == chosen.number }),
            chosen.securityProtocol == ours.securityProtocol
        else { return nil }
        let transforms = chosen.transforms.compactMap(\.transform)
        guard transforms.count == chosen.transforms.count,
            Set(transforms.map(\.type)).count == transforms.count
        else { return nil }
        let offered = ours.proposal
        var types = Set(offered.types)
        for transform in transforms {
            let isIdleNone = transform.isNone && !types.contains(transform.type)
            guard isIdleNone || offered.transforms.contains(transform) else { return nil }
            types.remove(transform.type)
        }
        // RFC 5282 §8: with an AEAD, NONE may be said or left out. Sequence numbers left out are
        // short ones.
        if transforms.contains(where: \.isAuthenticatedEncryption) { types.remove(.integrity) }
        if offered.transforms.contains(.sequenceNumbers(.short)) { types.remove(.sequenceNumbers) }
        // RFC 9370 §2.2.1: some peers leave a type out for which they choose NONE.
        types = types.filter { type in
            !(type.isAdditionalKeyExchange
                && offered.transforms(of: type).contains(where: \.isNone))
        }
        guard types.isEmpty, !repeatsAdditionalMethods(transforms) else { return nil }
        return Choice(
            number: chosen.number,
            securityProtocol: chosen.securityProtocol,
            peerSPI: chosen.spi,
            transforms: transforms,
            source: ""
        )
    }

    /// The additional key exchanges that an answer chooses, in their order.
    static func additionalMethods(_ answer: MessageContent) -> [KeyExchangeMethod] {
        answer.securityAssociation?.proposals.first?.proposal.transforms.additionalKeyExchanges
            ?? []
    }

    /// RFC 9370 §2.2.1: then the exchange has failed, and nothing may follow it.
    private static func repeatsAdditionalMethods(_ transforms: [Transform]) -> Bool {
        let methods = transforms.filter { $0.type.isAdditionalKeyExchange && !$0.isNone }
            .map(\.identifier)
        return Set(methods).count < methods.count
    }
}

extension Transform {
    /// NONE of the types that have it: integrity and key exchange.
    var isNone: Bool { identifier == 0 && (type == .integrity || type.isKeyExchange) }

    var isAuthenticatedEncryption: Bool {
        type == .encryption && EncryptionAlgorithm(rawValue: identifier).isAuthenticated
    }
}
