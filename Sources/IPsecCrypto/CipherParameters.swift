internal import CPacketCipher
internal import IPsecPrimitives

extension CipherSuite {
    /// Runs `body` with the suite and the keys as the C code wants them; the pointers in them last
    /// as long as it runs. Precondition: the keys have the suite's lengths.
    ///
    /// - Parameter ivSeed: for keys that serve longer than their numbers do, see `PacketCipher`.
    func withParameters<Result>(
        encryptionKey: SecretBytes,
        integrityKey: SecretBytes,
        seals: Bool,
        isExtendedSequence: Bool = false,
        ivSeed: SecretBytes? = nil,
        _ body: (inout cygnet_cipher_parameters) -> Result
    ) -> Result {
        unsafe encryptionKey.withUnsafeBytes { encryption in
            unsafe integrityKey.withUnsafeBytes { integrity in
                unsafe (ivSeed ?? SecretBytes([])).withUnsafeBytes { seed in
                    var parameters = unsafe cygnet_cipher_parameters(
                        kind: cipherKind,
                        key_length: UInt32(cipherKeyLength),
                        salt_length: UInt32(saltLength),
                        iv_length: UInt32(ivLength),
                        block_length: UInt32(messageBlockLength),
                        hash: self.integrity.hash,
                        icv_length: UInt32(icvLength),
                        encryption_key: encryption.baseAddress?.assumingMemoryBound(to: UInt8.self),
                        integrity_key: integrity.baseAddress?.assumingMemoryBound(to: UInt8.self),
                        integrity_key_length: UInt32(integrity.count),
                        seals: seals ? 1 : 0,
                        extended_sequence: isExtendedSequence ? 1 : 0,
                        iv_seed: seed.baseAddress?.assumingMemoryBound(to: UInt8.self),
                        iv_seed_length: UInt32(seed.count)
                    )
                    return unsafe body(&parameters)
                }
            }
        }
    }

    /// Throws `invalidKeyLength` unless both keys have the lengths that the suite wants.
    func check(encryptionKey: SecretBytes, integrityKey: SecretBytes) throws(CryptoError) {
        guard encryptionKey.count == encryptionKeyLength else {
            throw .invalidKeyLength(expected: encryptionKeyLength, actual: encryptionKey.count)
        }
        guard integrityKey.count == integrityKeyLength else {
            throw .invalidKeyLength(expected: integrityKeyLength, actual: integrityKey.count)
        }
    }

    private var cipherKind: UInt32 {
        switch kind {
        case .aesGCM: CYGNET_AES_GCM.rawValue
        case .aesCCM: CYGNET_AES_CCM.rawValue
        case .chaCha20Poly1305: CYGNET_CHACHA20_POLY1305.rawValue
        case .aesCBC: CYGNET_AES_CBC.rawValue
        case .aesCTR: CYGNET_AES_CTR.rawValue
        case .tripleDESCBC: CYGNET_TRIPLE_DES_CBC.rawValue
        case .aesGMAC: CYGNET_AES_GMAC.rawValue
        case .null: CYGNET_NULL.rawValue
        }
    }

}

extension IntegrityAlgorithm {
    /// The number of the MAC's function in the C code.
    var hash: UInt32 {
        switch self {
        case .hmacMD5_96: CYGNET_MD5.rawValue
        case .hmacSHA1_96: CYGNET_SHA1.rawValue
        case .aesXCBC96: CYGNET_AES_XCBC.rawValue
        case .aesCMAC96: CYGNET_AES_CMAC.rawValue
        case .hmacSHA256_128: CYGNET_SHA256.rawValue
        case .hmacSHA384_192: CYGNET_SHA384.rawValue
        case .hmacSHA512_256: CYGNET_SHA512.rawValue
        default: CYGNET_HASH_NONE.rawValue
        }
    }
}

extension CryptoError {
    /// The error that a status of the C code stands for; nil for success.
    init?(status: UInt32) {
        switch status {
        case CYGNET_PACKET_OK.rawValue: return nil
        case CYGNET_PACKET_AUTHENTICATION_FAILED.rawValue: self = .authenticationFailed
        case CYGNET_PACKET_BAD_LENGTH.rawValue: self = .invalidLength
        default: self = .libraryFailure
        }
    }
}
