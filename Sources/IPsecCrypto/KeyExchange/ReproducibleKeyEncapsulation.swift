package import IPsecPrimitives

/// A stand-in for ML-KEM whose every byte comes from the random source that it is given.
///
/// For tests and simulation, with values of the right lengths, for both ends of a negotiation.
/// Never for keys that protect anything: whoever sees the ciphertext knows the secret.
package struct ReproducibleKeyEncapsulation: KeyEncapsulationProvider {
    package init() {}

    package func decapsulationKey(
        _ method: KeyExchangeMethod,
        random: inout any RandomSource
    ) throws(CryptoError) -> any DecapsulationKey {
        try ReproducibleKey(method, seed: random.bytes(32))
    }

    package func encapsulate(
        _ method: KeyExchangeMethod,
        to publicValue: [UInt8],
        random: inout any RandomSource
    ) throws(CryptoError) -> KeyExchangeAnswer {
        let lengths = try Lengths(method)
        guard publicValue.count == lengths.key else { throw .invalidPublicValue }
        let message = random.bytes(32)
        return KeyExchangeAnswer(
            publicValue: Self.ciphertext(message, to: publicValue, lengths.ciphertext),
            secret: Self.secret(message, of: publicValue)
        )
    }

    fileprivate struct Lengths {
        let key: Int
        let ciphertext: Int

        init(_ method: KeyExchangeMethod) throws(CryptoError) {
            switch method {
            case .mlkem768: (key, ciphertext) = (1184, 1088)
            case .mlkem1024: (key, ciphertext) = (1568, 1568)
            default: throw .unsupportedAlgorithm
            }
        }
    }

    fileprivate static func expand(_ key: [UInt8], _ seed: [UInt8], _ length: Int) -> [UInt8] {
        PRF(.hmacSHA256)?.plus(key: SecretBytes(key), seed: seed, length: length).copy() ?? []
    }

    fileprivate static func secret(_ message: [UInt8], of publicValue: [UInt8]) -> SecretBytes {
        SecretBytes(expand(message, publicValue, 32))
    }

    fileprivate static func ciphertext(
        _ message: [UInt8],
        to publicValue: [UInt8],
        _ length: Int
    ) -> [UInt8] {
        message + expand(message + [1], publicValue, length - message.count)
    }
}

private struct ReproducibleKey: DecapsulationKey {
    let publicValue: [UInt8]
    private let seed: [UInt8]
    private let ciphertextLength: Int

    init(_ method: KeyExchangeMethod, seed: [UInt8]) throws(CryptoError) {
        let lengths = try ReproducibleKeyEncapsulation.Lengths(method)
        self.seed = seed
        publicValue = ReproducibleKeyEncapsulation.expand(seed, [0], lengths.key)
        ciphertextLength = lengths.ciphertext
    }

    /// A ciphertext that was tampered with gives another secret, as with the real one.
    func sharedSecret(from ciphertext: [UInt8]) throws(CryptoError) -> SecretBytes {
        guard ciphertext.count == ciphertextLength else { throw .invalidPublicValue }
        let message = Array(ciphertext.prefix(32))
        let expected = ReproducibleKeyEncapsulation.ciphertext(
            message,
            to: publicValue,
            ciphertextLength
        )
        guard expected == ciphertext else {
            return SecretBytes(ReproducibleKeyEncapsulation.expand(seed, ciphertext, 32))
        }
        return ReproducibleKeyEncapsulation.secret(message, of: publicValue)
    }
}
