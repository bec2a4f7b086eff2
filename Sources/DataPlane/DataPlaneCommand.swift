package import LinuxIO
package import PacketProtection

/// What control asks of the worker; carried out in order, between batches.
package enum DataPlaneCommand: Sendable {
    case packetPath(PacketPathCommand)
    /// Reads and writes a device from now on; one that had the number before is let go.
    case attach(TUNDevice, DeviceNumber)
    /// Lets a device go. Packets for it are counted as not written.
    case detach(DeviceNumber)
}
