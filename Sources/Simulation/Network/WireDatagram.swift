internal import IPsecPrimitives

/// One datagram as the network carries it.
struct WireDatagram {
    enum Carrier: UInt8 {
        case udp
        /// IP protocol 50.
        case esp
        /// ESP along a TCP connection.
        case tcp
    }

    var carrier: Carrier
    /// Ports are zero for ESP without UDP.
    var source: Endpoint
    var destination: Endpoint
    /// What follows the UDP or IP header: on port 4500 with the marker before IKE.
    var bytes: [UInt8]
    /// Numbered as sent, over the whole run.
    var number: UInt64 = 0

    /// Octets of the IP packet.
    var packetOctets: Int {
        bytes.count + (carrier == .udp ? 8 : 0) + (source.address.version == .v4 ? 20 : 40)
    }
}

/// The ports and the marker of RFC 7296 §3.1 and RFC 3948 §2.
enum IKEPorts {
    static let ike: UInt16 = 500
    static let natTraversal: UInt16 = 4500
    static let marker: [UInt8] = [0, 0, 0, 0]
}

extension WireDatagram {
    /// The IKE message within, if it looks like one.
    var ikeMessage: [UInt8]? {
        guard carrier == .udp else { return nil }
        let onTraversalPort =
            source.port == IKEPorts.natTraversal || destination.port == IKEPorts.natTraversal
        guard onTraversalPort else { return bytes.count >= 28 ? bytes : nil }
        guard bytes.count >= 32, bytes[0] | bytes[1] | bytes[2] | bytes[3] == 0 else { return nil }
        return Array(bytes[4...])
    }

    /// Whether it carries ESP, with or without UDP.
    var isESP: Bool {
        if carrier != .udp { return true }
        return bytes.count > 8 && ikeMessage == nil
            && bytes[0] | bytes[1] | bytes[2] | bytes[3] != 0
    }
}
