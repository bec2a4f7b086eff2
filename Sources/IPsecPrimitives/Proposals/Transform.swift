/// The kinds of transform in a proposal (RFC 7296 §3.3.2).
@frozen @usableFromInline
package struct TransformType: Numbered, Comparable {
    @usableFromInline package let rawValue: UInt8

    @inlinable
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let encryption = TransformType(rawValue: 1)
    package static let pseudorandomFunction = TransformType(rawValue: 2)
    package static let integrity = TransformType(rawValue: 3)
    /// RFC 9370 §3.1 renames "Diffie-Hellman group".
    @usableFromInline package static let keyExchange = TransformType(rawValue: 4)
    package static let sequenceNumbers = TransformType(rawValue: 5)
    /// Additional Key Exchange 1 to 7 (RFC 9370 §2.2.1).
    package static let additionalKeyExchanges = (UInt8(6)...12).map { TransformType(rawValue: $0) }

    /// Whether transforms of this type are key exchange methods, the first or an additional one.
    @inlinable package var isKeyExchange: Bool { self == .keyExchange || isAdditionalKeyExchange }

    @inlinable package var isAdditionalKeyExchange: Bool { (6...12).contains(rawValue) }

    @inlinable
    package static func < (left: TransformType, right: TransformType) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Encryption algorithms (IANA "IKEv2 Transform Type 1").
@frozen @usableFromInline
package struct EncryptionAlgorithm: Numbered {
    @usableFromInline package let rawValue: UInt16

    @inlinable
    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let tripleDESCBC = EncryptionAlgorithm(rawValue: 3)
    package static let null = EncryptionAlgorithm(rawValue: 11)
    package static let aesCBC = EncryptionAlgorithm(rawValue: 12)
    package static let aesCTR = EncryptionAlgorithm(rawValue: 13)
    /// The number is that of the ICV's octets, for CCM and GCM.
    package static let aesCCM8 = EncryptionAlgorithm(rawValue: 14)
    package static let aesCCM12 = EncryptionAlgorithm(rawValue: 15)
    package static let aesCCM16 = EncryptionAlgorithm(rawValue: 16)
    package static let aesGCM8 = EncryptionAlgorithm(rawValue: 18)
    package static let aesGCM12 = EncryptionAlgorithm(rawValue: 19)
    package static let aesGCM16 = EncryptionAlgorithm(rawValue: 20)
    /// Authenticates without encrypting (RFC 4543).
    package static let nullAuthAESGMAC = EncryptionAlgorithm(rawValue: 21)
    package static let chaCha20Poly1305 = EncryptionAlgorithm(rawValue: 28)
    package static let aesCCM8ImplicitIV = EncryptionAlgorithm(rawValue: 29)
    package static let aesGCM16ImplicitIV = EncryptionAlgorithm(rawValue: 30)
    package static let chaCha20Poly1305ImplicitIV = EncryptionAlgorithm(rawValue: 31)

    /// Whether the algorithm brings its own integrity (RFC 4543, RFC 5282, RFC 7634, RFC 8750).
    package var isAuthenticated: Bool {
        (14...16).contains(rawValue) || (18...21).contains(rawValue)
            || (28...31).contains(rawValue)
    }

    /// Whether the sequence number stands for the IV, which is not sent (RFC 8750).
    package var hasImplicitIV: Bool { (29...31).contains(rawValue) }

    /// Whether it hides what it protects.
    package var encrypts: Bool { self != .null && self != .nullAuthAESGMAC }
}

/// Pseudorandom functions (IANA "IKEv2 Transform Type 2").
@frozen @usableFromInline
package struct PseudorandomFunction: Numbered {
    @usableFromInline package let rawValue: UInt16

    @inlinable
    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let hmacMD5 = PseudorandomFunction(rawValue: 1)
    package static let hmacSHA1 = PseudorandomFunction(rawValue: 2)
    package static let aes128XCBC = PseudorandomFunction(rawValue: 4)
    package static let hmacSHA256 = PseudorandomFunction(rawValue: 5)
    package static let hmacSHA384 = PseudorandomFunction(rawValue: 6)
    package static let hmacSHA512 = PseudorandomFunction(rawValue: 7)
    package static let aes128CMAC = PseudorandomFunction(rawValue: 8)
}

/// Integrity algorithms (IANA "IKEv2 Transform Type 3").
@frozen @usableFromInline
package struct IntegrityAlgorithm: Numbered {
    @usableFromInline package let rawValue: UInt16

    @inlinable
    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let none = IntegrityAlgorithm(rawValue: 0)
    package static let hmacMD5_96 = IntegrityAlgorithm(rawValue: 1)
    package static let hmacSHA1_96 = IntegrityAlgorithm(rawValue: 2)
    package static let aesXCBC96 = IntegrityAlgorithm(rawValue: 5)
    package static let aesCMAC96 = IntegrityAlgorithm(rawValue: 8)
    /// RFC 4543 §4; of AH only, as are the two that follow.
    package static let aes128GMAC = IntegrityAlgorithm(rawValue: 9)
    package static let aes192GMAC = IntegrityAlgorithm(rawValue: 10)
    package static let aes256GMAC = IntegrityAlgorithm(rawValue: 11)
    package static let hmacSHA256_128 = IntegrityAlgorithm(rawValue: 12)
    package static let hmacSHA384_192 = IntegrityAlgorithm(rawValue: 13)
    package static let hmacSHA512_256 = IntegrityAlgorithm(rawValue: 14)

    /// The pseudorandom function made of the same thing, which an IKE proposal means where it
    /// names none; nil where there is none.
    package var impliedFunction: PseudorandomFunction? {
        switch self {
        case .hmacMD5_96: .hmacMD5
        case .hmacSHA1_96: .hmacSHA1
        case .aesXCBC96: .aes128XCBC
        case .aesCMAC96: .aes128CMAC
        case .hmacSHA256_128: .hmacSHA256
        case .hmacSHA384_192: .hmacSHA384
        case .hmacSHA512_256: .hmacSHA512
        default: nil
        }
    }
}

/// Key exchange methods (IANA "IKEv2 Transform Type 4").
@frozen @usableFromInline
package struct KeyExchangeMethod: Numbered {
    @usableFromInline package let rawValue: UInt16

    @inlinable
    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let none = KeyExchangeMethod(rawValue: 0)
    package static let modp768 = KeyExchangeMethod(rawValue: 1)
    package static let modp1024 = KeyExchangeMethod(rawValue: 2)
    package static let modp1536 = KeyExchangeMethod(rawValue: 5)
    package static let modp2048 = KeyExchangeMethod(rawValue: 14)
    package static let modp3072 = KeyExchangeMethod(rawValue: 15)
    package static let modp4096 = KeyExchangeMethod(rawValue: 16)
    package static let modp6144 = KeyExchangeMethod(rawValue: 17)
    package static let modp8192 = KeyExchangeMethod(rawValue: 18)
    package static let ecp256 = KeyExchangeMethod(rawValue: 19)
    package static let ecp384 = KeyExchangeMethod(rawValue: 20)
    package static let ecp521 = KeyExchangeMethod(rawValue: 21)
    package static let ecp192 = KeyExchangeMethod(rawValue: 25)
    package static let ecp224 = KeyExchangeMethod(rawValue: 26)
    package static let brainpoolP224 = KeyExchangeMethod(rawValue: 27)
    package static let brainpoolP256 = KeyExchangeMethod(rawValue: 28)
    package static let brainpoolP384 = KeyExchangeMethod(rawValue: 29)
    package static let brainpoolP512 = KeyExchangeMethod(rawValue: 30)
    package static let curve25519 = KeyExchangeMethod(rawValue: 31)
    package static let curve448 = KeyExchangeMethod(rawValue: 32)
    /// draft-ietf-ipsecme-ikev2-mlkem-08 §4.
    package static let mlkem512 = KeyExchangeMethod(rawValue: 35)
    package static let mlkem768 = KeyExchangeMethod(rawValue: 36)
    package static let mlkem1024 = KeyExchangeMethod(rawValue: 37)
}

/// Whether sequence numbers have 64 bits (IANA "IKEv2 Transform Type 5"; RFC 9827 renames it).
@frozen @usableFromInline
package struct SequenceNumberKind: Numbered {
    @usableFromInline package let rawValue: UInt16

    @inlinable
    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let short = SequenceNumberKind(rawValue: 0)
    package static let extended = SequenceNumberKind(rawValue: 1)
}

/// One algorithm that a proposal offers (RFC 7296 §3.3.2).
@frozen @usableFromInline
package struct Transform: Hashable, Sendable {
    @usableFromInline package let type: TransformType
    @usableFromInline package let identifier: UInt16
    /// Key length in bits, where the algorithm has several (RFC 7296 §3.3.5).
    @usableFromInline package let keyLengthBits: UInt16?

    package init(type: TransformType, identifier: UInt16, keyLengthBits: UInt16? = nil) {
        self.type = type
        self.identifier = identifier
        self.keyLengthBits = keyLengthBits
    }

    // Written out for the same reason as that of `Numbered`.
    @inlinable
    package static func == (left: Transform, right: Transform) -> Bool {
        left.type == right.type && left.identifier == right.identifier
            && left.keyLengthBits == right.keyLengthBits
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
