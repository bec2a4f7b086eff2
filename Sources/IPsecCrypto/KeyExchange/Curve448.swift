internal import COpenSSL
internal import IPsecPrimitives

/// X448 (RFC 7748 §5, RFC 8031).
enum Curve448 {
    /// Octets of private values, public values and shared secrets.
    static let length = 56

    /// The public value of a private one, any 56 octets.
    static func publicValue(of secret: SecretBytes) throws(CryptoError) -> [UInt8] {
        let key = try unsafe privateKey(secret)
        defer { unsafe EVP_PKEY_free(key) }
        var octets = [UInt8](repeating: 0, count: length)
        var written = length
        guard unsafe EVP_PKEY_get_raw_public_key(key, &octets, &written) == 1, written == length
        else { throw .libraryFailure }
        return octets
    }

    /// Throws `invalidPublicValue` for a point that leads to zero (RFC 8031 §3.1, RFC 7748 §6.2);
    /// the library looks for that in constant time.
    static func sharedSecret(
        _ secret: SecretBytes,
        peerPublic: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        guard peerPublic.count == length else { throw .invalidPublicValue }
        let key = try unsafe privateKey(secret)
        defer { unsafe EVP_PKEY_free(key) }
        guard
            let peer = unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_X448, nil, peerPublic, length)
        else { throw .libraryFailure }
        defer { unsafe EVP_PKEY_free(peer) }
        guard let context = unsafe EVP_PKEY_CTX_new(key, nil) else { throw .libraryFailure }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        guard unsafe EVP_PKEY_derive_init(context) == 1,
            unsafe EVP_PKEY_derive_set_peer(context, peer) == 1
        else { throw .libraryFailure }
        return try unsafe SecretBytes(count: length) {
            (output: UnsafeMutableRawBufferPointer) throws(CryptoError) in
            var written = output.count
            guard
                unsafe EVP_PKEY_derive(
                    context,
                    output.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    &written
                ) == 1, written == length
            else {
                ERR_clear_error()
                throw .invalidPublicValue
            }
        }
    }

    private static func privateKey(_ secret: SecretBytes) throws(CryptoError) -> OpaquePointer {
        let key = unsafe secret.withUnsafeBytes { bytes in
            unsafe EVP_PKEY_new_raw_private_key(
                EVP_PKEY_X448,
                nil,
                bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                bytes.count
            )
        }
        guard let key = unsafe key else { throw .libraryFailure }
        return unsafe key
    }
}
