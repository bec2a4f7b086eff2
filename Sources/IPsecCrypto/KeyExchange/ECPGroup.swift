internal import COpenSSL
internal import IPsecPrimitives

/// A curve over a prime field that only OpenSSL has here: those of RFC 5903 besides P-256 and
/// P-384, of the registry's 192 and 224 bits, and Brainpool's (RFC 6954).
///
/// Done with OpenSSL's multiplication of points, which takes a time that does not depend on the
/// scalar; numbers that are secret are wiped.
@safe final class ECPGroup: @unchecked Sendable {
    // Made once and only read afterwards, which is why sharing between threads is sound.
    private let group: OpaquePointer
    private let order: OpaquePointer
    /// Octets of a coordinate; a public value has two (RFC 5903 §7), a shared secret one (§8).
    let coordinateLength: Int
    /// Octets of a private value.
    let scalarLength: Int
    /// What of a private value's first octet counts.
    let scalarMask: UInt8

    static func group(for method: KeyExchangeMethod) -> ECPGroup? {
        switch method {
        case .ecp192: ecp192
        case .ecp224: ecp224
        case .ecp521: ecp521
        case .brainpoolP224: brainpoolP224
        case .brainpoolP256: brainpoolP256
        case .brainpoolP384: brainpoolP384
        case .brainpoolP512: brainpoolP512
        default: nil
        }
    }

    private static let ecp192 = ECPGroup(NID_X9_62_prime192v1)
    private static let ecp224 = ECPGroup(NID_secp224r1)
    private static let ecp521 = ECPGroup(NID_secp521r1)
    private static let brainpoolP224 = ECPGroup(NID_brainpoolP224r1)
    private static let brainpoolP256 = ECPGroup(NID_brainpoolP256r1)
    private static let brainpoolP384 = ECPGroup(NID_brainpoolP384r1)
    private static let brainpoolP512 = ECPGroup(NID_brainpoolP512r1)

    /// Nil if this OpenSSL lacks the curve.
    private init?(_ identifier: Int32) {
        guard let group = unsafe EC_GROUP_new_by_curve_name(identifier) else { return nil }
        guard let order = unsafe EC_GROUP_get0_order(group) else {
            unsafe EC_GROUP_free(group)
            return nil
        }
        unsafe self.group = group
        unsafe self.order = order
        coordinateLength = Int((unsafe EC_GROUP_get_degree(group) + 7) / 8)
        let bits = unsafe BN_num_bits(order)
        scalarLength = Int((bits + 7) / 8)
        scalarMask = UInt8(truncatingIfNeeded: 0xff >> (7 - (bits - 1) % 8))
    }

    deinit {
        unsafe EC_GROUP_free(group)
    }

    /// x and y of scalar times the generator; nil if the scalar is not in 1 to n-1.
    func publicValue(scalar: SecretBytes) throws(CryptoError) -> [UInt8]? {
        let number = try unsafe secretNumber(scalar)
        defer { unsafe BN_clear_free(number) }
        guard unsafe BN_is_zero(number) == 0, unsafe BN_cmp(number, order) < 0 else { return nil }
        guard let scratch = unsafe BN_CTX_secure_new() else { throw .libraryFailure }
        defer { unsafe BN_CTX_free(scratch) }
        guard let point = unsafe EC_POINT_new(group) else { throw .libraryFailure }
        defer { unsafe EC_POINT_free(point) }
        guard unsafe EC_POINT_mul(group, point, number, nil, nil, scratch) == 1 else {
            throw .libraryFailure
        }
        var octets = [UInt8](repeating: 0, count: 1 + 2 * coordinateLength)
        let written = unsafe EC_POINT_point2oct(
            group,
            point,
            POINT_CONVERSION_UNCOMPRESSED,
            &octets,
            octets.count,
            scratch
        )
        guard written == octets.count else { throw .libraryFailure }
        return Array(octets.dropFirst())
    }

    /// The x coordinate of scalar times the peer's point, which must be on the curve and in range
    /// (RFC 6989 §2.3); the cofactor of all these curves is one, so that no small subgroup is left.
    func sharedSecret(
        scalar: SecretBytes,
        peerPublic: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        guard peerPublic.count == 2 * coordinateLength else { throw .invalidPublicValue }
        guard let scratch = unsafe BN_CTX_secure_new() else { throw .libraryFailure }
        defer { unsafe BN_CTX_free(scratch) }
        guard let point = unsafe EC_POINT_new(group) else { throw .libraryFailure }
        defer { unsafe EC_POINT_clear_free(point) }
        // Refuses coordinates out of range, points off the curve, and has no form for infinity.
        let octets = [UInt8(POINT_CONVERSION_UNCOMPRESSED.rawValue)] + peerPublic
        guard unsafe EC_POINT_oct2point(group, point, octets, octets.count, scratch) == 1 else {
            ERR_clear_error()
            throw .invalidPublicValue
        }
        let number = try unsafe secretNumber(scalar)
        defer { unsafe BN_clear_free(number) }
        guard unsafe EC_POINT_mul(group, point, nil, point, number, scratch) == 1,
            unsafe EC_POINT_is_at_infinity(group, point) == 0
        else { throw .libraryFailure }
        guard let x = unsafe BN_new() else { throw .libraryFailure }
        defer { unsafe BN_clear_free(x) }
        guard unsafe EC_POINT_get_affine_coordinates(group, point, x, nil, scratch) == 1 else {
            throw .libraryFailure
        }
        return try unsafe SecretBytes(count: coordinateLength) {
            (output: UnsafeMutableRawBufferPointer) throws(CryptoError) in
            guard
                unsafe BN_bn2binpad(
                    x,
                    output.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    Int32(output.count)
                ) >= 0
            else { throw .libraryFailure }
        }
    }

    private func secretNumber(_ scalar: SecretBytes) throws(CryptoError) -> OpaquePointer {
        let number = unsafe scalar.withUnsafeBytes { bytes in
            unsafe BN_bin2bn(
                bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                Int32(bytes.count),
                nil
            )
        }
        guard let number = unsafe number else { throw .libraryFailure }
        return unsafe number
    }
}
