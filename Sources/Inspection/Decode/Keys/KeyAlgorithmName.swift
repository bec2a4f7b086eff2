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
            let isShort = name.contains("8 OCTET") || name.contains("12 OCTET")
            return isShort ? nil : aes(.aesGCM16, saltOctets: 4)
        }
        if name.hasPrefix("AES-CTR") { return aes(.aesCTR, saltOctets: 4) }
        if name.hasPrefix("AES-CBC") { return aes(.aesCBC, saltOctets: 0) }
        if name.hasPrefix("CHACHA20") { return .encryption(.chaCha20Poly1305) }
        return nil
    }

    /// The integrity that `HMAC_SHA2_256_128 [RFC4868]` or `HMAC-SHA-256-128 [RFC4868]` stands
    /// for; nil for a name that is not known.
    static func integrity(_ name: String) -> IntegrityAlgorithm? {
        let name = name.uppercased()
        if name.isEmpty || name.hasPrefix("NONE") || name.hasPrefix("NULL") {
            return IntegrityAlgorithm.none
        }
        guard name.hasPrefix("HMAC") else { return nil }
        if name.contains("256") && name.contains("128") { return .hmacSHA256_128 }
        if name.contains("384") { return .hmacSHA384_192 }
        if name.contains("512") { return .hmacSHA512_256 }
        return nil
    }
}
