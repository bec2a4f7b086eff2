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
        let transforms = chosen.proposal.transforms
        let offered = ours.proposal.transforms
        guard transforms.count == chosen.transforms.count,
            areOne(of: offered, transforms),
            offered.allSatisfy({ transform in
                transforms.has(transform.type)
                    || mayBeLeftOut(transform.type, of: offered, chosen: transforms)
            }),
            !repeatsAdditionalMethods(transforms)
        else { return nil }
        return Choice(
            number: chosen.number,
            securityProtocol: chosen.securityProtocol,
            peerSPI: chosen.spi,
            transforms: transforms,
            source: ""
        )
    }

    /// Whether what the peer chose is offered, but for NONE of a type that is not, and no type comes
    /// twice.
    private static func areOne(of offered: [Transform], _ chosen: [Transform]) -> Bool {
        for (index, transform) in chosen.enumerated() {
            let isIdleNone = transform.isNone && !offered.has(transform.type)
            guard isIdleNone || offered.contains(transform),
                !chosen[..<index].has(transform.type)
            else { return false }
        }
        return true
    }

    /// Whether an answer needs no transform of a type that is offered.
    private static func mayBeLeftOut(
        _ type: TransformType,
        of offered: [Transform],
        chosen: [Transform]
    ) -> Bool {
        switch type {
        // RFC 5282 §8: with an AEAD, NONE may be said or left out.
        case .integrity: chosen.contains(where: \.isAuthenticatedEncryption)
        // Sequence numbers left out are short ones.
        case .sequenceNumbers: offered.contains(.sequenceNumbers(.short))
        // RFC 9370 §2.2.1: some peers leave a type out for which they choose NONE.
        default:
            type.isAdditionalKeyExchange
                && offered.contains { $0.type == type && $0.isNone }
        }
    }

    /// The additional key exchanges that an answer chooses, in their order.
    static func additionalMethods(_ answer: MessageContent) -> [KeyExchangeMethod] {
        answer.securityAssociation?.proposals.first?.proposal.transforms.additionalKeyExchanges
            ?? []
    }

    /// RFC 9370 §2.2.1: then the exchange has failed, and nothing may follow it.
    private static func repeatsAdditionalMethods(_ transforms: [Transform]) -> Bool {
        transforms.indices.contains { index in
            let transform = transforms[index]
            return transform.type.isAdditionalKeyExchange && !transform.isNone
                && transforms[..<index].contains {
                    $0.type.isAdditionalKeyExchange && $0.identifier == transform.identifier
                }
        }
    }
}

extension Collection<Transform> {
    /// Whether one of them is of a type.
    func has(_ type: TransformType) -> Bool { contains { $0.type == type } }
}

extension Transform {
    /// NONE of the types that have it: integrity and key exchange.
    var isNone: Bool { identifier == 0 && (type == .integrity || type.isKeyExchange) }

    var isAuthenticatedEncryption: Bool {
        type == .encryption && EncryptionAlgorithm(rawValue: identifier).isAuthenticated
    }
}
