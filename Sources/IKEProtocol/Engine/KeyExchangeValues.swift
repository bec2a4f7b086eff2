internal import IPsecCrypto
internal import IPsecPrimitives

/// Fresh values of a key exchange, from the engine's own sources.
extension IKEEngine {
    /// The initiator's.
    func freshKeyPair(_ method: KeyExchangeMethod) throws(CryptoError) -> KeyExchangeKeyPair {
        try .generate(method, random: &random, keyEncapsulation: keyEncapsulation)
    }

    /// The responder's, with the secret.
    ///
    /// Throws `invalidPublicValue` when the initiator's is none (RFC 6989 §2;
    /// draft-ietf-ipsecme-ikev2-mlkem-08 §2.2).
    func freshAnswer(
        _ method: KeyExchangeMethod,
        to publicValue: [UInt8]
    ) throws(CryptoError) -> KeyExchangeAnswer {
        try KeyExchangeKeyPair.answer(
            method,
            to: publicValue,
            random: &random,
            keyEncapsulation: keyEncapsulation
        )
    }
}
