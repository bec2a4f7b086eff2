package import IPsecPrimitives

/// What the packet path tells control.
package enum PacketPathEvent: Hashable, Sendable {
    /// A packet needs an SA and waits for it (RFC 4301 §5.1); at most one a policy and second.
    case acquire(PolicyIdentifier, PacketTuple)
    /// Time for a successor: octets, packets or sequence numbers run out.
    case softLifetimeReached(SAIdentifier)
    /// The SA carries nothing any more.
    case hardLifetimeReached(SAIdentifier)
    /// An authenticated packet, newer than any before, came from another place (RFC 7296 §2.23).
    case peerEndpointChanged(SAIdentifier, Endpoint)
    /// The first authenticated packet of a new SA: its peer uses it (RFC 7296 §2.8).
    case firstPacketReceived(SAIdentifier)
    /// ESP for an SPI that nobody has; at most a few a second.
    case unknownSPI(SPI, from: Endpoint)
    /// A command could not be carried out.
    case commandFailed(SAIdentifier, CommandFailure)
    case snapshot(token: UInt64, PacketPathSnapshot)
    case answer(token: UInt64, PacketAnswer)

    package enum CommandFailure: Hashable, Sendable {
        /// Every slot of the SA table is taken.
        case tooManySAs
        /// The identifier, or for an inbound SA the SPI, is in use.
        case duplicate
        case unknownSA
    }
}

/// What policy looks at in a packet (RFC 4301 §4.4.1.1), seen from this gateway.
package struct PacketTuple: Hashable, Sendable {
    package var source: IPAddress
    package var destination: IPAddress
    package var ipProtocol: UInt8
    /// Port, or ICMP type and code; nil when it cannot be seen.
    package var sourcePort: UInt16?
    package var destinationPort: UInt16?
    /// The DSCP, where somebody asks about a packet.
    package var codePoint: UInt8 = 0

    package init(
        source: IPAddress,
        destination: IPAddress,
        ipProtocol: UInt8,
        sourcePort: UInt16?,
        destinationPort: UInt16?
    ) {
        self.source = source
        self.destination = destination
        self.ipProtocol = ipProtocol
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }
}
