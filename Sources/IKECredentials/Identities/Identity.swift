package import IPsecPrimitives

/// The name that an end proves to own (RFC 7296 §3.5).
package enum Identity: Hashable, Sendable {
    case fullyQualifiedDomainName(String)
    case ipv4(IPv4Address)
    case ipv6(IPv6Address)
    /// `user@host`.
    case emailAddress(String)
    case keyID([UInt8])
    /// A type that we do not interpret, such as a distinguished name; equal only octet by octet.
    case other(type: UInt8, content: [UInt8])
}
