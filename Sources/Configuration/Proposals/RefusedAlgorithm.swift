/// Words that name an algorithm which Cygnet does not have, why, and what to write instead.
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
            ["blowfish", "blowfish128", "blowfish192", "blowfish256", "cast128"],
            "has blocks of 64 bits, which repeat within hours (RFC 8221 §5, RFC 8247 §2.1)",
            "aes256gcm16 or aes128gcm16"
        ),
        (
            ["md5_128", "sha1_160"], "is an integrity algorithm of Fibre Channel only (RFC 4595)",
            "sha256"
        ),
        (
            ["sha256_96"], "cuts the checksum to 96 bits, against RFC 4868", "sha256"
        ),
        (
            ["modp1024s160"],
            "is a group with small subgroups of unproven origin, too small as well (RFC 8247 §2.4)",
            "x25519, ecp256 or modp3072"
        ),
        (
            ["modp2048s224", "modp2048s256"],
            "is a group with small subgroups of unproven origin (RFC 8247 §2.4)",
            "x25519, ecp256 or modp3072"
        ),
        (
            [
                "camellia128", "camellia192", "camellia256", "serpent128", "serpent256",
                "twofish128", "twofish256",
            ],
            "is not supported", "aes256gcm16, aes128gcm16 or chacha20poly1305"
        ),
        (["camelliaxcbc"], "is not supported", "aesxcbc or sha256"),
        (
            ["mlkem512"],
            "is not supported", "x25519, ecp384 or modp4096"
        ),
    ]
}
