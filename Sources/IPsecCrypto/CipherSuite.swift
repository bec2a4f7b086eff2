package import IPsecPrimitives

/// An encryption algorithm with the integrity that goes with it, known to work together.
///
/// Either an AEAD, which brings its own integrity, or a cipher with a MAC beside it.
package struct CipherSuite: Hashable, Sendable {
    package enum Kind: Hashable, Sendable, CaseIterable {
        /// RFC 4106, RFC 5282.
        case aesGCM
        /// RFC 4309, RFC 5282.
        case aesCCM
        /// RFC 7634.
        case chaCha20Poly1305
        /// RFC 3602.
        case aesCBC
        /// RFC 3686, RFC 5930.
        case aesCTR
        /// RFC 2451.
        case tripleDESCBC
        /// RFC 4543: authenticates and does not encrypt. ESP only.
        case aesGMAC
        /// RFC 2410, with a MAC: authenticates and does not encrypt. ESP only.
        case null
    }

    package let kind: Kind
    /// Length of the cipher's own key in octets, without salt or nonce.
    package let cipherKeyLength: Int
    /// Whether the IV is the sequence number and is not sent (RFC 8750). ESP only.
    package let hasImplicitIV: Bool
    /// Octets of the ICV of an AEAD; of no meaning for the others.
    private let tagLength: Int
    /// `none` for the AEADs.
    package let integrity: IntegrityAlgorithm

    /// Nil unless algorithm, key length and integrity make a suite that this module has.
    package init?(encryption: Transform, integrity: IntegrityAlgorithm?) {
        guard encryption.type == .encryption,
            let shape = CipherShape(EncryptionAlgorithm(rawValue: encryption.identifier)),
            let keyLength = shape.keyLength(encryption.keyLengthBits)
        else { return nil }
        kind = shape.kind
        hasImplicitIV = shape.hasImplicitIV
        tagLength = shape.tagLength
        cipherKeyLength = keyLength
        self.integrity = integrity ?? .none
        guard isAuthenticated == (self.integrity == .none) else { return nil }
        guard isAuthenticated || integrityKeyLength > 0 else { return nil }
    }

    /// Whether cipher and integrity are one algorithm.
    package var isAuthenticated: Bool {
        switch kind {
        case .aesGCM, .aesCCM, .chaCha20Poly1305, .aesGMAC: true
        case .aesCBC, .aesCTR, .tripleDESCBC, .null: false
        }
    }

    /// Whether it hides what it protects.
    package var encrypts: Bool { kind != .null && kind != .aesGMAC }

    /// Whether an IKE SA may have it. RFC 7296 §5: "ENCR_NULL … MUST NOT be used"; RFC 4543 §5
    /// and RFC 8750 §5 define theirs for ESP only.
    package var isForIKE: Bool { encrypts && !hasImplicitIV }

    /// Octets of salt (RFC 4106 §8.1, RFC 4309 §7.1, RFC 7634 §2) or nonce (RFC 3686 §5.1) behind
    /// the key.
    package var saltLength: Int {
        switch kind {
        case .aesGCM, .chaCha20Poly1305, .aesCTR, .aesGMAC: 4
        case .aesCCM: 3
        case .aesCBC, .tripleDESCBC, .null: 0
        }
    }

    /// Octets of keying material for encryption, salt included (SK_e, or an SA's first part).
    package var encryptionKeyLength: Int { cipherKeyLength + saltLength }

    /// Octets of keying material for integrity; zero for the AEADs.
    package var integrityKeyLength: Int { integrity.keyLength }

    /// Octets of IV on the wire.
    package var ivLength: Int {
        switch kind {
        case .aesCBC: 16
        case .tripleDESCBC, .aesCTR, .aesGMAC: 8
        case .aesGCM, .aesCCM, .chaCha20Poly1305: hasImplicitIV ? 0 : 8
        case .null: 0
        }
    }

    /// Whether the IV must be unpredictable (RFC 3602 §3, RFC 2451 §3), where for the others it
    /// must be new only.
    package var needsUnpredictableIV: Bool { kind == .aesCBC || kind == .tripleDESCBC }

    /// Octets of integrity check value on the wire.
    package var icvLength: Int { isAuthenticated ? tagLength : integrity.icvLength }

    /// What the ciphertext of an ESP packet must be a multiple of, in octets (RFC 4303 §2.4).
    package var blockLength: Int { max(messageBlockLength, 4) }

    /// What the ciphertext of an Encrypted payload must be a multiple of (RFC 7296 §3.14).
    package var messageBlockLength: Int {
        switch kind {
        case .aesCBC: 16
        case .tripleDESCBC: 8
        default: 1
        }
    }
}

