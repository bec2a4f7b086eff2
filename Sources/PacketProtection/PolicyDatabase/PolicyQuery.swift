internal import IPsecPrimitives

/// What the selectors of policies and SAs are compared with (RFC 4301 §4.4.1.1): a packet seen from
/// this gateway.
struct PolicyQuery {
    var local: UInt128
    var remote: UInt128
    var localPort: UInt16
    var remotePort: UInt16
    var ipProtocol: UInt8
    var isV4: Bool
    /// Whether ports, or ICMP type and code, can be seen.
    var hasPorts: Bool
    var isOutbound: Bool

    /// A packet that leaves: its source is local.
    @inline(__always)
    init(outbound packet: InnerPacket) {
        local = packet.source
        remote = packet.destination
        localPort = packet.sourcePort
        remotePort = packet.destinationPort
        ipProtocol = packet.ipProtocol
        isV4 = packet.isV4
        hasPorts = packet.hasPorts
        isOutbound = true
    }

    /// A packet that came: its destination is local.
    @inline(__always)
    init(inbound packet: InnerPacket) {
        local = packet.destination
        remote = packet.source
        localPort = packet.destinationPort
        remotePort = packet.sourcePort
        ipProtocol = packet.ipProtocol
        isV4 = packet.isV4
        hasPorts = packet.hasPorts
        isOutbound = false
    }

    init(
        local: UInt128,
        remote: UInt128,
        localPort: UInt16,
        remotePort: UInt16,
        ipProtocol: UInt8,
        isV4: Bool,
        hasPorts: Bool,
        isOutbound: Bool
    ) {
        self.local = local
        self.remote = remote
        self.localPort = localPort
        self.remotePort = remotePort
        self.ipProtocol = ipProtocol
        self.isV4 = isV4
        self.hasPorts = hasPorts
        self.isOutbound = isOutbound
    }

    /// The packet that an event or an operator tells of. Ports count where both are there.
    init(_ tuple: PacketTuple, isOutbound: Bool) {
        let near = isOutbound ? tuple.source : tuple.destination
        let far = isOutbound ? tuple.destination : tuple.source
        local = near.bits
        remote = far.bits
        isV4 = near.version == .v4
        ipProtocol = tuple.ipProtocol
        hasPorts = tuple.sourcePort != nil && tuple.destinationPort != nil
        localPort = (isOutbound ? tuple.sourcePort : tuple.destinationPort) ?? 0
        remotePort = (isOutbound ? tuple.destinationPort : tuple.sourcePort) ?? 0
        self.isOutbound = isOutbound
    }
}
