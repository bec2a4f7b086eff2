/// Words that name an algorithm which is not offered, why, and what to write instead.
enum RefusedAlgorithm {
    static func complaint(for word: String) -> Complaint? {
        for (words, reason, instead) in table where words.contains(word) {
            return Complaint("\"\(word)\" \(reason)", hint: "use \(instead)")
        }
        return nil
    }

    private static let table: [(words: [String], reason: String, instead: String)] = [
        (
            ["des", "des-iv64"], "is broken: 56-bit keys (RFC 8221 §5, RFC 8247 §2.1)",
            "aes256gcm16 or aes128gcm16"
        ),
        (
            ["3des", "blowfish", "blowfish128", "blowfish256", "cast128"],
            "has blocks of 64 bits, which repeat within hours (RFC 8221 §5, RFC 8247 §2.1)",
            "aes256gcm16 or aes128gcm16"
        ),
        (
            ["null"], "does not encrypt", "aes256gcm16 or aes128gcm16"
        ),
        (
            ["md5", "md5_128", "prfmd5"], "is broken (RFC 8221 §6, RFC 8247 §2.2)",
            "sha256 (prfsha256 as a PRF)"
        ),
        (
            ["sha", "sha1", "sha1_160", "prfsha1"],
            "rests on SHA-1, which is on its way out (RFC 8247 §2.2, RFC 9395)",
            "sha256 (prfsha256 as a PRF)"
        ),
        (
            ["sha256_96"], "cuts the checksum to 96 bits, against RFC 4868", "sha256"
        ),
        (
            ["modp768", "modp1024", "modp1024s160"],
            "is a group that can be broken by precomputation (RFC 8247 §2.4)",
            "x25519, ecp256 or modp3072"
        ),
        (
            ["modp1536"], "is a group too small to be safe (RFC 8247 §2.4)",
            "x25519, ecp256 or modp3072"
        ),
        (
            ["modp2048s224", "modp2048s256"],
            "is a group with small subgroups of unproven origin (RFC 8247 §2.4)",
            "x25519, ecp256 or modp3072"
        ),
        (
            ["ecp192", "ecp224"], "is a curve too small to be safe", "x25519 or ecp256"
        ),
        (
            ["aes192", "aes192gcm16", "aes192gcm"], "is not supported: keys have 128 or 256 bits",
            "the word with 256"
        ),
        (
            [
                "aes128gcm8", "aes128gcm12", "aes256gcm8", "aes256gcm12", "aes128gcm64",
                "aes128gcm96", "aes256gcm64", "aes256gcm96",
            ],
            "has a shortened checksum, which weakens GCM (RFC 8221 §5)",
            "aes128gcm16 or aes256gcm16"
        ),
        (
            [
                "aes128ctr", "aes192ctr", "aes256ctr", "aes128ccm16", "aes128ccm12", "aes128ccm8",
                "aes192ccm16", "aes256ccm16", "aes128gmac", "aes256gmac", "camellia128",
                "camellia192", "camellia256", "serpent128", "serpent256", "twofish128",
                "twofish256",
            ],
            "is not supported", "aes256gcm16, aes128gcm16 or chacha20poly1305"
        ),
        (
            ["aesxcbc", "aescmac", "prfaesxcbc", "prfaescmac", "camelliaxcbc"],
            "is not supported", "sha256 (prfsha256 as a PRF)"
        ),
        (
            [
                "modp6144", "modp8192", "ecp521", "ecp256bp", "ecp384bp", "ecp512bp", "x448",
                "curve448", "mlkem512", "mlkem768", "mlkem1024",
            ],
            "is not supported", "x25519, ecp384 or modp4096"
        ),
    ]
}
