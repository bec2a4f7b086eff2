/// What passed an interface, as the kernel counts: what it hands over uncut counts once.
package struct LinkStatistics: Hashable, Sendable {
    /// Out of the tunnel.
    package var received: UInt64 = 0
    package var receivedOctets: UInt64 = 0
    /// Into the tunnel.
    package var sent: UInt64 = 0
    package var sentOctets: UInt64 = 0
    package var receiveDrops: UInt64 = 0
    package var sendDrops: UInt64 = 0

    package init() {}
}
