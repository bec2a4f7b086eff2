package import IPsecPrimitives

/// What carries ESP between the gateways.
package enum Encapsulation: Hashable, Sendable {
    /// IP protocol 50.
    case esp
    /// ESP inside UDP (RFC 3948).
    case udp
}

/// The outer addresses of an SA; ports are meaningful for UDP encapsulation only.
package struct OuterPath: Hashable, Sendable {
    package var encapsulation: Encapsulation
    package var local: Endpoint
    package var remote: Endpoint

    /// Precondition: both ends are of one IP version.
    package init(encapsulation: Encapsulation, local: Endpoint, remote: Endpoint) {
        precondition(local.address.version == remote.address.version)
        self.encapsulation = encapsulation
        self.local = local
        self.remote = remote
    }

    package var version: IPVersion { remote.address.version }

    /// Octets of the outer IP header, and of UDP where it is used.
    package var headerLength: Int {
        (version == .v4 ? 20 : 40) + (encapsulation == .udp ? 8 : 0)
    }
}
