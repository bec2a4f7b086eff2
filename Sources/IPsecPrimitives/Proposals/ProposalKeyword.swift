/// The words of a proposal in the configuration, those that swanctl's users know.
package enum ProposalKeyword {
    /// Every word with its transform; of several words for one transform, the first is the one
    /// that output uses.
    package static let table: [(word: String, transform: Transform)] =
        ciphersWithIntegrity + ciphers + integrity + functions + groups + [
            ("esn", .sequenceNumbers(.extended)),
            ("noesn", .sequenceNumbers(.short)),
        ]

    private static let transforms = Dictionary(uniqueKeysWithValues: table.map { ($0, $1) })
    private static let words = Dictionary(
        table.map { ($1, $0) },
        uniquingKeysWith: { first, _ in first }
    )

    private static let ciphersWithIntegrity: [(word: String, transform: Transform)] =
        aes { bits in
            [
                ("aes\(bits)gcm16", .aesGCM16), ("aes\(bits)gcm", .aesGCM16),
                ("aes\(bits)gcm128", .aesGCM16), ("aes\(bits)gcm12", .aesGCM12),
                ("aes\(bits)gcm96", .aesGCM12), ("aes\(bits)gcm8", .aesGCM8),
                ("aes\(bits)gcm64", .aesGCM8), ("aes\(bits)ccm16", .aesCCM16),
                ("aes\(bits)ccm128", .aesCCM16),
                ("aes\(bits)ccm12", .aesCCM12), ("aes\(bits)ccm96", .aesCCM12),
                ("aes\(bits)ccm8", .aesCCM8), ("aes\(bits)ccm64", .aesCCM8),
                ("aes\(bits)gmac", .nullAuthAESGMAC),
                ("aes\(bits)gcm16iiv", .aesGCM16ImplicitIV),
                ("aes\(bits)ccm8iiv", .aesCCM8ImplicitIV),
            ]
        } + [
            ("chacha20poly1305", .encryption(.chaCha20Poly1305)),
            ("chacha20poly1305iiv", .encryption(.chaCha20Poly1305ImplicitIV)),
        ]

    private static let ciphers: [(word: String, transform: Transform)] =
        aes { bits in [("aes\(bits)", .aesCBC), ("aes\(bits)ctr", .aesCTR)] } + [
            ("aes", .encryption(.aesCBC, keyLengthBits: 128)),
            ("3des", .encryption(.tripleDESCBC)),
            ("null", .encryption(.null)),
        ]

    private static let integrity: [(word: String, transform: Transform)] = [
        ("sha256", .integrity(.hmacSHA256_128)),
        ("sha2_256", .integrity(.hmacSHA256_128)),
        ("sha384", .integrity(.hmacSHA384_192)),
        ("sha2_384", .integrity(.hmacSHA384_192)),
        ("sha512", .integrity(.hmacSHA512_256)),
        ("sha2_512", .integrity(.hmacSHA512_256)),
        ("aesxcbc", .integrity(.aesXCBC96)),
        ("aescmac", .integrity(.aesCMAC96)),
        ("sha1", .integrity(.hmacSHA1_96)),
        ("sha", .integrity(.hmacSHA1_96)),
        ("md5", .integrity(.hmacMD5_96)),
    ]

    private static let functions: [(word: String, transform: Transform)] = [
        ("prfsha256", .pseudorandomFunction(.hmacSHA256)),
        ("prfsha384", .pseudorandomFunction(.hmacSHA384)),
        ("prfsha512", .pseudorandomFunction(.hmacSHA512)),
        ("prfaesxcbc", .pseudorandomFunction(.aes128XCBC)),
        ("prfaescmac", .pseudorandomFunction(.aes128CMAC)),
        ("prfsha1", .pseudorandomFunction(.hmacSHA1)),
        ("prfmd5", .pseudorandomFunction(.hmacMD5)),
    ]

    private static let groups: [(word: String, transform: Transform)] = [
        ("x25519", .keyExchange(.curve25519)),
        ("curve25519", .keyExchange(.curve25519)),
        ("x448", .keyExchange(.curve448)),
        ("curve448", .keyExchange(.curve448)),
        ("ecp256", .keyExchange(.ecp256)),
        ("ecp384", .keyExchange(.ecp384)),
        ("ecp521", .keyExchange(.ecp521)),
        ("ecp224", .keyExchange(.ecp224)),
        ("ecp192", .keyExchange(.ecp192)),
        ("ecp256bp", .keyExchange(.brainpoolP256)),
        ("brainpoolp256r1", .keyExchange(.brainpoolP256)),
        ("ecp384bp", .keyExchange(.brainpoolP384)),
        ("brainpoolp384r1", .keyExchange(.brainpoolP384)),
        ("ecp512bp", .keyExchange(.brainpoolP512)),
        ("brainpoolp512r1", .keyExchange(.brainpoolP512)),
        ("ecp224bp", .keyExchange(.brainpoolP224)),
        ("brainpoolp224r1", .keyExchange(.brainpoolP224)),
        ("modp2048", .keyExchange(.modp2048)),
        ("modp3072", .keyExchange(.modp3072)),
        ("modp4096", .keyExchange(.modp4096)),
        ("modp6144", .keyExchange(.modp6144)),
        ("modp8192", .keyExchange(.modp8192)),
        ("modp1536", .keyExchange(.modp1536)),
        ("modp1024", .keyExchange(.modp1024)),
        ("modp768", .keyExchange(.modp768)),
        ("mlkem768", .keyExchange(.mlkem768)),
        ("mlkem1024", .keyExchange(.mlkem1024)),
    ]

    /// The words of an algorithm of AES for each key length.
    private static func aes(
        _ words: (UInt16) -> [(String, EncryptionAlgorithm)]
    ) -> [(word: String, transform: Transform)] {
        [128, 192, 256].flatMap { bits in
            words(bits).map { ($0, .encryption($1, keyLengthBits: bits)) }
        }
    }

    package static func transform(for word: String) -> Transform? {
        additionalKeyExchange(for: word) ?? transforms[word]
    }

    /// `ke1_mlkem768` and the like: one to seven, and the word of a method, or `none` where the
    /// exchange may be left out (RFC 9370 §2.2.1).
    private static func additionalKeyExchange(for word: String) -> Transform? {
        let parts = word.split(separator: "_", maxSplits: 1)
        guard parts.count == 2, parts[0].count == 3, parts[0].hasPrefix("ke"),
            let number = parts[0].last?.wholeNumberValue, (1...7).contains(number)
        else { return nil }
        if parts[1] == noneWord { return .additionalKeyExchange(number, .none) }
        guard let transform = transforms[String(parts[1])],
            transform.type == .keyExchange
        else { return nil }
        return .additionalKeyExchange(number, KeyExchangeMethod(rawValue: transform.identifier))
    }

    private static let noneWord = "none"

    /// In AH, AES-GMAC is an integrity algorithm with its key length in its number (RFC 4543 §5.2);
    /// the words are those of ESP's, where it counts as encryption.
    package static func authenticationHeaderTransform(_ transform: Transform) -> Transform? {
        guard transform.type == .encryption,
            EncryptionAlgorithm(rawValue: transform.identifier) == .nullAuthAESGMAC
        else { return nil }
        return switch transform.keyLengthBits {
        case 128: .integrity(.aes128GMAC)
        case 192: .integrity(.aes192GMAC)
        case 256: .integrity(.aes256GMAC)
        default: nil
        }
    }

    private static func gmacWord(_ transform: Transform) -> String? {
        guard transform.type == .integrity else { return nil }
        return switch IntegrityAlgorithm(rawValue: transform.identifier) {
        case .aes128GMAC: "aes128gmac"
        case .aes192GMAC: "aes192gmac"
        case .aes256GMAC: "aes256gmac"
        default: nil
        }
    }

    /// The word for a transform; for one that has none, its type and number.
    package static func name(of transform: Transform) -> String {
        if transform.type.isAdditionalKeyExchange {
            let method = Transform(type: .keyExchange, identifier: transform.identifier)
            let word = transform.identifier == 0 ? noneWord : name(of: method)
            return "ke\(transform.type.rawValue - 5)_\(word)"
        }
        if let word = words[transform] ?? gmacWord(transform) { return word }
        let length = transform.keyLengthBits.map { "/\($0)" } ?? ""
        let type =
            switch transform.type {
            case .encryption: "encryption"
            case .pseudorandomFunction: "prf"
            case .integrity: "integrity"
            case .keyExchange: "group"
            case .sequenceNumbers: "sequence-numbers"
            default: "transform\(transform.type.rawValue)"
            }
        return "\(type)(\(transform.identifier)\(length))"
    }
}
