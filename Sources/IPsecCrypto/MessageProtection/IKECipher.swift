package import IPsecPrimitives

/// Protects the Encrypted payloads that one end sends (RFC 7296 §3.14, RFC 5282).
///
/// A value without state: one serves all messages of its direction, sealing and opening alike.
package struct IKECipher: Sendable {
    package let suite: CipherSuite

    package var ivLength: Int { suite.ivLength }
    package var icvLength: Int { suite.icvLength }
    /// The plaintext, padding and pad length included, must be a multiple of it.
    package var blockLength: Int { suite.messageBlockLength }

    /// Throws `invalidKeyLength` unless the keys fit the suite.
    package init(
        suite: CipherSuite,
        encryptionKey: SecretBytes,
        integrityKey: SecretBytes
    ) throws(CryptoError) {
        throw .unsupportedAlgorithm
    }

    /// Whole payload content for `plaintext`, which must be padded already: iv | ciphertext | icv.
    ///
    /// `associatedData` is the message from the IKE header to the Encrypted payload's generic
    /// header, with all lengths filled in. `iv` must never come twice under one key; for CBC it
    /// must be unpredictable as well.
    package func seal(
        _ plaintext: [UInt8],
        associatedData: [UInt8],
        iv: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        throw .unsupportedAlgorithm
    }

    /// The plaintext, padding and pad length included, of a payload's content.
    package func open(
        _ content: ArraySlice<UInt8>,
        associatedData: ArraySlice<UInt8>
    ) throws(CryptoError) -> [UInt8] {
        throw .authenticationFailed
    }
}
