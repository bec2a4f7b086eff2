internal import IPsecCrypto
internal import IPsecPrimitives

/// The protocol and the algorithms of a Child SA.
struct ChildSuite: Hashable, Sendable {
    /// ESP or AH.
    let securityProtocol: SecurityProtocol
    /// ENCR_NULL for AH, which does not encrypt.
    let encryption: Transform
    /// Nil with an AEAD.
    let integrity: IntegrityAlgorithm?
    let isExtendedSequence: Bool
    /// Nil where the exchange brings no fresh key exchange.
    let keyExchange: KeyExchangeMethod?
    /// Those of IKE_FOLLOWUP_KE, in their order (RFC 9370 §2.2.4).
    let additionalKeyExchanges: [KeyExchangeMethod]
    let keyLengths: ChildKeyLengths
    let transforms: [Transform]

    /// Nil unless there is one of each type that is needed, and all of them are implemented.
    init?(_ transforms: [Transform], of securityProtocol: SecurityProtocol) {
        integrity = transforms.integrityAlgorithm
        switch securityProtocol {
        case .esp:
            guard let encryption = transforms.first(where: { $0.type == .encryption }),
                let suite = CipherSuite(encryption: encryption, integrity: integrity)
            else { return nil }
            self.encryption = encryption
            keyLengths = ChildKeyLengths(
                encryption: suite.encryptionKeyLength,
                integrity: suite.integrityKeyLength
            )
        case .ah:
            guard let length = integrity?.authenticationHeaderKeyLength else { return nil }
            encryption = .encryption(.null)
            keyLengths = ChildKeyLengths(encryption: 0, integrity: length)
        default: return nil
        }
        self.securityProtocol = securityProtocol
        isExtendedSequence = transforms.contains(.sequenceNumbers(.extended))
        keyExchange = transforms.first { $0.type == .keyExchange && $0.identifier != 0 }
            .map { KeyExchangeMethod(rawValue: $0.identifier) }
        additionalKeyExchanges = transforms.additionalKeyExchanges
        self.transforms = transforms
    }

    var proposal: Proposal {
        Proposal(securityProtocol: securityProtocol, transforms: transforms)
    }

    var description: String { proposal.description }
}
