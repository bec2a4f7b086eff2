package import IPsecPrimitives

/// An ephemeral key pair of one key exchange method.
package struct KeyExchangeKeyPair: Sendable {
    package let method: KeyExchangeMethod
    /// The Key Exchange Data of our KE payload: x and y without a prefix for the ECP groups
    /// (RFC 5903 §7), padded to the modulus's length for MODP (RFC 7296 §3.4).
    package let publicValue: [UInt8]

    /// Whether `generate` knows the method.
    package static func supports(_ method: KeyExchangeMethod) -> Bool { false }

    /// Makes a key pair from the next bytes of `random`, and from nothing else.
    package static func generate(
        _ method: KeyExchangeMethod,
        random: inout any RandomSource
    ) throws(CryptoError) -> KeyExchangeKeyPair {
        throw .unsupportedAlgorithm
    }

    /// The secret shared with the peer that sent `peerPublic`, after the checks of RFC 6989 §2.
    package func sharedSecret(with peerPublic: [UInt8]) throws(CryptoError) -> SecretBytes {
        throw .invalidPublicValue
    }
}
