internal import IKEMessages
internal import IPsecPrimitives

/// One offered proposal held against one that we accept.
struct ProposalMatch {
    /// A type of transform in which the two have nothing in common.
    struct Failure: Hashable {
        let type: TransformType
        let offered: [Transform]
        let accepted: [Transform]
        /// There is something in common, but only by using one method twice.
        var repeatsMethods = false
    }

    private(set) var chosen: [Transform] = []
    private(set) var failures: [Failure] = []

    /// - Parameter takesAdditional: whether additional key exchanges are possible at all. Where
    ///   IKE_INTERMEDIATE is not agreed on, their types count as unknown (RFC 9370 §2.2.1).
    init(
        offered: ProposalSubstructure,
        accepted: Proposal,
        purpose: NegotiationPurpose,
        guessedMethod: KeyExchangeMethod?,
        takesAdditional: Bool = true
    ) {
        let theirs = offered.proposal
        chosen.reserveCapacity(accepted.transforms.count)
        let isAH = accepted.securityProtocol == .ah
        let encryption = isAH ? nil : pick(.encryption, theirs, accepted)
        if purpose == .ikeSA { _ = pick(.pseudorandomFunction, theirs, accepted) }
        pickIntegrity(
            theirs,
            accepted,
            isAuthenticated: isAH ? false : encryption?.isAuthenticatedEncryption
        )
        if purpose != .firstChildSA {
            pickKeyExchange(theirs, accepted, guessed: guessedMethod)
            // Where they are not possible, those that we demand are missing all the same.
            if takesAdditional || !theirs.hasAdditionalKeyExchanges {
                pickAdditionalKeyExchanges(theirs, accepted)
            }
        }
        if purpose != .ikeSA { pickSequenceNumbers(theirs, accepted) }
        // RFC 7296 §3.3.6: "If the proposal contains a Transform Type that the responder does not
        // understand, the proposal is rejected".
        func isKnown(_ type: TransformType) -> Bool {
            switch type {
            case .encryption: !isAH
            case .integrity, .keyExchange: true
            case .pseudorandomFunction: purpose == .ikeSA
            case .sequenceNumbers: purpose != .ikeSA
            default: takesAdditional && type.isAdditionalKeyExchange
            }
        }
        guard offered.transforms.contains(where: { !isKnown($0.type) }) else { return }
        for type in offered.transformTypes.sorted() where !isKnown(type) {
            failures.append(
                Failure(type: type, offered: theirs.transforms(of: type), accepted: [])
            )
        }
    }

    private mutating func pick(
        _ type: TransformType,
        _ theirs: Proposal,
        _ ours: Proposal
    ) -> Transform? {
        for transform in ours.transforms
        where transform.type == type && theirs.transforms.contains(transform) {
            chosen.append(transform)
            return transform
        }
        failures.append(
            Failure(
                type: type,
                offered: theirs.transforms(of: type),
                accepted: ours.transforms(of: type)
            )
        )
        return nil
    }

    private mutating func pickIntegrity(
        _ theirs: Proposal,
        _ ours: Proposal,
        isAuthenticated: Bool?
    ) {
        switch isAuthenticated {
        case false?: _ = pick(.integrity, theirs, ours)
        case true?:
            let offered = theirs.transforms(of: .integrity)
            // RFC 5282 §8: an AEAD goes with NONE or with no integrity transform.
            guard !offered.isEmpty else { return }
            if let none = offered.first(where: \.isNone) {
                chosen.append(none)
            } else {
                failures.append(Failure(type: .integrity, offered: offered, accepted: []))
            }
        case nil: break
        }
    }

    private mutating func pickKeyExchange(
        _ theirs: Proposal,
        _ ours: Proposal,
        guessed: KeyExchangeMethod?
    ) {
        let offered = theirs.transforms(of: .keyExchange)
        let accepted = ours.transforms(of: .keyExchange)
        if accepted.isEmpty, offered.isEmpty { return }
        let none = Transform.keyExchange(.none)
        if accepted.isEmpty || accepted.contains(none), offered.isEmpty || offered.contains(none) {
            if accepted.allSatisfy(\.isNone) || offered.isEmpty {
                if !offered.isEmpty { chosen.append(none) }
                return
            }
        }
        if let guessed, accepted.contains(.keyExchange(guessed)),
            offered.contains(.keyExchange(guessed))
        {
            chosen.append(.keyExchange(guessed))
            return
        }
        _ = pick(.keyExchange, theirs, ours)
    }

    /// RFC 9370 §2.2.1: one of each type that is offered; a type that is left out, by the peer or
    /// by our configuration, counts as one with NONE only.
    private mutating func pickAdditionalKeyExchanges(_ theirs: Proposal, _ ours: Proposal) {
        guard theirs.hasAdditionalKeyExchanges || ours.hasAdditionalKeyExchanges else { return }
        var types: [TransformType] = []
        var choices: [[KeyExchangeMethod]] = []
        for type in TransformType.additionalKeyExchanges {
            let offered = theirs.methods(of: type)
            let common = ours.methods(of: type).filter(offered.contains)
            guard !common.isEmpty else {
                failures.append(
                    Failure(
                        type: type,
                        offered: theirs.transforms(of: type),
                        accepted: ours.transforms(of: type)
                    )
                )
                continue
            }
            types.append(type)
            choices.append(common)
        }
        let first = chosen.first { $0.type == .keyExchange }
            .map { KeyExchangeMethod(rawValue: $0.identifier) }
        guard let methods = AdditionalMethods.distinct(choices, besides: first) else {
            let type = types.last { theirs.transforms.map(\.type).contains($0) }
            failures.append(
                Failure(
                    type: type ?? .keyExchange,
                    offered: type.map(theirs.transforms(of:)) ?? [],
                    accepted: type.map(ours.transforms(of:)) ?? [],
                    repeatsMethods: true
                )
            )
            return
        }
        for (type, method) in zip(types, methods) where !theirs.transforms(of: type).isEmpty {
            chosen.append(Transform(type: type, identifier: method.rawValue))
        }
    }

    private mutating func pickSequenceNumbers(_ theirs: Proposal, _ ours: Proposal) {
        // RFC 7296 §3.3.3 wants the type in each ESP proposal; a peer that leaves it out means
        // short ones.
        if !theirs.transforms.has(.sequenceNumbers),
            ours.transforms.contains(.sequenceNumbers(.short))
        {
            return
        }
        _ = pick(.sequenceNumbers, theirs, ours)
    }
}

extension Proposal {
    /// Of an Additional Key Exchange type; NONE where there is none.
    fileprivate func methods(of type: TransformType) -> [KeyExchangeMethod] {
        let methods = transforms(of: type).map { KeyExchangeMethod(rawValue: $0.identifier) }
        return methods.isEmpty ? [.none] : methods
    }
}