/// What a code point of Transform Type 1 stands for.
private struct CipherShape {
    let kind: CipherSuite.Kind
    var tagLength = 0
    var hasImplicitIV = false

    init?(_ algorithm: EncryptionAlgorithm) {
        switch algorithm {
        case .tripleDESCBC: kind = .tripleDESCBC
        case .null: kind = .null
        case .aesCBC: kind = .aesCBC
        case .aesCTR: kind = .aesCTR
        case .aesCCM8: (kind, tagLength) = (.aesCCM, 8)
        case .aesCCM12: (kind, tagLength) = (.aesCCM, 12)
        case .aesCCM16: (kind, tagLength) = (.aesCCM, 16)
        case .aesGCM8: (kind, tagLength) = (.aesGCM, 8)
        case .aesGCM12: (kind, tagLength) = (.aesGCM, 12)
        case .aesGCM16: (kind, tagLength) = (.aesGCM, 16)
        case .nullAuthAESGMAC: (kind, tagLength) = (.aesGMAC, 16)
        case .chaCha20Poly1305: (kind, tagLength) = (.chaCha20Poly1305, 16)
        case .aesCCM8ImplicitIV: (kind, tagLength, hasImplicitIV) = (.aesCCM, 8, true)
        case .aesGCM16ImplicitIV: (kind, tagLength, hasImplicitIV) = (.aesGCM, 16, true)
        case .chaCha20Poly1305ImplicitIV:
            (kind, tagLength, hasImplicitIV) = (.chaCha20Poly1305, 16, true)
        default: return nil
        }
    }

    /// Octets of key for the Key Length attribute of a transform; nil where the two do not fit.
    ///
    /// RFC 7296 §3.3.5: the AES algorithms must have the attribute, those with one key length must
    /// not; a redundant 256 for ChaCha20 is tolerated.
    func keyLength(_ bits: UInt16?) -> Int? {
        switch (kind, bits) {
        case (.chaCha20Poly1305, nil), (.chaCha20Poly1305, 256): 32
        case (.tripleDESCBC, nil): 24
        case (.null, nil): 0
        case (.chaCha20Poly1305, _), (.tripleDESCBC, _), (.null, _): nil
        case (_, 128): 16
        case (_, 192): 24
        case (_, 256): 32
        default: nil
        }
    }
}

extension IntegrityAlgorithm {
    /// Octets of key (RFC 7296 §2.13, RFC 2403, RFC 2404, RFC 3566 §4.1, RFC 4494 §2, RFC 4868
    /// §2.1.1); zero for NONE and for those that go with no cipher.
    package var keyLength: Int {
        switch self {
        case .hmacMD5_96, .aesXCBC96, .aesCMAC96: 16
        case .hmacSHA1_96: 20
        case .hmacSHA256_128: 32
        case .hmacSHA384_192: 48
        case .hmacSHA512_256: 64
        default: 0
        }
    }

    /// Octets of the ICV; zero for NONE and for those that go with no cipher.
    package var icvLength: Int {
        switch self {
        case .hmacMD5_96, .hmacSHA1_96, .aesXCBC96, .aesCMAC96: 12
        default: keyLength / 2
        }
    }
}
