internal import COpenSSL
internal import IPsecPrimitives

/// A group of integers modulo a safe prime, with generator two (RFC 7296
/// appendix B, RFC 3526).
///
/// Done with OpenSSL's constant-time exponentiation; numbers that are secret are wiped.
@safe final class MODPGroup: @unchecked Sendable {
    // Made once and only read afterwards, which is why sharing between threads is sound.
    private let prime: OpaquePointer
    /// p - 2, the largest public value that is allowed.
    private let largest: OpaquePointer
    private let generator: OpaquePointer
    private let montgomery: OpaquePointer
    /// Octets of the modulus, and hence of public values and shared secrets.
    let modulusLength: Int
    /// Octets of a private exponent: at least twice the strength that RFC 3526 §8 gives the group.
    let exponentLength: Int

    static func group(for method: KeyExchangeMethod) -> MODPGroup? {
        switch method {
        case .modp768: modp768
        case .modp1024: modp1024
        case .modp1536: modp1536
        case .modp2048: modp2048
        case .modp3072: modp3072
        case .modp4096: modp4096
        case .modp6144: modp6144
        case .modp8192: modp8192
        default: nil
        }
    }

    private static let modp768 = unsafe MODPGroup(
        BN_get_rfc2409_prime_768(nil),
        exponentLength: 32
    )
    private static let modp1024 = unsafe MODPGroup(
        BN_get_rfc2409_prime_1024(nil),
        exponentLength: 32
    )
    private static let modp1536 = unsafe MODPGroup(
        BN_get_rfc3526_prime_1536(nil),
        exponentLength: 32
    )
    private static let modp2048 = unsafe MODPGroup(
        BN_get_rfc3526_prime_2048(nil),
        exponentLength: 40
    )
    private static let modp3072 = unsafe MODPGroup(
        BN_get_rfc3526_prime_3072(nil),
        exponentLength: 56
    )
    private static let modp4096 = unsafe MODPGroup(
        BN_get_rfc3526_prime_4096(nil),
        exponentLength: 64
    )

    private static let modp6144 = unsafe MODPGroup(
        BN_get_rfc3526_prime_6144(nil),
        exponentLength: 72
    )
    private static let modp8192 = unsafe MODPGroup(
        BN_get_rfc3526_prime_8192(nil),
        exponentLength: 80
    )

    /// Nil if OpenSSL has no memory.
    private init?(_ prime: OpaquePointer?, exponentLength: Int) {
        guard let prime = unsafe prime, let largest = unsafe BN_dup(prime),
            let generator = unsafe BN_new(), let montgomery = unsafe BN_MONT_CTX_new(),
            let scratch = unsafe BN_CTX_new()
        else { return nil }
        defer { unsafe BN_CTX_free(scratch) }
        guard unsafe BN_sub_word(largest, 2) == 1, unsafe BN_set_word(generator, 2) == 1,
            unsafe BN_MONT_CTX_set(montgomery, prime, scratch) == 1
        else { return nil }
        unsafe self.prime = prime
        unsafe self.largest = largest
        unsafe self.generator = generator
        unsafe self.montgomery = montgomery
        modulusLength = Int((unsafe BN_num_bits(prime) + 7) / 8)
        self.exponentLength = exponentLength
    }

    deinit {
        unsafe BN_MONT_CTX_free(montgomery)
        unsafe BN_free(generator)
        unsafe BN_free(largest)
        unsafe BN_free(prime)
    }

    /// g^exponent, padded to the modulus's length.
    func publicValue(exponent: SecretBytes) throws(CryptoError) -> [UInt8] {
        try unsafe power(of: generator, exponent: exponent).copy()
    }

    /// peerPublic^exponent, padded. The peer's value must have the modulus's length and lie in
    /// 2...p-2 (RFC 6989 §2.1).
    func sharedSecret(
        exponent: SecretBytes,
        peerPublic: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        guard peerPublic.count == modulusLength else { throw .invalidPublicValue }
        let number = unsafe peerPublic.withUnsafeBufferPointer { bytes in
            unsafe BN_bin2bn(bytes.baseAddress, Int32(bytes.count), nil)
        }
        guard let base = unsafe number else { throw .libraryFailure }
        defer { unsafe BN_free(base) }
        guard unsafe BN_num_bits(base) > 1, unsafe BN_cmp(base, largest) <= 0 else {
            throw .invalidPublicValue
        }
        return try unsafe power(of: base, exponent: exponent)
    }

    private func power(
        of base: OpaquePointer,
        exponent: SecretBytes
    ) throws(CryptoError) -> SecretBytes {
        let number = unsafe exponent.withUnsafeBytes { bytes in
            unsafe BN_bin2bn(
                bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                Int32(bytes.count),
                nil
            )
        }
        guard let secret = unsafe number else { throw .libraryFailure }
        defer { unsafe BN_clear_free(secret) }
        guard let result = unsafe BN_new() else { throw .libraryFailure }
        defer { unsafe BN_clear_free(result) }
        guard let scratch = unsafe BN_CTX_secure_new() else { throw .libraryFailure }
        defer { unsafe BN_CTX_free(scratch) }
        guard
            unsafe BN_mod_exp_mont_consttime(result, base, secret, prime, scratch, montgomery) == 1
        else { throw .libraryFailure }
        return try unsafe SecretBytes(count: modulusLength) {
            (output: UnsafeMutableRawBufferPointer) throws(CryptoError) in
            guard
                unsafe BN_bn2binpad(
                    result,
                    output.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    Int32(output.count)
                ) >= 0
            else { throw .libraryFailure }
        }
    }
}
