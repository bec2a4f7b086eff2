/// Whom a connection accepts, or whom a secret belongs to.
package enum IdentityPattern: Hashable, Sendable {
    case any
    case exactly(Identity)

    /// `any`, `%any`, or an identity; nil when the text is neither.
    package init?(_ text: some StringProtocol) {
        if ["any", "%any"].contains(text.lowercased()) {
            self = .any
        } else if let identity = Identity(text) {
            self = .exactly(identity)
        } else {
            return nil
        }
    }

    package func matches(_ identity: Identity) -> Bool {
        switch self {
        case .any: true
        case .exactly(let wanted): wanted == identity
        }
    }
}

extension IdentityPattern: CustomStringConvertible {
    package var description: String {
        switch self {
        case .any: "any"
        case .exactly(let identity): identity.description
        }
    }
}
