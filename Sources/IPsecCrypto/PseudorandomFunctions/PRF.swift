package import IPsecPrimitives

/// A pseudorandom function of IKEv2: HMAC over one of the SHA functions (RFC 7296 §2.13,
/// RFC 4868 §2.3).
package struct PRF: Hashable, Sendable {
    package let function: PseudorandomFunction
    /// Octets of output, and the preferred key length.
    package let outputLength: Int

    /// Nil for a function that this module does not have.
    package init?(_ function: PseudorandomFunction) {
        switch function {
        case .hmacSHA1: outputLength = 20
        case .hmacSHA256: outputLength = 32
        case .hmacSHA384: outputLength = 48
        case .hmacSHA512: outputLength = 64
        default: return nil
        }
        self.function = function
    }

    /// prf(key, parts, one behind the other).
    package func compute(key: SecretBytes, _ parts: [UInt8]...) -> SecretBytes {
        SecretBytes([])
    }

    /// prf+(key, seed), `length` octets of it (RFC 7296 §2.13).
    /// Precondition: at most 255 times the output length.
    package func plus(key: SecretBytes, seed: [UInt8], length: Int) -> SecretBytes {
        SecretBytes([])
    }
}
