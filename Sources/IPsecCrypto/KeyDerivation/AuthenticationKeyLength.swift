package import IPsecPrimitives

extension IntegrityAlgorithm {
    /// Octets of key for an AH SA (RFC 7296 §2.14, RFC 4868 §2.1.1); nil for what this module
    /// does not have.
    package var authenticationHeaderKeyLength: Int? {
        switch self {
        case .hmacSHA256_128: 32
        case .hmacSHA384_192: 48
        case .hmacSHA512_256: 64
        case .hmacSHA1_96: 20
        case .hmacMD5_96, .aesXCBC96, .aesCMAC96: 16
        // RFC 4543 §5.4: four octets of salt behind the key.
        case .aes128GMAC: 20
        case .aes192GMAC: 28
        case .aes256GMAC: 36
        default: nil
        }
    }

    /// Octets of the ICV field of AH, without padding; nil for what this module does not have.
    package var authenticationHeaderICVLength: Int? {
        switch self {
        // RFC 4543 §4: an IV of eight octets stands before the ICV.
        case .aes128GMAC, .aes192GMAC, .aes256GMAC: 24
        default: authenticationHeaderKeyLength.map { _ in icvLength }
        }
    }
}
