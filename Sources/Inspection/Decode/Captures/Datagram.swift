package import IPsecPrimitives

/// What an IP packet holds for us.
package enum DatagramContent: Hashable, Sendable {
    /// An IKE message, without the non-ESP marker.
    case ike(ArraySlice<UInt8>)
    case esp(ArraySlice<UInt8>)
    /// One octet that keeps a NAT's mapping alive (RFC 3948 §2.3).
    case keepalive
    /// A part of a packet that IP has cut: it is not put together here.
    case fragment
}

/// IKE or ESP between two ends.
package struct Datagram: Hashable, Sendable {
    package let source: Endpoint
    package let destination: Endpoint
    package let isUDP: Bool
    package let content: DatagramContent

    private static let udp: UInt8 = 17
    private static let esp: UInt8 = 50
    private static let ikePort: UInt16 = 500
    private static let natTraversalPort: UInt16 = 4500

    /// Nil when the packet is neither IKE nor ESP.
    package init?(_ packet: IPPacket) {
        switch packet.ipProtocol {
        case Datagram.esp:
            source = Endpoint(address: packet.source, port: 0)
            destination = Endpoint(address: packet.destination, port: 0)
            isUDP = false
            content = packet.isFragment ? .fragment : .esp(packet.payload)
        case Datagram.udp:
            guard let udp = Datagram.readUDP(packet) else { return nil }
            (source, destination, content) = udp
            isUDP = true
        default: return nil
        }
    }

    private static func readUDP(_ packet: IPPacket) -> (Endpoint, Endpoint, DatagramContent)? {
        var reader = ByteReader(packet.payload)
        guard let sourcePort = try? reader.readUInt16(),
            let destinationPort = try? reader.readUInt16(), let length = try? reader.readUInt16(),
            (try? reader.readUInt16()) != nil
        else { return nil }
        let rest = reader.readRest()
        let octets = Int(length) - 8
        let body = octets > 0 ? rest.prefix(octets) : rest
        let ports: Set = [sourcePort, destinationPort]
        let content: DatagramContent
        if ports.contains(natTraversalPort) {
            content = packet.isFragment ? .fragment : encapsulated(body)
        } else if ports.contains(ikePort) {
            content = packet.isFragment ? .fragment : .ike(body)
        } else {
            return nil
        }
        return (
            Endpoint(address: packet.source, port: sourcePort),
            Endpoint(address: packet.destination, port: destinationPort), content
        )
    }

    /// RFC 3948 §2.1 to 2.3: a SPI is never zero, so four zero octets mark IKE.
    private static func encapsulated(_ body: ArraySlice<UInt8>) -> DatagramContent {
        if body.elementsEqual([0xff]) { return .keepalive }
        if body.count >= 4, body.prefix(4).allSatisfy({ $0 == 0 }) {
            return .ike(body.dropFirst(4))
        }
        return .esp(body)
    }
}
