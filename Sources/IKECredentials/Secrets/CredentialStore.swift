package import IPsecPrimitives

/// The secrets of this host, by the pair of identities that they belong to.
package struct CredentialStore: Sendable {
    private struct Ends: Hashable {
        var local: IdentityPattern
        var remote: IdentityPattern
    }

    private var presharedKeys: [Ends: SecretBytes] = [:]
    /// Which kinds of pairs there are: nothing is looked up among those that there are none of.
    private var kinds: Kinds = []

    private struct Kinds: OptionSet {
        let rawValue: UInt8

        static let both = Kinds(rawValue: 1)
        static let onlyRemote = Kinds(rawValue: 2)
        static let onlyLocal = Kinds(rawValue: 4)
        static let anybody = Kinds(rawValue: 8)
    }

    /// By the identifier that both ends know (RFC 8784 §5.1).
    private var postquantumKeys: [[UInt8]: SecretBytes] = [:]

    package init() {}

    package mutating func addPostquantumKey(_ key: SecretBytes, identifier: [UInt8]) {
        postquantumKeys[identifier] = key
    }

    package func hasSamePostquantumKey(as other: CredentialStore, identifier: [UInt8]) -> Bool {
        switch (postquantumKeys[identifier], other.postquantumKeys[identifier]) {
        case (nil, nil): true
        case (let mine?, let theirs?): mine.isEqual(to: theirs)
        case (nil, _?), (_?, nil): false
        }
    }

    package func postquantumKey(_ identifier: [UInt8]) -> SecretBytes? {
        postquantumKeys[identifier]
    }

    /// A key for the same pair replaces the one before.
    package mutating func addPresharedKey(
        _ key: SecretBytes,
        local: IdentityPattern,
        remote: IdentityPattern
    ) {
        presharedKeys[Ends(local: local, remote: remote)] = key
        switch (local, remote) {
        case (.exactly, .exactly): kinds.insert(.both)
        case (.any, .exactly): kinds.insert(.onlyRemote)
        case (.exactly, .any): kinds.insert(.onlyLocal)
        case (.any, .any): kinds.insert(.anybody)
        }
    }

    /// Whether the key that was added for just this pair is the same, or missing, in both.
    package func hasSamePresharedKey(
        as other: CredentialStore,
        local: IdentityPattern,
        remote: IdentityPattern
    ) -> Bool {
        let ends = Ends(local: local, remote: remote)
        switch (presharedKeys[ends], other.presharedKeys[ends]) {
        case (nil, nil): return true
        case (let mine?, let theirs?): return mine.isEqual(to: theirs)
        case (nil, _?), (_?, nil): return false
        }
    }

    /// The key for a pair: one that names both ends goes before one that names the peer, that
    /// before one that names only us, that before one for anybody.
    package func presharedKey(local: Identity, remote: Identity) -> SecretBytes? {
        find(.both, .exactly(local), .exactly(remote))
            ?? find(.onlyRemote, .any, .exactly(remote))
            ?? find(.onlyLocal, .exactly(local), .any)
            ?? find(.anybody, .any, .any)
    }

    private func find(
        _ kind: Kinds,
        _ local: IdentityPattern,
        _ remote: IdentityPattern
    ) -> SecretBytes? {
        kinds.contains(kind) ? presharedKeys[Ends(local: local, remote: remote)] : nil
    }
}
