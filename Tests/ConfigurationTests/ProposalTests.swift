import Configuration
import IPsecPrimitives
import Testing

@Suite("Proposals")
struct ProposalTests {
    static let refusedIKE: [(text: String, message: String, hint: String)] = [
        ("aes256gcm16-prfsha256-modp1024", "can be broken by precomputation", "x25519"),
        ("aes256gcm16-prfsha256-modp1536", "too small", "modp3072"),
        ("aes256gcm16-prfsha256-modp2048s256", "small subgroups", "ecp256"),
        ("3des-sha256-x25519", "blocks of 64 bits", "aes256gcm16"),
        ("DES-sha256-x25519", "56-bit keys", "aes256gcm16"),
        ("null-sha256-x25519", "does not encrypt, as IKE must", "aes256gcm16"),
        ("aes128gmac-prfsha256-x25519", "does not encrypt, as IKE must", "aes128gcm16"),
        ("aes256gcm16iiv-prfsha256-x25519", "for ESP only", "aes256gcm16"),
        ("aes256-md5-x25519", "MD5, which is broken", "sha256"),
        ("aes256-sha1-x25519", "SHA-1", "sha256"),
        ("aes256gcm16-prfsha1-x25519", "SHA-1", "prfsha256"),
        ("aes256gcm16-prfmd5-x25519", "MD5", "allow-weak: true"),
        ("camellia256-sha256-x25519", "not supported", "chacha20poly1305"),
        ("aes256gcm16-prfsha256-modp768", "within hours", "allow-weak: true"),
        ("aes256gcm16-prfsha256-ecp192", "too small", "x25519"),
        ("aes256-sha256_96-x25519", "96 bits", "sha256"),
        ("aes256gcm16-prfsha265-x25519", "\"prfsha265\" is not an algorithm", "\"prfsha256\""),
        ("aes256gcm16-prfsha256-zzzzzz", "is not an algorithm", "known words are"),
        ("aes256gcm16--x25519", "\"\" is not an algorithm", "join words by dashes"),
        ("aes256gcm16-prfsha256", "has no key exchange group", "prfsha256-x25519"),
        ("aes256gcm16-x25519", "has no pseudorandom function", "prfsha256"),
        ("aes256gcm16-sha256-x25519", "brings its own", "prfsha256"),
        ("aes256-prfsha256-x25519", "has no integrity algorithm", "add sha256"),
        ("aes256-aes256gcm16-sha256-x25519", "mixes ciphers", "two proposals"),
        ("sha256-x25519", "does not encrypt", "begin with"),
        ("aes256gcm16-prfsha256-x25519-esn", "no esn or noesn", "esp-proposals"),
        ("aes256gcm16-aes256gcm-prfsha256-x25519", "says what an earlier", "remove"),
        (
            Array(repeating: "aes", count: 33).joined(separator: "-"), "33 words", "second proposal"
        ),
    ]

    static let refusedESP: [(text: String, message: String, hint: String)] = [
        ("aes256gcm16-prfsha256", "has no pseudorandom function", "ike-proposals"),
        ("aes256", "has no integrity algorithm", "aes256gcm16"),
        ("3des-sha256", "blocks of 64 bits", "allow-weak: true"),
        ("aes256-sha1", "SHA-1", "allow-weak: true"),
        ("aes256gcm16-modp1024", "precomputation", "allow-weak: true"),
        ("null-esn", "has no integrity algorithm", "add sha256"),
        ("aes128gmac-sha256", "brings its own", "remove"),
        ("esn", "does not encrypt", "begin with"),
    ]

