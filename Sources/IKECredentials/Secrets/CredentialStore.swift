package import IPsecPrimitives

/// The secrets of this host, by the pair of identities that they belong to.
package struct CredentialStore: Sendable {
    package init() {}

    package mutating func addPresharedKey(
        _ key: SecretBytes,
        local: IdentityPattern,
        remote: IdentityPattern
    ) {}
}
