package import IPsecPrimitives

/// What a connection says about ends that change their addresses (MOBIKE, RFC 4555).
package struct MobilityPolicy: Hashable, Sendable {
    /// Whether MOBIKE is offered and accepted.
    package var isOffered: Bool
    /// Whether the peer, once proven, may move to any address, or only to those from which the
    /// connection lets it come.
    package var acceptsAnyAddress: Bool
    /// Our addresses that the peer is told of besides the one in use; nil: all that we have.
    package var additionalAddresses: [IPAddress]?

    package init(
        isOffered: Bool = false,
        acceptsAnyAddress: Bool = false,
        additionalAddresses: [IPAddress]? = nil
    ) {
        self.isOffered = isOffered
        self.acceptsAnyAddress = acceptsAnyAddress
        self.additionalAddresses = additionalAddresses
    }
}
