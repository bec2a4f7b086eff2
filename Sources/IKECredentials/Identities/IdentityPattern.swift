/// Whom a connection accepts.
package enum IdentityPattern: Hashable, Sendable {
    case any
    case exactly(Identity)
}
