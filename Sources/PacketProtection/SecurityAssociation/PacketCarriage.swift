package import IPsecPrimitives

/// The protocol and the mode of an SA (RFC 4301 §3.2, §4.1), decided when it is installed.
package enum PacketCarriage: UInt8, Hashable, Sendable, CaseIterable {
    case espTunnel
    /// Between the two ends themselves: the packet keeps its IP header (RFC 4303 §3.1.1).
    case espTransport
    case ahTunnel
    case ahTransport
    /// As `espTunnel`, and several packets, or parts of packets, go in one (RFC 9347).
    case espAggregated

    @inline(__always)
    package var isTransport: Bool { self == .espTransport || self == .ahTransport }

    /// AH covers the outer header too (RFC 4302 §3.1).
    @inline(__always)
    package var isAuthenticationHeader: Bool { self == .ahTunnel || self == .ahTransport }
}

/// The ends of a transport-mode SA as the peer knows them, where a NAT changes addresses: what the
/// checksums of its packets were computed with (RFC 7296 §2.23.1, RFC 3948 §3.1.2).
package struct OriginalEnds: Hashable, Sendable {
    /// This gateway.
    package var local: IPAddress
    package var remote: IPAddress

    package init(local: IPAddress, remote: IPAddress) {
        self.local = local
        self.remote = remote
    }
}
