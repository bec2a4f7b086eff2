/// What the packet path behind a configuration can carry; what it cannot is refused, for an SA that
/// nobody carries would be a hole that packets fall into.
package struct PacketPathAbility: Hashable, Sendable {
    package var transportMode: Bool
    package var authenticationHeader: Bool
    package var compression: Bool
    /// Later fragments by an SA that names ports.
    package var laterFragments: Bool
    /// Addresses of the inside that the peer gives.
    package var internalAddresses: Bool

    package init(
        transportMode: Bool,
        authenticationHeader: Bool,
        compression: Bool,
        laterFragments: Bool,
        internalAddresses: Bool
    ) {
        self.transportMode = transportMode
        self.authenticationHeader = authenticationHeader
        self.compression = compression
        self.laterFragments = laterFragments
        self.internalAddresses = internalAddresses
    }

    /// The worker of this gateway.
    package static let userspace = PacketPathAbility(
        transportMode: true,
        authenticationHeader: true,
        compression: false,
        laterFragments: true,
        internalAddresses: false
    )

    /// For negotiating only.
    package static let everything = PacketPathAbility(
        transportMode: true,
        authenticationHeader: true,
        compression: true,
        laterFragments: true,
        internalAddresses: true
    )
}
