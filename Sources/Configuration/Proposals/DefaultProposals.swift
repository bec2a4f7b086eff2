package import IPsecPrimitives

/// What is offered and accepted where the configuration names nothing: everything that RFC 8221
/// and RFC 8247 recommend and Cygnet has, strongest and fastest first.
///
/// For IKE, keys of a classical and a post-quantum exchange together go first (RFC 9370,
/// draft-ietf-ipsecme-ikev2-mlkem-08). A peer that does not know additional key exchanges rejects
/// that proposal alone (RFC 7296 §3.3.6) and takes one of the others; both are under the AUTH of
/// either end, so that nobody between them can take the first away unseen (RFC 9370 §2.2.1). The
/// classical exchange of the first messages is the same, so that no path sees larger ones.
package enum DefaultProposals {
    package static let ikeText = [
        "aes256gcm16-aes128gcm16-chacha20poly1305-prfsha256-prfsha384-prfsha512-" + groups
            + "-ke1_mlkem768-ke1_mlkem1024",
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