    @Test(arguments: refusedIKE)
    func weakAndWrongWordsOfIKESayWhy(text: String, message: String, hint: String) {
        let result = read(Sample.connection("ike-proposals: \(text)"))
        #expect(
            Expected("", 6, 20, message, hint: hint).isFound(in: result),
            "\(result.diagnostics)"
        )
        #expect(result.diagnostics.count == 1)
    }

    @Test(arguments: refusedESP)
    func weakAndWrongWordsOfESPSayWhy(text: String, message: String, hint: String) {
        let result = read(Sample.tunnel("esp-proposals: [aes256gcm16, \(text)]"))
        #expect(
            Expected("", 10, 38, message, hint: hint).isFound(in: result),
            "\(result.diagnostics)"
        )
    }

    @Test(arguments: [
        ("aes256gcm16-prfsha256-x25519", "aes256gcm16-prfsha256-x25519"),
        ("aes256-sha512-ecp384", "aes256-sha512-prfsha512-ecp384"),
        ("aes-sha2_256-prfsha384-curve25519", "aes128-sha256-prfsha384-x25519"),
        ("x25519-prfsha256-chacha20poly1305", "chacha20poly1305-prfsha256-x25519"),
        ("aes192-aesxcbc-curve448", "aes192-aesxcbc-prfaesxcbc-x448"),
        ("aes128ccm64-prfaescmac-ecp521", "aes128ccm8-prfaescmac-ecp521"),
        ("aes192gcm96-prfsha256-brainpoolp384r1", "aes192gcm12-prfsha256-ecp384bp"),
        ("aes256ctr-aescmac-modp8192", "aes256ctr-aescmac-prfaescmac-modp8192"),
    ])
    func ikeProposalsAreCompleted(text: String, whole: String) {
        let result = read(Sample.connection("ike-proposals: \(text)"))
        #expect(
            result.configuration?.connections[0].ikeProposals.map(\.value.description) == [whole]
        )
    }

    @Test(arguments: [
        ("aes256gcm16", "aes256gcm16-esn-noesn"), ("aes256gcm16-noesn", "aes256gcm16-noesn"),
        ("aes128-sha256-ecp256-esn", "aes128-sha256-ecp256-esn"),
        ("aes256gcm16iiv-esn", "aes256gcm16iiv-esn"),
        ("aes192ctr-aesxcbc-noesn", "aes192ctr-aesxcbc-noesn"),
    ])
    func espProposalsAreCompleted(text: String, whole: String) {
        let result = read(Sample.tunnel("esp-proposals: \(text)"))
        #expect(
            result.configuration?.connections[0].tunnels[0].espProposals.map(\.value.description)
                == [whole]
        )
    }

    /// With leave, the weak are read, and warned of each time; without it, or without use, the key
    /// is told of.
    @Test func weakAlgorithmsNeedLeave() throws {
        let weak = "ike-proposals: [3des-sha1-modp1024, aes256-md5-modp768]"
        let result = read(Sample.connection("allow-weak: true\n\(weak)"))
        let connection = try #require(
            result.configuration?.connections.first,
            "\(result.diagnostics)"
        )
        #expect(
            connection.ikeProposals.map(\.value.description)
                == ["3des-sha1-prfsha1-modp1024", "aes256-md5-prfmd5-modp768"]
        )
        #expect(
            result.warnings.map(\.message) == [
                "\"3des\" has blocks of 64 bits, which repeat within hours (RFC 8221 §5)",
                "\"sha1\" rests on SHA-1, which is on its way out (RFC 8247 §2.2, §2.3)",
                "\"modp1024\" is a group that can be broken by precomputation (RFC 8247 §2.4)",
                "\"md5\" rests on MD5, which is broken (RFC 8247 §2.2, §2.3)",
                "\"modp768\" is a group that is broken within hours (RFC 8247 §2.4)",
            ]
        )
        #expect(result.errors.isEmpty)
        let refused = read(Sample.connection("allow-weak: false\n\(weak)"))
        #expect(refused.configuration == nil)
        #expect(refused.errors.count == 5)
        #expect(refused.errors.allSatisfy { $0.hint.contains("allow-weak: true") })
        let idle = read(Sample.connection("allow-weak: true"))
        #expect(idle.warnings.map(\.hint) == ["remove allow-weak"])
        let wrong = read(Sample.connection("allow-weak: perhaps"))
        #expect(Expected("", 6, 17, "neither true nor false", hint: "true").isFound(in: wrong))
    }

    /// RFC 8221 §5: authenticity alone is for those who mean it.
    @Test(arguments: ["null-sha256", "aes256gmac"])
    func clearTextIsToldOf(text: String) {
        let result = read(Sample.tunnel("esp-proposals: \(text)"))
        #expect(result.configuration != nil)
        #expect(result.warnings.count == 1)
        #expect(result.warnings.first?.message.contains("does not encrypt") == true)
    }

    /// Every word is that of one transform, and every transform that has a word is one we have.
    @Test func wordsAreUnambiguous() {
        let words = ProposalKeyword.table.map(\.word)
        #expect(Set(words).count == words.count)
        for (word, transform) in ProposalKeyword.table {
            #expect(ProposalKeyword.transform(for: word) == transform)
            let name = ProposalKeyword.name(of: transform)
            #expect(ProposalKeyword.transform(for: name) == transform)
        }
    }
}
