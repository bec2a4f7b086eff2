internal import IPsecCrypto
internal import IPsecPrimitives

/// The algorithms of an IKE SA: one of each type (RFC 7296 §3.3.2).
struct IKESuite: Hashable, Sendable {
    let encryption: Transform
    let integrity: IntegrityAlgorithm?
    let prf: PRF
    let keyExchange: KeyExchangeMethod
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
        cipherSuite = suite
        self.transforms = transforms
    }

    var description: String {
        Proposal(securityProtocol: .ike, transforms: transforms).description
    }
}

/// The algorithms of a Child SA.
struct ESPSuite: Hashable, Sendable {
    let encryption: Transform
    let integrity: IntegrityAlgorithm?
    let isExtendedSequence: Bool
    /// Nil where the exchange brings no fresh key exchange.
    let keyExchange: KeyExchangeMethod?
    let cipherSuite: CipherSuite
    let transforms: [Transform]

    init?(_ transforms: [Transform]) {
        guard let encryption = transforms.first(where: { $0.type == .encryption }) else {
            return nil
        }
        integrity = transforms.integrityAlgorithm
        guard let suite = CipherSuite(encryption: encryption, integrity: integrity) else {
            return nil
        }
        self.encryption = encryption
        cipherSuite = suite
        isExtendedSequence = transforms.contains(.sequenceNumbers(.extended))
        keyExchange = transforms.first { $0.type == .keyExchange && $0.identifier != 0 }
            .map { KeyExchangeMethod(rawValue: $0.identifier) }
        self.transforms = transforms
    }

    var description: String {
        Proposal(securityProtocol: .esp, transforms: transforms).description
    }
}

extension [Transform] {
    /// The integrity algorithm among them; nil when there is none or it is NONE.
    fileprivate var integrityAlgorithm: IntegrityAlgorithm? {
        first { $0.type == .integrity && $0.identifier != IntegrityAlgorithm.none.rawValue }
            .map { IntegrityAlgorithm(rawValue: $0.identifier) }
    }
}
