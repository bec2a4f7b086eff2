internal import Crypto
package import IPsecPrimitives

/// An ephemeral key pair of one key exchange method.
package struct KeyExchangeKeyPair: Sendable {
    package let method: KeyExchangeMethod
    /// The Key Exchange Data of our KE payload: x and y without a prefix for the ECP groups
    /// (RFC 5903 §7), padded to the modulus's length for MODP (RFC 7296 §3.4).
    package let publicValue: [UInt8]
    private let privateKey: PrivateKey

    private enum PrivateKey: Sendable {
        case curve25519(Curve25519.KeyAgreement.PrivateKey)
        case ecp256(P256.KeyAgreement.PrivateKey)
        case ecp384(P384.KeyAgreement.PrivateKey)
        case ecp(ECPGroup, scalar: SecretBytes)
        case curve448(SecretBytes)
        case modp(MODPGroup, exponent: SecretBytes)
        case keyEncapsulation(any DecapsulationKey)
    }

    /// Whether `generate` knows the method.
    package static func supports(_ method: KeyExchangeMethod) -> Bool {
        switch method {
        case .curve25519, .curve448, .ecp256, .ecp384: true
        default:
            MODPGroup.group(for: method) != nil || ECPGroup.group(for: method) != nil
                || LibraryKeyEncapsulation.supports(method)
        }
    }

    /// The initiator's key pair: from the next bytes of `random`, and from nothing else.
    package static func generate(
        _ method: KeyExchangeMethod,
        random: inout any RandomSource,
        keyEncapsulation: any KeyEncapsulationProvider = LibraryKeyEncapsulation()
    ) throws(CryptoError) -> KeyExchangeKeyPair {
        if keyEncapsulation.carries(method) {
            let key = try keyEncapsulation.decapsulationKey(method, random: &random)
            return KeyExchangeKeyPair(
                method: method,
                publicValue: key.publicValue,
                privateKey: .keyEncapsulation(key)
            )
        }
        let length = privateLength(method)
        // A raw value outside 1 to n-1 is no private key of an ECP group, which happens to less
        // than half of the draws with any curve; this many attempts tell bad luck from a broken
        // source.
        for _ in 0..<128 {
            var raw = random.bytes(length)
            defer { wipe(&raw) }
            if let mask = ECPGroup.group(for: method)?.scalarMask { raw[0] &= mask }
            if let pair = try make(method, raw: raw) { return pair }
        }
        throw .libraryFailure
    }

    /// The pair of a given private value in its raw form; nil if that is none.
    static func make(
        _ method: KeyExchangeMethod,
        raw: [UInt8]
    ) throws(CryptoError) -> KeyExchangeKeyPair? {
        switch method {
        case .curve25519:
            guard let key = try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: raw) else {
                return nil
            }
            return KeyExchangeKeyPair(
                method: method,
                publicValue: Array(key.publicKey.rawRepresentation),
                privateKey: .curve25519(key)
            )
        case .ecp256:
            guard let key = try? P256.KeyAgreement.PrivateKey(rawRepresentation: raw) else {
                return nil
            }
            return KeyExchangeKeyPair(
                method: method,
                publicValue: Array(key.publicKey.rawRepresentation),
                privateKey: .ecp256(key)
            )
        case .ecp384:
            guard let key = try? P384.KeyAgreement.PrivateKey(rawRepresentation: raw) else {
                return nil
            }
            return KeyExchangeKeyPair(
                method: method,
                publicValue: Array(key.publicKey.rawRepresentation),
                privateKey: .ecp384(key)
            )
        case .curve448:
            let secret = SecretBytes(raw)
            return KeyExchangeKeyPair(
                method: method,
                publicValue: try Curve448.publicValue(of: secret),
                privateKey: .curve448(secret)
            )
        default:
            if let group = ECPGroup.group(for: method) {
                let scalar = SecretBytes(raw)
                guard let publicValue = try group.publicValue(scalar: scalar) else { return nil }
                return KeyExchangeKeyPair(
                    method: method,
                    publicValue: publicValue,
                    privateKey: .ecp(group, scalar: scalar)
                )
            }
            guard let group = MODPGroup.group(for: method) else { throw .unsupportedAlgorithm }
            let exponent = SecretBytes(raw)
            return KeyExchangeKeyPair(
                method: method,
                publicValue: try group.publicValue(exponent: exponent),
                privateKey: .modp(group, exponent: exponent)
            )
        }
    }

    /// Octets of a raw private value.
    private static func privateLength(_ method: KeyExchangeMethod) -> Int {
        switch method {
        case .curve25519, .ecp256: 32
        case .ecp384: 48
        case .curve448: Curve448.length
        default:
            ECPGroup.group(for: method)?.scalarLength
                ?? MODPGroup.group(for: method)?.exponentLength ?? 0
        }
    }

    /// The secret shared with the peer that sent `peerPublic`, after the checks of RFC 6989 §2:
    /// the point is on the curve, the number is in the group. For the Montgomery curves the result must
    /// not be zero (RFC 8031 §3.1).
    package func sharedSecret(with peerPublic: [UInt8]) throws(CryptoError) -> SecretBytes {
        switch privateKey {
        case .curve25519(let key):
            guard
                let peer = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: peerPublic)
            else { throw .invalidPublicValue }
            let result = try secret(try? key.sharedSecretFromKeyAgreement(with: peer))
            // The library hands out the zero that a point of small order leads to.
            guard !isZero(result) else { throw .invalidPublicValue }
            return result
        case .ecp256(let key):
            guard let peer = try? P256.KeyAgreement.PublicKey(rawRepresentation: peerPublic) else {
                throw .invalidPublicValue
            }
            return try secret(try? key.sharedSecretFromKeyAgreement(with: peer))
        case .ecp384(let key):
            guard let peer = try? P384.KeyAgreement.PublicKey(rawRepresentation: peerPublic) else {
                throw .invalidPublicValue
            }
            return try secret(try? key.sharedSecretFromKeyAgreement(with: peer))
        case .ecp(let group, let scalar):
            return try group.sharedSecret(scalar: scalar, peerPublic: peerPublic)
        case .curve448(let secret):
            return try Curve448.sharedSecret(secret, peerPublic: peerPublic)
        case .modp(let group, let exponent):
            return try group.sharedSecret(exponent: exponent, peerPublic: peerPublic)
        case .keyEncapsulation(let key): return try key.sharedSecret(from: peerPublic)
        }
    }

    /// The responder's side of a key exchange: a fresh value of its own, and the secret shared
    /// with the initiator that sent `peerPublic`, after the same checks.
    package static func answer(
        _ method: KeyExchangeMethod,
        to peerPublic: [UInt8],
        random: inout any RandomSource,
        keyEncapsulation: any KeyEncapsulationProvider = LibraryKeyEncapsulation()
    ) throws(CryptoError) -> KeyExchangeAnswer {
        if keyEncapsulation.carries(method) {
            return try keyEncapsulation.encapsulate(method, to: peerPublic, random: &random)
        }
        let pair = try generate(method, random: &random)
        let secret = try pair.sharedSecret(with: peerPublic)
        return KeyExchangeAnswer(publicValue: pair.publicValue, secret: secret)
    }

    private func secret(_ agreed: SharedSecret?) throws(CryptoError) -> SecretBytes {
        guard let agreed else { throw .invalidPublicValue }
        return unsafe agreed.withUnsafeBytes { unsafe SecretBytes($0) }
    }

    /// In time that depends on the length only (RFC 7748 §6.1).
    private func isZero(_ secret: SecretBytes) -> Bool {
        unsafe secret.withUnsafeBytes { bytes in
            unsafe bytes.reduce(0) { $0 | $1 } == 0
        }
    }
}
