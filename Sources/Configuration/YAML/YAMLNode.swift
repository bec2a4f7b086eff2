/// A YAML document as a tree, each node with its place.
struct YAMLNode: Sendable {
    enum Content: Sendable {
        case scalar(String)
        /// Nothing, `~` or `null`.
        case null
        case sequence([YAMLNode])
        case mapping([YAMLEntry])
    }

    let content: Content
    let location: SourceLocation

    /// What the node is, for sentences.
    var kind: String {
        switch content {
        case .scalar: "a single value"
        case .null: "nothing"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// One `key: value` of a mapping.
struct YAMLEntry: Sendable {
    let key: String
    let keyLocation: SourceLocation
    let value: YAMLNode
}

/// What keeps a hostile or broken file from costing more than it should.
enum YAMLLimits {
    /// Size of a file in bytes.
    static let bytes = 4 << 20
    /// Scalars, lists and mappings.
    static let nodes = 500_000
    /// Lists and mappings inside each other; the language needs eight.
    static let depth = 16
}
