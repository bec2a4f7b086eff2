package import IPsecPrimitives

/// ESP datagrams that lie behind one another, all of one SA and of one size but for the last,
/// which may be shorter: what UDP_SEGMENT takes in one call.
package struct DatagramRun: Hashable, Sendable {
    /// Where the first begins, in octets from the processor's `datagrams`.
    package var offset: Int
    package var byteCount: Int
    /// Octets a datagram, outer headers not counted.
    package var segmentSize: Int
    package var count: Int
    /// The SA's slot: `path(ofSlot:)` tells where to.
    package var slot: Int
    /// Changes whenever the path of the slot does, so that a socket address may be kept.
    package var pathGeneration: UInt32
    /// The outer DSCP and ECN, as one octet.
    package var trafficClass: UInt8
    /// The outer Don't Fragment bit, IPv4.
    package var dontFragment: Bool
    /// The outer TTL or hop limit; 0: what the system gives its own packets.
    package var hopLimit: UInt8
    /// Whether each datagram begins with its IP header, as a socket with a header of its own takes
    /// them.
    package var hasHeader: Bool
}

/// A virtio_net_hdr and a packet for one write to the TUN device.
package struct DeviceWrite: Hashable, Sendable {
    /// In octets from the processor's `deviceBytes`.
    package var offset: Int
    package var byteCount: Int
    package var device: DeviceNumber
}

/// An IKE datagram that came on the ESP-in-UDP port, without its non-ESP marker (RFC 3948 §2.2).
@unsafe package struct ControlDatagram {
    /// Lies in the buffer that was handed in.
    package var bytes: UnsafeRawBufferPointer
    package var source: Endpoint
    package var local: Endpoint
}
