/// What the packet path behind a configuration can carry; what it cannot is refused, for an SA that
/// nobody carries would be a hole that packets fall into.
package struct PacketPathAbility: Hashable, Sendable {
    package var transportMode: Bool
    package var authenticationHeader: Bool
    package var compression: Set<CarriageConfiguration.Compression>
    /// Later fragments by an SA that names ports.
    package var laterFragments: Bool
    /// Addresses of the inside that the peer gives.
    package var internalAddresses: Bool

    package init(
        transportMode: Bool,
        authenticationHeader: Bool,
        compression: Set<CarriageConfiguration.Compression>,
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
        compression: [.deflate],
        laterFragments: true,
        internalAddresses: false
    )

    /// For negotiating only.
    package static let everything = PacketPathAbility(
        transportMode: true,
        authenticationHeader: true,
        compression: Set(CarriageConfiguration.Compression.allCases),
        laterFragments: true,
        internalAddresses: true
    )
}
