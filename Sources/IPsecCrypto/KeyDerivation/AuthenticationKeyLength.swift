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
        default: nil
        }
    }
}
