package import IPsecPrimitives

/// Addresses of the inside that a peer is asked for or given (RFC 7296 §2.19, §3.15).
package struct InternalAddressConfiguration: Equatable, Sendable {
    package enum Version: String, CaseIterable, Sendable {
        case ipv4, ipv6
    }

    /// Asked of the peer when this end begins; empty: none.
    package var requested: [Located<Version>] = []
    /// Given to the peer when it asks; nil: none.
    package var assignment: Assignment?

    package init() {}

    package struct Assignment: Equatable, Sendable {
        /// Each for one peer at a time; never empty.
        package var addresses: [Located<IPAddress>]
        package var nameServers: [Located<IPAddress>]
        package var domains: [Located<String>]
        /// Without protocols and ports.
        package var networks: [Located<IPPrefix>]
        /// Whether a peer that does not ask gets no Child SA.
        package var isRequired: Located<Bool>
        package var location: SourceLocation

        package static func == (left: Assignment, right: Assignment) -> Bool {
            left.addresses == right.addresses && left.nameServers == right.nameServers
                && left.domains == right.domains && left.networks == right.networks
                && left.isRequired == right.isRequired
        }
    }
}
