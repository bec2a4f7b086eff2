internal import IPsecPrimitives

/// A network address translator before one gateway, for UDP; it passes nothing else.
struct NATBox {
    struct Mapping {
        let inside: Endpoint
        let port: UInt16
        var lastUse: UInt64
        /// Those that the inside has sent to, where only they may answer.
        var peers: [Endpoint]
    }

    var publicAddress: IPAddress
    /// Whether anybody may answer through a mapping, or only those that were sent to.
    let isOpen: Bool
    /// Ports that always lead to the same port of the gateway within.
    let forwards: Bool
    /// Nanoseconds after which an unused mapping is forgotten.
    let timeout: UInt64
    let inside: IPAddress
    private(set) var mappings: [Mapping] = []
    private var nextPort: UInt16 = 20_000

    init(publicAddress: IPAddress, inside: IPAddress, isOpen: Bool, forwards: Bool, timeout: UInt64)
    {
        self.publicAddress = publicAddress
        self.inside = inside
        self.isOpen = isOpen
        self.forwards = forwards
        self.timeout = timeout
    }

    /// The source that the outside sees; nil when the datagram does not pass.
    mutating func leaving(_ datagram: WireDatagram, at now: UInt64) -> Endpoint? {
        guard datagram.carrier == .udp else { return nil }
        if forwards { return Endpoint(address: publicAddress, port: datagram.source.port) }
        mappings.removeAll { now - $0.lastUse > timeout }
        if let index = mappings.firstIndex(where: { $0.inside == datagram.source }) {
            mappings[index].lastUse = now
            if !mappings[index].peers.contains(datagram.destination) {
                mappings[index].peers.append(datagram.destination)
            }
            return Endpoint(address: publicAddress, port: mappings[index].port)
        }
        nextPort += 1
        mappings.append(
            Mapping(
                inside: datagram.source,
                port: nextPort,
                lastUse: now,
                peers: [datagram.destination]
            )
        )
        return Endpoint(address: publicAddress, port: nextPort)
    }

    /// Where within a datagram goes; nil when it does not pass.
    mutating func entering(_ datagram: WireDatagram, at now: UInt64) -> Endpoint? {
        guard datagram.carrier == .udp, datagram.destination.address == publicAddress else {
            return nil
        }
        if forwards { return Endpoint(address: inside, port: datagram.destination.port) }
        guard let mapping = mappings.first(where: { $0.port == datagram.destination.port }),
            now - mapping.lastUse <= timeout,
            isOpen || mapping.peers.contains(datagram.source)
        else { return nil }
        return mapping.inside
    }

    /// Forgets every mapping, as a box does that restarts.
    mutating func rebind() {
        mappings = []
        nextPort += 100
    }
}
