internal import Crypto
package import IPsecPrimitives

/// ML-KEM-768 and ML-KEM-1024 of swift-crypto (draft-ietf-ipsecme-ikev2-mlkem-08).
package struct LibraryKeyEncapsulation: KeyEncapsulationProvider {
    /// Octets of the seed d | z that a key pair is made from (FIPS 203 §7.1).
    static let seedOctets = 64

    package init() {}

    package static func supports(_ method: KeyExchangeMethod) -> Bool {
        method == .mlkem768 || method == .mlkem1024
    }

    package func decapsulationKey(
        _ method: KeyExchangeMethod,
        random: inout any RandomSource
    ) throws(CryptoError) -> any DecapsulationKey {
        var seed = random.bytes(LibraryKeyEncapsulation.seedOctets)
        defer { wipe(&seed) }
        return try decapsulationKey(method, seed: seed)
    }

    func decapsulationKey(
        _ method: KeyExchangeMethod,
        seed: [UInt8]
    ) throws(CryptoError) -> any DecapsulationKey {
        switch method {
        case .mlkem768:
            guard let key = try? MLKEM768.PrivateKey(seedRepresentation: seed, publicKey: nil)
            else { throw .libraryFailure }
            return MLKEM768Key(key: key)
        case .mlkem1024:
            guard let key = try? MLKEM1024.PrivateKey(seedRepresentation: seed, publicKey: nil)
            else { throw .libraryFailure }
            return MLKEM1024Key(key: key)
        default: throw .unsupportedAlgorithm
        }
    }

    package func encapsulate(
        _ method: KeyExchangeMethod,
        to publicValue: [UInt8],
        random: inout any RandomSource
    ) throws(CryptoError) -> KeyExchangeAnswer {
        let result: KEM.EncapsulationResult?
        switch method {
        case .mlkem768:
            // Reading the key makes the checks of FIPS 203 §7.2: its length, and that every
            // coefficient is below the modulus.
            guard let key = try? MLKEM768.PublicKey(rawRepresentation: publicValue) else {
                throw .invalidPublicValue
            }
            result = try? key.encapsulate()
        case .mlkem1024:
            guard let key = try? MLKEM1024.PublicKey(rawRepresentation: publicValue) else {
                throw .invalidPublicValue
            }
            result = try? key.encapsulate()
        default: throw .unsupportedAlgorithm
        }
        guard let result else { throw .libraryFailure }
        return KeyExchangeAnswer(
            publicValue: Array(result.encapsulated),
            secret: result.sharedSecret.secret
        )
    }
}

private struct MLKEM768Key: DecapsulationKey {
    let key: MLKEM768.PrivateKey

    var publicValue: [UInt8] { Array(key.publicKey.rawRepresentation) }

    func sharedSecret(from ciphertext: [UInt8]) throws(CryptoError) -> SecretBytes {
        guard let secret = try? key.decapsulate(ciphertext) else { throw .invalidPublicValue }
        return secret.secret
    }
}

private struct MLKEM1024Key: DecapsulationKey {
    let key: MLKEM1024.PrivateKey

    var publicValue: [UInt8] { Array(key.publicKey.rawRepresentation) }

    func sharedSecret(from ciphertext: [UInt8]) throws(CryptoError) -> SecretBytes {
        guard let secret = try? key.decapsulate(ciphertext) else { throw .invalidPublicValue }
        return secret.secret
    }
}

extension SymmetricKey {
    fileprivate var secret: SecretBytes { unsafe withUnsafeBytes { unsafe SecretBytes($0) } }
}
