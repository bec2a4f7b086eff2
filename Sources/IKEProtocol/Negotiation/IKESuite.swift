internal import IPsecCrypto
internal import IPsecPrimitives

/// The algorithms of an IKE SA: one of each type (RFC 7296 §3.3.2).
struct IKESuite: Hashable, Sendable {
    let encryption: Transform
    let integrity: IntegrityAlgorithm?
    let prf: PRF
    let keyExchange: KeyExchangeMethod
    /// Those of IKE_INTERMEDIATE or IKE_FOLLOWUP_KE, in their order (RFC 9370 §2.2).
    let additionalKeyExchanges: [KeyExchangeMethod]
    let cipherSuite: CipherSuite
    let transforms: [Transform]

    /// Nil unless there is one of each type that is needed, and all of them are implemented.
    init?(_ transforms: [Transform]) {
        guard let encryption = transforms.first(where: { $0.type == .encryption }),
            let function = transforms.first(where: { $0.type == .pseudorandomFunction }),
            let method = transforms.first(where: { $0.type == .keyExchange }),
            let prf = PRF(PseudorandomFunction(rawValue: function.identifier))
        else { return nil }
        integrity = transforms.integrityAlgorithm
        guard let suite = CipherSuite(encryption: encryption, integrity: integrity),
            suite.isForIKE
        else { return nil }
        self.encryption = encryption
        self.prf = prf
        keyExchange = KeyExchangeMethod(rawValue: method.identifier)
        additionalKeyExchanges = transforms.additionalKeyExchanges
        cipherSuite = suite
        self.transforms = transforms
    }

    var description: String {
        Proposal(securityProtocol: .ike, transforms: transforms).description
    }
}

extension [Transform] {
    /// The integrity algorithm among them; nil when there is none or it is NONE.
    var integrityAlgorithm: IntegrityAlgorithm? {
        first { $0.type == .integrity && $0.identifier != IntegrityAlgorithm.none.rawValue }
            .map { IntegrityAlgorithm(rawValue: $0.identifier) }
    }

    var additionalKeyExchanges: [KeyExchangeMethod] {
        // Nearly all have none.
        guard contains(where: \.type.isAdditionalKeyExchange) else { return [] }
        return filter { $0.type.isAdditionalKeyExchange && !$0.isNone }
            .sorted { $0.type < $1.type }
            .map { KeyExchangeMethod(rawValue: $0.identifier) }
    }
}
