internal import IPsecPrimitives

/// The names of algorithms in Wireshark's key tables.
enum KeyAlgorithmName {
    /// The encryption that a name such as `AES-GCM-256 with 16 octet ICV [RFC5282]` stands for;
    /// `keyOctets` counts the salt along.
    static func encryption(_ name: String, keyOctets: Int) -> Transform? {
        let name = name.uppercased()
        func aes(_ algorithm: EncryptionAlgorithm, saltOctets: Int) -> Transform? {
            let bits = (keyOctets - saltOctets) * 8
            guard [128, 192, 256].contains(bits) else { return nil }
            return .encryption(algorithm, keyLengthBits: UInt16(bits))
        }
        if name.hasPrefix("AES-GCM") {
            return aes(icv(name, .aesGCM8, .aesGCM12, .aesGCM16), saltOctets: 4)
        }
        if name.hasPrefix("AES-CCM") {
            return aes(icv(name, .aesCCM8, .aesCCM12, .aesCCM16), saltOctets: 3)
        }
        if name.hasPrefix("AES-CTR") { return aes(.aesCTR, saltOctets: 4) }
        if name.hasPrefix("AES-CBC") { return aes(.aesCBC, saltOctets: 0) }
        if name.hasPrefix("CHACHA20") { return .encryption(.chaCha20Poly1305) }
        if name.hasPrefix("3DES") { return .encryption(.tripleDESCBC) }
        return nil
    }

    /// Wireshark's 128-bit ICV has no words behind the algorithm's in some tables.
    private static func icv(
        _ name: String,
        _ short: EncryptionAlgorithm,
        _ middle: EncryptionAlgorithm,
        _ long: EncryptionAlgorithm
    ) -> EncryptionAlgorithm {
        if name.contains("WITH 8 OCTET") { return short }
        return name.contains("WITH 12 OCTET") ? middle : long
    }

    /// The integrity that `HMAC_SHA2_256_128 [RFC4868]` or `HMAC-SHA-256-128 [RFC4868]` stands
    /// for; nil for a name that is not known.
    static func integrity(_ name: String) -> IntegrityAlgorithm? {
        let name = name.uppercased()
        if name.isEmpty || name.hasPrefix("NONE") || name.hasPrefix("NULL") {
            return IntegrityAlgorithm.none
        }
        if name.contains("XCBC") { return .aesXCBC96 }
        if name.contains("CMAC") { return .aesCMAC96 }
        guard name.hasPrefix("HMAC") else { return nil }
        if name.contains("MD5") { return .hmacMD5_96 }
        if name.contains("SHA1") || name.contains("SHA-1-") { return .hmacSHA1_96 }
        if name.contains("256") && name.contains("128") { return .hmacSHA256_128 }
        if name.contains("384") { return .hmacSHA384_192 }
        if name.contains("512") { return .hmacSHA512_256 }
        return nil
    }
}
