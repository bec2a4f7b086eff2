package import IPsecPrimitives

/// An encryption algorithm with the integrity that goes with it, known to work together.
///
/// One of four kinds: AES-GCM (RFC 4106, RFC 5282), ChaCha20-Poly1305 (RFC 7634), and AES-CBC
/// (RFC 3602) or AES-CTR (RFC 3686, RFC 5930) with HMAC-SHA2 (RFC 4868).
package struct CipherSuite: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case aesGCM16
        case chaCha20Poly1305
        case aesCBC
        case aesCTR
    }

    package let kind: Kind
    /// Length of the cipher's own key in octets, without salt or nonce.
    package let cipherKeyLength: Int
    /// `none` for the AEADs.
    package let integrity: IntegrityAlgorithm

    /// Nil unless algorithm, key length and integrity make a suite that this module has.
    package init?(encryption: Transform, integrity: IntegrityAlgorithm?) {
        guard encryption.type == .encryption else { return nil }
        let keyLength = encryption.keyLengthBits
        switch EncryptionAlgorithm(rawValue: encryption.identifier) {
        case .aesGCM16: kind = .aesGCM16
        case .chaCha20Poly1305: kind = .chaCha20Poly1305
        case .aesCBC: kind = .aesCBC
        case .aesCTR: kind = .aesCTR
        default: return nil
        }
        // RFC 7634 §4: ChaCha20 has one key length and no attribute for it.
        switch (kind, keyLength) {
        case (.chaCha20Poly1305, nil), (.chaCha20Poly1305, 256): cipherKeyLength = 32
        case (.chaCha20Poly1305, _): return nil
        case (_, 128): cipherKeyLength = 16
        case (_, 256): cipherKeyLength = 32
        default: return nil
        }
        self.integrity = integrity ?? .none
        guard isAuthenticated == (self.integrity == .none) else { return nil }
        guard isAuthenticated || integrityKeyLength > 0 else { return nil }
    }

    /// Whether cipher and integrity are one algorithm.
    package var isAuthenticated: Bool { kind == .aesGCM16 || kind == .chaCha20Poly1305 }

    /// Octets of salt (RFC 4106 §8.1, RFC 7634 §2) or nonce (RFC 3686 §5.1) behind the key.
    package var saltLength: Int { kind == .aesCBC ? 0 : 4 }

    /// Octets of keying material for encryption, salt included (SK_e, or an SA's first part).
    package var encryptionKeyLength: Int { cipherKeyLength + saltLength }

    /// Octets of keying material for integrity; zero for the AEADs (RFC 4868 §2.1.1).
    package var integrityKeyLength: Int {
        switch integrity {
        case .hmacSHA256_128: 32
        case .hmacSHA384_192: 48
        case .hmacSHA512_256: 64
        default: 0
        }
    }

    /// Octets of IV on the wire.
    package var ivLength: Int { kind == .aesCBC ? 16 : 8 }

    /// Octets of integrity check value on the wire.
    package var icvLength: Int { isAuthenticated ? 16 : integrityKeyLength / 2 }

    /// What the ciphertext of an ESP packet must be a multiple of, in octets (RFC 4303 §2.4).
    package var blockLength: Int { kind == .aesCBC ? 16 : 4 }

    /// What the ciphertext of an Encrypted payload must be a multiple of (RFC 7296 §3.14).
    package var messageBlockLength: Int { kind == .aesCBC ? 16 : 1 }
}
