package import IPsecPrimitives

/// The names of transforms (IANA "IKEv2 Transform Type Values" and the registries of each type).
package enum TransformNames {
    package static func name(of type: TransformType) -> String {
        switch type {
        case .encryption: "encryption"
        case .pseudorandomFunction: "prf"
        case .integrity: "integrity"
        case .keyExchange: "key exchange"
        case .sequenceNumbers: "sequence numbers"
        // RFC 9370 §2.2.1.
        case _ where (6...12).contains(type.rawValue):
            "additional key exchange \(type.rawValue - 5)"
        default: "transform type \(type.rawValue)"
        }
    }

    package static func name(type: TransformType, identifier: UInt16) -> String {
        let names: [UInt16: String] =
            switch type {
            case .encryption: encryption
            case .pseudorandomFunction: pseudorandomFunctions
            case .integrity: integrity
            case .sequenceNumbers: sequenceNumbers
            case .keyExchange: keyExchange
            case _ where (6...12).contains(type.rawValue): keyExchange
            default: [:]
            }
        return names[identifier] ?? "\(identifier)"
    }

    private static let encryption: [UInt16: String] = [
        1: "DES_IV64", 2: "DES", 3: "3DES", 4: "RC5", 5: "IDEA", 6: "CAST", 7: "BLOWFISH",
        8: "3IDEA", 9: "DES_IV32", 11: "NULL", 12: "AES_CBC", 13: "AES_CTR", 14: "AES_CCM_8",
        15: "AES_CCM_12", 16: "AES_CCM_16", 18: "AES_GCM_8", 19: "AES_GCM_12", 20: "AES_GCM_16",
        21: "NULL_AUTH_AES_GMAC", 23: "CAMELLIA_CBC", 24: "CAMELLIA_CTR", 25: "CAMELLIA_CCM_8",
        26: "CAMELLIA_CCM_12", 27: "CAMELLIA_CCM_16", 28: "CHACHA20_POLY1305",
        29: "AES_CCM_8_IIV", 30: "AES_GCM_16_IIV", 31: "CHACHA20_POLY1305_IIV",
    ]

    private static let pseudorandomFunctions: [UInt16: String] = [
        1: "HMAC_MD5", 2: "HMAC_SHA1", 3: "HMAC_TIGER", 4: "AES128_XCBC", 5: "HMAC_SHA2_256",
        6: "HMAC_SHA2_384", 7: "HMAC_SHA2_512", 8: "AES128_CMAC",
    ]

    private static let integrity: [UInt16: String] = [
        0: "NONE", 1: "HMAC_MD5_96", 2: "HMAC_SHA1_96", 3: "DES_MAC", 4: "KPDK_MD5",
        5: "AES_XCBC_96", 6: "HMAC_MD5_128", 7: "HMAC_SHA1_160", 8: "AES_CMAC_96",
        9: "AES_128_GMAC", 10: "AES_192_GMAC", 11: "AES_256_GMAC", 12: "HMAC_SHA2_256_128",
        13: "HMAC_SHA2_384_192", 14: "HMAC_SHA2_512_256",
    ]

    private static let keyExchange: [UInt16: String] = [
        0: "NONE", 1: "MODP_768", 2: "MODP_1024", 5: "MODP_1536", 14: "MODP_2048",
        15: "MODP_3072", 16: "MODP_4096", 17: "MODP_6144", 18: "MODP_8192", 19: "ECP_256",
        20: "ECP_384", 21: "ECP_521", 22: "MODP_1024_160", 23: "MODP_2048_224",
        24: "MODP_2048_256", 25: "ECP_192", 26: "ECP_224", 27: "BRAINPOOL_P224",
        28: "BRAINPOOL_P256", 29: "BRAINPOOL_P384", 30: "BRAINPOOL_P512", 31: "CURVE25519",
        32: "CURVE448", 35: "ML_KEM_512", 36: "ML_KEM_768", 37: "ML_KEM_1024",
    ]

    /// RFC 9827 renames what was "no ESN" and "ESN".
    private static let sequenceNumbers: [UInt16: String] = [0: "32 bits", 1: "64 bits (ESN)"]
}
