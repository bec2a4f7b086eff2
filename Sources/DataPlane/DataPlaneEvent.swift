package import IPsecPrimitives
package import PacketProtection

/// What the data plane tells control.
package enum DataPlaneEvent: Sendable {
    case packetPath(PacketPathEvent)
    /// An IKE datagram that came on port 4500, without its non-ESP marker.
    case ikeDatagram(IKEDatagramReceived)
    /// The path to a peer carries no more than this many octets of outer packet (RFC 1191).
    case pathMTU(remote: Endpoint, mtu: Int)
    /// Somebody deleted a device: nothing goes in or out by it any more.
    case deviceLost(DeviceNumber)
    /// An IKE message along a TCP connection, without length and non-ESP marker.
    case streamMessage(StreamNumber, [UInt8])
    /// A TCP connection is not carried any more; control may close it.
    case streamEnded(StreamNumber, StreamEnding)
}

/// An IKE datagram and where it came from and to.
package struct IKEDatagramReceived: Hashable, Sendable {
    package var bytes: [UInt8]
    package var local: Endpoint
    package var remote: Endpoint
}
