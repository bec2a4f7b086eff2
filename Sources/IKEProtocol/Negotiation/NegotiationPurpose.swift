internal import IPsecPrimitives

/// What a proposal is negotiated for, which decides on the transform types that count.
enum NegotiationPurpose {
    case ikeSA
    /// In IKE_AUTH, where "KE and nonce payloads are omitted" (RFC 7296 §1.2).
    case firstChildSA
    /// In CREATE_CHILD_SA.
    case childSA

    /// Whether a proposal of this protocol is one for this purpose.
    func takes(_ securityProtocol: SecurityProtocol) -> Bool {
        (securityProtocol == .ike) == (self == .ikeSA)
    }

    /// A configured proposal with what its words leave unsaid.
    ///
    /// ESP without a word on sequence numbers takes long ones where the peer has them, else short
    /// ones. IKE without a pseudorandom function takes that of the integrity algorithm's hash.
    func completed(_ proposal: Proposal) -> Proposal {
        guard !isComplete(proposal) else { return proposal }
        var transforms = proposal.transforms
        switch self {
        case .ikeSA:
            if proposal.transforms(of: .pseudorandomFunction).isEmpty {
                transforms += proposal.transforms(of: .integrity).compactMap(impliedFunction)
            }
        case .firstChildSA, .childSA:
            if proposal.transforms(of: .sequenceNumbers).isEmpty {
                transforms += [.sequenceNumbers(.extended), .sequenceNumbers(.short)]
            }
            if self == .firstChildSA { transforms.removeAll { $0.type.isKeyExchange } }
        }
        return Proposal(
            securityProtocol: proposal.securityProtocol,
            transforms: transforms
        )
    }

    private func isComplete(_ proposal: Proposal) -> Bool {
        var hasFunction = false
        var hasSequenceNumbers = false
        var hasKeyExchange = false
        for transform in proposal.transforms {
            switch transform.type {
            case .pseudorandomFunction: hasFunction = true
            case .sequenceNumbers: hasSequenceNumbers = true
            default: hasKeyExchange = hasKeyExchange || transform.type.isKeyExchange
            }
        }
        return switch self {
        case .ikeSA: hasFunction
        case .firstChildSA: hasSequenceNumbers && !hasKeyExchange
        case .childSA: hasSequenceNumbers
        }
    }

    private func impliedFunction(of integrity: Transform) -> Transform? {
        IntegrityAlgorithm(rawValue: integrity.identifier).impliedFunction
            .map(Transform.pseudorandomFunction)
    }
}
