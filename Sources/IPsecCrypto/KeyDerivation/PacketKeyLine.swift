package import IPsecPrimitives

/// A line of Wireshark's table `esp_sa`, by which it decrypts the packets of one SA.
package enum PacketKeyLine {
    /// The line has the keys themselves: whoever reads it reads the SA's traffic.
    ///
    /// - Returns: nil for a cipher that Wireshark does not have.
    package static func text(
        spi: SPI,
        version: IPVersion,
        suite: CipherSuite,
        keys: ESPKeys
    ) -> String? {
        guard let cipher = cipherName(suite), let integrity = integrityName(suite) else {
            return nil
        }
        let digits = String(spi.rawValue, radix: 16)
        let fields = [
            version == .v4 ? "IPv4" : "IPv6", "*", "*",
            "0x" + String(repeating: "0", count: 8 - digits.count) + digits, cipher,
            suite.kind == .null ? "" : "0x" + hexadecimal(keys.encryption), integrity,
            keys.integrity.count == 0 ? "" : "0x" + hexadecimal(keys.integrity),
        ]
        return fields.map { "\"\($0)\"" }.joined(separator: ",")
    }

    private static func hexadecimal(_ secret: SecretBytes) -> String {
        secret.copy().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func cipherName(_ suite: CipherSuite) -> String? {
        // An implicit IV (RFC 8750) is in no packet, and Wireshark looks for it there.
        guard !suite.hasImplicitIV else { return nil }
        return switch suite.kind {
        case .aesGCM: "AES-GCM with \(suite.icvLength) octet ICV [RFC4106]"
        case .aesCBC: "AES-CBC [RFC3602]"
        case .aesCTR: "AES-CTR [RFC3686]"
        case .chaCha20Poly1305: "ChaCha20 with Poly1305 [RFC7634]"
        case .tripleDESCBC: "TripleDES-CBC [RFC2451]"
        case .null: "NULL"
        case .aesCCM, .aesGMAC: nil
        }
    }

    private static func integrityName(_ suite: CipherSuite) -> String? {
        if suite.isAuthenticated { return "NULL" }
        return switch suite.integrity {
        case .hmacSHA1_96: "HMAC-SHA-1-96 [RFC2404]"
        case .hmacSHA256_128: "HMAC-SHA-256-128 [RFC4868]"
        case .hmacSHA384_192: "HMAC-SHA-384-192 [RFC4868]"
        case .hmacSHA512_256: "HMAC-SHA-512-256 [RFC4868]"
        // Of the others it has to know the ICV's length only.
        default: suite.icvLength == 12 ? "ANY 96 bit authentication [no checking]" : nil
        }
    }
}
