package import IPsecPrimitives

/// What is offered and accepted where the configuration names nothing: everything that RFC 8221
/// and RFC 8247 recommend and Cygnet has, strongest and fastest first.
package enum DefaultProposals {
    package static let ikeText = [
        "aes256gcm16-aes128gcm16-chacha20poly1305-prfsha256-prfsha384-prfsha512-" + groups,
        "aes256-aes128-sha256-sha384-sha512-" + groups,
    ]

    package static let espText = [
        "aes256gcm16-aes128gcm16-chacha20poly1305-esn-noesn",
        "aes256-aes128-sha256-sha384-sha512-esn-noesn",
    ]

    package static let ike: [Proposal] = ikeText.compactMap { try? ProposalText.ike($0) }
    package static let esp: [Proposal] = espText.compactMap { try? ProposalText.esp($0) }

    private static let groups = "x25519-ecp256-ecp384-modp3072-modp4096-modp2048"
}
