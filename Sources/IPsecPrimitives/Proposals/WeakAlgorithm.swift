/// Algorithms that are implemented for peers which have nothing better, and which nobody gets
/// who does not ask for them in so many words.
///
/// Weak is what RFC 8247 or RFC 8221 say SHOULD NOT or MUST NOT of, and besides:
/// - SHA-1, which they keep at MUST- for interoperation alone, "as cryptographic attacks against
///   SHA1 are increasing, resulting in an industry-wide trend to deprecate its usage" (RFC 8247
///   §2.2, §2.3);
/// - 3DES in IKE, MAY there but SHOULD NOT in ESP (RFC 8221 §5);
/// - the 192-bit curve, of which they say nothing, with the strength of a 1536-bit group.
package struct WeakAlgorithm: Hashable, Sendable {
    /// What is wrong with it, with the RFC that says so; to be read behind its name.
    package let reason: String
    /// The words of what to use in its place.
    package let instead: String

    /// Nil for a transform that is not weak.
    package init?(_ transform: Transform) {
        switch transform.type {
        case .encryption:
            guard transform == .encryption(.tripleDESCBC) else { return nil }
            reason = "has blocks of 64 bits, which repeat within hours (RFC 8221 §5)"
            instead = "aes256gcm16 or aes128gcm16"
        case .integrity:
            guard
                let reason = WeakAlgorithm.hash(
                    isMD5: transform == .integrity(.hmacMD5_96),
                    isSHA1: transform == .integrity(.hmacSHA1_96)
                )
            else { return nil }
            self.reason = reason
            instead = "sha256"
        case .pseudorandomFunction:
            guard
                let reason = WeakAlgorithm.hash(
                    isMD5: transform == .pseudorandomFunction(.hmacMD5),
                    isSHA1: transform == .pseudorandomFunction(.hmacSHA1)
                )
            else { return nil }
            self.reason = reason
            instead = "prfsha256"
        case _ where transform.type.isKeyExchange:
            guard
                let reason = WeakAlgorithm.group(
                    KeyExchangeMethod(rawValue: transform.identifier)
                )
            else { return nil }
            self.reason = reason
            instead = "x25519, ecp256 or modp3072"
        default: return nil
        }
    }

    private static func hash(isMD5: Bool, isSHA1: Bool) -> String? {
        if isMD5 { return "rests on MD5, which is broken (RFC 8247 §2.2, §2.3)" }
        if isSHA1 { return "rests on SHA-1, which is on its way out (RFC 8247 §2.2, §2.3)" }
        return nil
    }

    private static func group(_ method: KeyExchangeMethod) -> String? {
        switch method {
        case .modp768: "is a group that is broken within hours (RFC 8247 §2.4)"
        case .modp1024: "is a group that can be broken by precomputation (RFC 8247 §2.4)"
        case .modp1536: "is a group too small to be safe (RFC 8247 §2.4)"
        case .ecp192: "is a curve too small to be safe"
        default: nil
        }
    }
}
