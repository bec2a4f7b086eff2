package import IPsecPrimitives

/// What a responder makes of an initiator's public value: its own value and the shared secret.
package struct KeyExchangeAnswer: Sendable {
    /// The Key Exchange Data of the responder's KE payload; for ML-KEM the ciphertext.
    package let publicValue: [UInt8]
    package let secret: SecretBytes

    package init(publicValue: [UInt8], secret: SecretBytes) {
        self.publicValue = publicValue
        self.secret = secret
    }
}

/// The private half of an ML-KEM key pair.
package protocol DecapsulationKey: Sendable {
    /// The encapsulation key as bytes.
    var publicValue: [UInt8] { get }
    /// Throws `invalidPublicValue` for a ciphertext of the wrong length (FIPS 203 §7.3); one that
    /// was tampered with gives another secret than the peer's.
    func sharedSecret(from ciphertext: [UInt8]) throws(CryptoError) -> SecretBytes
}

/// Where ML-KEM comes from (FIPS 203).
///
/// The library draws randomness of its own to encapsulate, so a run that has to be repeatable
/// gives the engine another provider; both ends must have the same. Everything above it stays what
/// it is.
package protocol KeyEncapsulationProvider: Sendable {
    /// Whether key exchanges of this method go by this provider.
    func carries(_ method: KeyExchangeMethod) -> Bool

    /// A key pair from the next bytes of `random`, and from nothing else.
    func decapsulationKey(
        _ method: KeyExchangeMethod,
        random: inout any RandomSource
    ) throws(CryptoError) -> any DecapsulationKey

    /// Throws `invalidPublicValue` for what is no encapsulation key (FIPS 203 §7.2).
    func encapsulate(
        _ method: KeyExchangeMethod,
        to publicValue: [UInt8],
        random: inout any RandomSource
    ) throws(CryptoError) -> KeyExchangeAnswer
}

extension KeyEncapsulationProvider {
    package func carries(_ method: KeyExchangeMethod) -> Bool { method.isKeyEncapsulation }
}

extension KeyExchangeMethod {
    /// Whether the responder's value depends on the initiator's: a key encapsulation.
    package var isKeyEncapsulation: Bool {
        self == .mlkem512 || self == .mlkem768 || self == .mlkem1024
    }
}
