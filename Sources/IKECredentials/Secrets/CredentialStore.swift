package import IPsecPrimitives

/// The secrets of this host, by the pair of identities that they belong to.
package struct CredentialStore: Sendable {
    private struct Ends: Hashable {
        var local: IdentityPattern
        var remote: IdentityPattern
    }

    private var presharedKeys: [Ends: SecretBytes] = [:]

    package init() {}

    /// A key for the same pair replaces the one before.
    package mutating func addPresharedKey(
        _ key: SecretBytes,
        local: IdentityPattern,
        remote: IdentityPattern
    ) {
        presharedKeys[Ends(local: local, remote: remote)] = key
    }

    /// The key for a pair: one that names both ends goes before one that names the peer, that
    /// before one that names only us, that before one for anybody.
    package func presharedKey(local: Identity, remote: Identity) -> SecretBytes? {
        presharedKeys[Ends(local: .exactly(local), remote: .exactly(remote))]
            ?? presharedKeys[Ends(local: .any, remote: .exactly(remote))]
            ?? presharedKeys[Ends(local: .exactly(local), remote: .any)]
            ?? presharedKeys[Ends(local: .any, remote: .any)]
    }
}
