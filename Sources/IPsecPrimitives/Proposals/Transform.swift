/// The kinds of transform in a proposal (RFC 7296 §3.3.2).
package struct TransformType: RawRepresentable, Hashable, Comparable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let encryption = TransformType(rawValue: 1)
    package static let pseudorandomFunction = TransformType(rawValue: 2)
    package static let integrity = TransformType(rawValue: 3)
    /// RFC 9370 §3.1 renames "Diffie-Hellman group".
    package static let keyExchange = TransformType(rawValue: 4)
    package static let sequenceNumbers = TransformType(rawValue: 5)
    /// Additional Key Exchange 1 to 7 (RFC 9370 §2.2.1).
    package static let additionalKeyExchanges = (UInt8(6)...12).map { TransformType(rawValue: $0) }

    /// Whether transforms of this type are key exchange methods, the first or an additional one.
    package var isKeyExchange: Bool { self == .keyExchange || isAdditionalKeyExchange }

    package var isAdditionalKeyExchange: Bool { (6...12).contains(rawValue) }

    package static func < (left: TransformType, right: TransformType) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Encryption algorithms (IANA "IKEv2 Transform Type 1").
package struct EncryptionAlgorithm: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let null = EncryptionAlgorithm(rawValue: 11)
    package static let aesCBC = EncryptionAlgorithm(rawValue: 12)
    package static let aesCTR = EncryptionAlgorithm(rawValue: 13)
    package static let aesGCM16 = EncryptionAlgorithm(rawValue: 20)
    package static let chaCha20Poly1305 = EncryptionAlgorithm(rawValue: 28)

    /// Whether the algorithm brings its own integrity (RFC 5282, RFC 7634).
    package var isAuthenticated: Bool {
        (14...20).contains(rawValue) || rawValue == 28 || (29...31).contains(rawValue)
    }
}

/// Pseudorandom functions (IANA "IKEv2 Transform Type 2").
package struct PseudorandomFunction: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let hmacSHA1 = PseudorandomFunction(rawValue: 2)
    package static let hmacSHA256 = PseudorandomFunction(rawValue: 5)
    package static let hmacSHA384 = PseudorandomFunction(rawValue: 6)
    package static let hmacSHA512 = PseudorandomFunction(rawValue: 7)
}

/// Integrity algorithms (IANA "IKEv2 Transform Type 3").
package struct IntegrityAlgorithm: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let none = IntegrityAlgorithm(rawValue: 0)
    package static let hmacSHA256_128 = IntegrityAlgorithm(rawValue: 12)
    package static let hmacSHA384_192 = IntegrityAlgorithm(rawValue: 13)
    package static let hmacSHA512_256 = IntegrityAlgorithm(rawValue: 14)
}

/// Key exchange methods (IANA "IKEv2 Transform Type 4").
package struct KeyExchangeMethod: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let none = KeyExchangeMethod(rawValue: 0)
    package static let modp2048 = KeyExchangeMethod(rawValue: 14)
    package static let modp3072 = KeyExchangeMethod(rawValue: 15)
    package static let modp4096 = KeyExchangeMethod(rawValue: 16)
    package static let ecp256 = KeyExchangeMethod(rawValue: 19)
    package static let ecp384 = KeyExchangeMethod(rawValue: 20)
    package static let curve25519 = KeyExchangeMethod(rawValue: 31)
    /// draft-ietf-ipsecme-ikev2-mlkem-08 §4.
    package static let mlkem512 = KeyExchangeMethod(rawValue: 35)
    package static let mlkem768 = KeyExchangeMethod(rawValue: 36)
    package static let mlkem1024 = KeyExchangeMethod(rawValue: 37)
}

/// Whether sequence numbers have 64 bits (IANA "IKEv2 Transform Type 5"; RFC 9827 renames it).
package struct SequenceNumberKind: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let short = SequenceNumberKind(rawValue: 0)
    package static let extended = SequenceNumberKind(rawValue: 1)
}

/// One algorithm that a proposal offers (RFC 7296 §3.3.2).
package struct Transform: Hashable, Sendable {
    package let type: TransformType
    package let identifier: UInt16
    /// Key length in bits, where the algorithm has several (RFC 7296 §3.3.5).
    package let keyLengthBits: UInt16?

    package init(type: TransformType, identifier: UInt16, keyLengthBits: UInt16? = nil) {
        self.type = type
        self.identifier = identifier
        self.keyLengthBits = keyLengthBits
    }

    package static func encryption(
        _ algorithm: EncryptionAlgorithm,
        keyLengthBits: UInt16? = nil
    ) -> Transform {
        Transform(
            type: .encryption,
            identifier: algorithm.rawValue,
            keyLengthBits: keyLengthBits
        )
    }

    package static func pseudorandomFunction(_ function: PseudorandomFunction) -> Transform {
        Transform(type: .pseudorandomFunction, identifier: function.rawValue)
    }

    package static func integrity(_ algorithm: IntegrityAlgorithm) -> Transform {
        Transform(type: .integrity, identifier: algorithm.rawValue)
    }

    package static func keyExchange(_ method: KeyExchangeMethod) -> Transform {
        Transform(type: .keyExchange, identifier: method.rawValue)
    }

    /// - Parameter number: from one to seven (RFC 9370 §2.2.1).
    package static func additionalKeyExchange(
        _ number: Int,
        _ method: KeyExchangeMethod
    ) -> Transform {
        Transform(
            type: TransformType.additionalKeyExchanges[number - 1],
            identifier: method.rawValue
        )
    }

    package static func sequenceNumbers(_ kind: SequenceNumberKind) -> Transform {
        Transform(type: .sequenceNumbers, identifier: kind.rawValue)
    }
}
