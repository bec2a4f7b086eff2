internal import IPsecPrimitives

/// How much of this gateway those may take who come by TCP and have proven nothing.
struct StreamLimits {
    /// Connections that others opened, in all.
    var streams = 2048
    /// Of one address, or of one IPv6 network of 64 bits; behind a NAT there may be several peers.
    var streamsPerSource = 64
    /// Octets that wait to be read by the other end, of one connection.
    var pendingOctets = 1 << 18
    /// A connection that no IKE SA goes by is closed after so long. RFC 9329 §6.3.1 has "5-10
    /// seconds" for an initiator that was asked for a cookie.
    var idlePatience: Duration = .seconds(10)
    /// What is to be closed waits so long for its last octets to be taken.
    var closingPatience: Duration = .seconds(3)
    /// How often is looked for what has had its time.
    var sweepInterval: Duration = .seconds(2)

    /// What counts as one source.
    static func source(_ address: IPAddress) -> IPAddress {
        switch address {
        case .v4: address
        case .v6: IPAddress(version: .v6, bits: (address.bits >> 64) << 64)
        }
    }
}
