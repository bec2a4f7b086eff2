package import LinuxIO
package import PacketProtection

/// What the packet path reads from and writes to; the descriptors may be in use elsewhere too.
package struct DataPlaneConfiguration: Sendable {
    /// That of policy-based tunnels; others are attached later.
    package var device: TUNDevice
    /// ESP in UDP, and IKE behind the non-ESP marker (RFC 3948): port 4500.
    package var udpSockets: [UDPSocket]
    package var rawSockets: [RawESPSocket]
    /// AH, and what else goes out with an IP header of its own.
    package var headerSockets: [RawAHSocket]
    package var packetPath: PacketPathConfiguration
    /// Whether what routers say of a path's MTU counts; what the system's own links carry does.
    package var learnsPathMTU = true

    package init(
        device: TUNDevice,
        udpSockets: [UDPSocket],
        rawSockets: [RawESPSocket] = [],
        headerSockets: [RawAHSocket] = [],
        packetPath: PacketPathConfiguration = PacketPathConfiguration()
    ) {
        self.device = device
        self.udpSockets = udpSockets
        self.rawSockets = rawSockets
        self.headerSockets = headerSockets
        self.packetPath = packetPath
    }
}
