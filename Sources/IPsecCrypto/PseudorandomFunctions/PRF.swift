internal import CPacketCipher
package import IPsecPrimitives

/// A pseudorandom function of IKEv2: HMAC over one of the SHA functions (RFC 7296 §2.13,
/// RFC 4868 §2.3).
package struct PRF: Hashable, Sendable {
    package let function: PseudorandomFunction
    /// Octets of output, and the preferred key length.
    package let outputLength: Int
    private let hash: UInt32

    /// Nil for a function that this module does not have. SHA-1 is here for old vectors and
    /// captures; nothing offers it.
    package init?(_ function: PseudorandomFunction) {
        switch function {
        case .hmacSHA1: (outputLength, hash) = (20, CYGNET_SHA1.rawValue)
        case .hmacSHA256: (outputLength, hash) = (32, CYGNET_SHA256.rawValue)
        case .hmacSHA384: (outputLength, hash) = (48, CYGNET_SHA384.rawValue)
        case .hmacSHA512: (outputLength, hash) = (64, CYGNET_SHA512.rawValue)
        default: return nil
        }
        self.function = function
    }

    /// prf(key, message).
    package func compute(key: SecretBytes, _ message: [UInt8]) -> SecretBytes {
        unsafe message.withUnsafeBytes { area in
            unsafe compute(key: key, message: area)
        }
    }

    /// prf(key, the parts one behind the other).
    package func compute(key: SecretBytes, _ parts: [UInt8]...) -> SecretBytes {
        compute(key: key, Array(parts.joined()))
    }

    /// prf(key, message) of a message that is itself secret, such as g^ir.
    package func compute(key: SecretBytes, _ message: SecretBytes) -> SecretBytes {
        unsafe message.withUnsafeBytes { area in
            unsafe compute(key: key, message: area)
        }
    }

    /// prf+(key, seed), `length` octets of it (RFC 7296 §2.13).
    /// Precondition: at most 255 times the output length.
    package func plus(key: SecretBytes, seed: [UInt8], length: Int) -> SecretBytes {
        precondition(length >= 0 && length <= 255 * outputLength)
        return unsafe SecretBytes(count: length) { output in
            unsafe key.withUnsafeBytes { key in
                unsafe seed.withUnsafeBytes { seed in
                    unsafe cygnet_prf_plus(
                        hash,
                        key.baseAddress,
                        key.count,
                        seed.baseAddress,
                        seed.count,
                        output.baseAddress?.assumingMemoryBound(to: UInt8.self),
                        length
                    )
                }
            }
        }
    }

    private func compute(key: SecretBytes, message: UnsafeRawBufferPointer) -> SecretBytes {
        unsafe SecretBytes(count: outputLength) { output in
            unsafe key.withUnsafeBytes { key in
                unsafe cygnet_hmac_compute(
                    hash,
                    key.baseAddress,
                    key.count,
                    message.baseAddress,
                    message.count,
                    output.baseAddress?.assumingMemoryBound(to: UInt8.self)
                )
            }
        }
    }
}
