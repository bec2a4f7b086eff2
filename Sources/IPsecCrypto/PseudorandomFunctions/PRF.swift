internal import CPacketCipher
package import IPsecPrimitives

/// A pseudorandom function of IKEv2: HMAC over a hash function (RFC 7296 §2.13, RFC 4868 §2.3), or
/// a MAC over AES (RFC 4434, RFC 4615).
package struct PRF: Hashable, Sendable {
    package let function: PseudorandomFunction
    /// Octets of output, and the preferred key length.
    package let outputLength: Int
    private let identifier: UInt32

    /// Nil for a function that this module does not have.
    package init?(_ function: PseudorandomFunction) {
        switch function {
        case .hmacMD5: (outputLength, identifier) = (16, CYGNET_MD5.rawValue)
        case .hmacSHA1: (outputLength, identifier) = (20, CYGNET_SHA1.rawValue)
        case .aes128XCBC: (outputLength, identifier) = (16, CYGNET_AES_XCBC.rawValue)
        case .hmacSHA256: (outputLength, identifier) = (32, CYGNET_SHA256.rawValue)
        case .hmacSHA384: (outputLength, identifier) = (48, CYGNET_SHA384.rawValue)
        case .hmacSHA512: (outputLength, identifier) = (64, CYGNET_SHA512.rawValue)
        case .aes128CMAC: (outputLength, identifier) = (16, CYGNET_AES_CMAC.rawValue)
        default: return nil
        }
        self.function = function
    }

    /// Octets of each nonce that go into the first SKEYSEED; nil for all of them.
    ///
    /// RFC 7296 §2.14: with the PRFs made of AES, whose keys have 128 bits, "only the first 64 bits
    /// of Ni and the first 64 bits of Nr are used in calculating SKEYSEED, but all the bits are used
    /// for input to the prf+ function".
    package var nonceOctetsInKey: Int? {
        function == .aes128XCBC || function == .aes128CMAC ? 8 : nil
    }

    /// prf(key, message).
    package func compute(key: SecretBytes, _ message: [UInt8]) -> SecretBytes {
        unsafe message.withUnsafeBytes { area in
            unsafe compute(key: key, message: area)
        }
    }

    /// prf(key, the parts one behind the other).
    package func compute(
        key: SecretBytes,
        _ first: [UInt8],
        _ second: [UInt8],
        _ third: [UInt8] = [],
        _ fourth: [UInt8] = []
    ) -> SecretBytes {
        unsafe first.withUnsafeBytes { first in
            unsafe second.withUnsafeBytes { second in
                unsafe third.withUnsafeBytes { third in
                    unsafe fourth.withUnsafeBytes { fourth in
                        let parts: InlineArray = unsafe [
                            part(first), part(second), part(third), part(fourth),
                        ]
                        return unsafe compute(key: key, parts)
                    }
                }
            }
        }
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
                    var part = unsafe cygnet_bytes(bytes: seed.baseAddress, length: seed.count)
                    let done = unsafe cygnet_prf_plus(
                        identifier,
                        key.baseAddress,
                        key.count,
                        &part,
                        1,
                        output.baseAddress?.assumingMemoryBound(to: UInt8.self),
                        length
                    )
                    // Only the functions made of AES can fail, and those for want of memory only.
                    precondition(done != 0, "the library failed to compute a MAC")
                }
            }
        }
    }

    private func compute(key: SecretBytes, message: UnsafeRawBufferPointer) -> SecretBytes {
        let parts: InlineArray = unsafe [part(message)]
        return unsafe compute(key: key, parts)
    }

    private func compute<let count: Int>(
        key: SecretBytes,
        _ parts: InlineArray<count, cygnet_bytes>
    ) -> SecretBytes {
        unsafe SecretBytes(count: outputLength) { output in
            unsafe key.withUnsafeBytes { key in
                let done = unsafe parts.span.withUnsafeBufferPointer { parts in
                    unsafe cygnet_prf_compute(
                        identifier,
                        key.baseAddress,
                        key.count,
                        parts.baseAddress,
                        count,
                        output.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    )
                }
                precondition(done != 0, "the library failed to compute a MAC")
            }
        }
    }

    private func part(_ area: UnsafeRawBufferPointer) -> cygnet_bytes {
        unsafe cygnet_bytes(bytes: area.baseAddress, length: area.count)
    }
}
