package import LinuxIO
package import PacketProtection

/// What control asks of the worker; carried out in order, between batches.
package enum DataPlaneCommand: Sendable {
    case packetPath(PacketPathCommand)
    /// Reads and writes a device from now on; one that had the number before is let go.
    case attach(TUNDevice, DeviceNumber)
    /// Lets a device go. Packets for it are counted as not written.
    case detach(DeviceNumber)
    case stream(StreamCommand)
}

/// What control asks of the TCP connections that the worker carries (RFC 9329).
package enum StreamCommand: Sendable {
    /// Reads, writes and watches the connection from now on.
    case adopt(StreamParcel)
    /// Sends an IKE message, framed, behind what waits.
    case send([UInt8], StreamNumber)
    /// Sends what waits and no more; it ends when the other end closes it.
    case close(StreamNumber)
    /// Ends it at once.
    case drop(StreamNumber)
}
