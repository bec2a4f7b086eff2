package import IPsecPrimitives

/// What carries ESP between the gateways.
package enum Encapsulation: Hashable, Sendable, BitwiseCopyable {
    /// IP protocol 50.
    case esp
    /// ESP inside UDP (RFC 3948).
    case udp
    /// ESP along a TCP connection (RFC 9329 §3.2).
    case tcp
}

/// The outer addresses of an SA; without encapsulation, ports mean nothing.
package struct OuterPath: Hashable, Sendable {
    package var encapsulation: Encapsulation
    package var local: Endpoint
    package var remote: Endpoint

    /// Precondition: both ends are of one IP version.
    package init(encapsulation: Encapsulation, local: Endpoint, remote: Endpoint) {
        precondition(local.address.version == remote.address.version)
        self.encapsulation = encapsulation
        self.local = local
        self.remote = remote
    }

    package var version: IPVersion { remote.address.version }

    /// Octets of the outer IP header, and of UDP, or of TCP with its timestamps and a packet's
    /// length, where they are used.
    package var headerLength: Int {
        let carriage =
            switch encapsulation {
            case .esp: 0
            case .udp: 8
            case .tcp: 20 + 12 + 2
            }
        return (version == .v4 ? 20 : 40) + carriage
    }
}

extension OuterPath {
    /// Whether the packet is this gateway's own to the peer at the path's end, IKE or ESP: routed
    /// into a tunnel over that path it would go round for ever.
    func carries(_ packet: InnerPacket) -> Bool {
        guard packet.device != DeviceNumber.shared.rawValue, packet.isV4 == (version == .v4),
            packet.destination == remote.address.bits,
            local.address.isUnspecified || packet.source == local.address.bits
        else { return false }
        switch packet.ipProtocol {
        case 50, 51: return true
        // Fragments behind the first show no ports.
        case 17:
            let port = packet.destinationPort
            return !packet.hasPorts || port == remote.port || port == 500 || port == 4500
        case 6 where encapsulation == .tcp:
            return !packet.hasPorts || packet.destinationPort == remote.port
                || packet.sourcePort == local.port
        default: return false
        }
    }
}
