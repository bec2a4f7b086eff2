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
        ("null-sha256-x25519", "does not encrypt", "aes256gcm16"),
        ("aes256-md5-x25519", "is broken", "sha256"),
        ("aes256-sha1-x25519", "SHA-1", "sha256"),
        ("aes256gcm16-prfsha1-x25519", "SHA-1", "prfsha256"),
        ("aes192-sha256-x25519", "not supported", "256"),
        ("aes128gcm8-prfsha256-x25519", "shortened checksum", "aes128gcm16"),
        ("aes256ctr-sha256-x25519", "not supported", "chacha20poly1305"),
        ("aes256-aesxcbc-x25519", "not supported", "sha256"),
        ("aes256gcm16-prfsha256-ecp521", "not supported", "ecp384"),
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
        ("null-sha256", "does not encrypt", "aes256gcm16"),
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
    ])
    func espProposalsAreCompleted(text: String, whole: String) {
        let result = read(Sample.tunnel("esp-proposals: \(text)"))
        #expect(
            result.configuration?.connections[0].tunnels[0].espProposals.map(\.value.description)
                == [whole]
        )
    }
}
