package import IPsecPrimitives

/// What the packet path decided about one packet: flat, so that it is copied from the worker to
/// control as it is; words are made of it elsewhere.
///
/// Everything in it may come from a hostile packet.
package struct TraceRecord: Hashable, Sendable, BitwiseCopyable {
    package enum Direction: UInt8, Hashable, Sendable, BitwiseCopyable {
        case outbound
        case inbound
    }

    package enum Outcome: UInt8, Hashable, Sendable, BitwiseCopyable {
        /// Left in ESP or AH.
        case sealed
        /// Came in ESP or AH and went to the device.
        case opened
        /// Waits for an SA.
        case held
        /// A fragment that waits for the others of its packet.
        case gathered
        /// Waits for its place in a train (RFC 9347), and leaves among others.
        case queued
        /// IKE behind the non-ESP marker (RFC 3948 §2.2), handed to control.
        case control
        case dropped
        /// No decision: one of the datagrams that a sealed packet left in, or that an opened one
        /// came in, for captures. Its octets begin at ESP or AH, or at the IP header where
        /// `hasOuterHeader` says so.
        case datagram
    }

    package let direction: Direction
    package var outcome: Outcome
    /// Where `outcome` is `dropped`; some datagrams of the packet may have left before.
    package var reason: DropReason?
    /// Nanoseconds of the clock that the packet path is told the time by.
    package let time: UInt64
    package var device: UInt16 = 0

    /// Whether the inner packet could be read; without it, what follows says nothing.
    package var hasInner = false
    package var isV4 = true
    package var ipProtocol: UInt8 = 0
    /// Whether ports, or ICMP type and code, could be seen.
    package var hasPorts = false
    package var isFragment = false
    package var trafficClass: UInt8 = 0
    package var sourcePort: UInt16 = 0
    package var destinationPort: UInt16 = 0
    package var source: UInt128 = 0
    package var destination: UInt128 = 0
    /// Octets of the inner packet; of a superpacket all of it.
    package var innerOctets: UInt32 = 0

    /// Whether a policy was found, by its name.
    package var hasPolicy = false
    package var policy: UInt32 = 0
    /// Whether an SA was found, by its name.
    package var hasSA = false
    package var association: UInt32 = 0
    package var isAuthenticationHeader = false
    package var isTransport = false
    /// Of what came, also where nobody has it.
    package var spi: UInt32 = 0
    /// Of the last datagram.
    package var sequence: UInt64 = 0
    /// ESP or AH datagrams that the packet left in, or came in.
    package var datagrams: UInt16 = 0
    /// Octets of those, from ESP or AH on, or with the IP header where `hasOuterHeader` says so.
    package var outerOctets: UInt32 = 0
    package var hasOuterHeader = false
    package var hasPath = false
    package var encapsulation = Encapsulation.esp
    private var isPathV4 = true
    private var localPort: UInt16 = 0
    private var remotePort: UInt16 = 0
    private var localBits: UInt128 = 0
    private var remoteBits: UInt128 = 0
    /// The largest inner packet in octets that the SA carries; 0 where it was not asked.
    package var limit: UInt32 = 0
    /// Nanoseconds that the packet waited for its SA.
    package var heldFor: UInt64 = 0
    /// Octets of packet that follow the record.
    package var captured: UInt32 = 0

    package init(_ direction: Direction, at time: UInt64) {
        self.direction = direction
        self.time = time
        outcome = .dropped
    }

    /// The outer ends, where `hasPath` says that they are known.
    package var local: Endpoint {
        Endpoint(
            address: IPAddress(version: isPathV4 ? .v4 : .v6, bits: localBits),
            port: localPort
        )
    }

    package var remote: Endpoint {
        Endpoint(
            address: IPAddress(version: isPathV4 ? .v4 : .v6, bits: remoteBits),
            port: remotePort
        )
    }

    package var sourceAddress: IPAddress {
        IPAddress(version: isV4 ? .v4 : .v6, bits: source)
    }

    package var destinationAddress: IPAddress {
        IPAddress(version: isV4 ? .v4 : .v6, bits: destination)
    }
}

extension TraceRecord {
    mutating func take(_ packet: InnerPacket) {
        hasInner = true
        isV4 = packet.isV4
        ipProtocol = packet.ipProtocol
        hasPorts = packet.hasPorts
        isFragment = packet.isFragment
        trafficClass = packet.trafficClass
        sourcePort = packet.sourcePort
        destinationPort = packet.destinationPort
        source = packet.source
        destination = packet.destination
        innerOctets = UInt32(truncatingIfNeeded: packet.totalLength)
    }

    mutating func take(_ path: OuterPath) {
        setPath(path.encapsulation, local: path.local, remote: path.remote)
    }

    mutating func setPath(_ encapsulation: Encapsulation, local: Endpoint, remote: Endpoint) {
        hasPath = true
        self.encapsulation = encapsulation
        isPathV4 = local.address.version == .v4
        localPort = local.port
        localBits = local.address.bits
        remotePort = remote.port
        remoteBits = remote.address.bits
    }
}
