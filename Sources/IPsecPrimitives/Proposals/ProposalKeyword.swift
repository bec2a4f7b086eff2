/// The words of a proposal in the configuration, those that swanctl's users know.
package enum ProposalKeyword {
    /// Every word with its transform; of several words for one transform, the first is the one
    /// that output uses.
    package static let table: [(word: String, transform: Transform)] = [
        ("aes128gcm16", .encryption(.aesGCM16, keyLengthBits: 128)),
        ("aes128gcm", .encryption(.aesGCM16, keyLengthBits: 128)),
        ("aes128gcm128", .encryption(.aesGCM16, keyLengthBits: 128)),
        ("aes256gcm16", .encryption(.aesGCM16, keyLengthBits: 256)),
        ("aes256gcm", .encryption(.aesGCM16, keyLengthBits: 256)),
        ("aes256gcm128", .encryption(.aesGCM16, keyLengthBits: 256)),
        ("chacha20poly1305", .encryption(.chaCha20Poly1305)),
        ("aes128", .encryption(.aesCBC, keyLengthBits: 128)),
        ("aes", .encryption(.aesCBC, keyLengthBits: 128)),
        ("aes256", .encryption(.aesCBC, keyLengthBits: 256)),
        ("sha256", .integrity(.hmacSHA256_128)),
        ("sha2_256", .integrity(.hmacSHA256_128)),
        ("sha384", .integrity(.hmacSHA384_192)),
        ("sha2_384", .integrity(.hmacSHA384_192)),
        ("sha512", .integrity(.hmacSHA512_256)),
        ("sha2_512", .integrity(.hmacSHA512_256)),
        ("prfsha256", .pseudorandomFunction(.hmacSHA256)),
        ("prfsha384", .pseudorandomFunction(.hmacSHA384)),
        ("prfsha512", .pseudorandomFunction(.hmacSHA512)),
        ("x25519", .keyExchange(.curve25519)),
        ("curve25519", .keyExchange(.curve25519)),
        ("ecp256", .keyExchange(.ecp256)),
        ("ecp384", .keyExchange(.ecp384)),
        ("modp2048", .keyExchange(.modp2048)),
        ("modp3072", .keyExchange(.modp3072)),
        ("modp4096", .keyExchange(.modp4096)),
        ("esn", .sequenceNumbers(.extended)),
        ("noesn", .sequenceNumbers(.short)),
    ]

    package static func transform(for word: String) -> Transform? {
        table.first { $0.word == word }?.transform
    }

    /// The word for a transform; for one that has none, its type and number.
    package static func name(of transform: Transform) -> String {
        if let entry = table.first(where: { $0.transform == transform }) { return entry.word }
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
