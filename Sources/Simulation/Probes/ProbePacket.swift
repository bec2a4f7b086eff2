internal import IPsecPrimitives

/// An inner IP packet with a number in it.
enum ProbePacket {
    static func bytes(
        _ flow: ProbeTraffic.Flow,
        number: Int,
        sequence: UInt32,
        mark: [UInt8]
    ) -> [UInt8] {
        var payload = ByteWriter(reserving: 24)
        payload.write(mark)
        payload.write(UInt32(number))
        payload.write(sequence)
        var packet = ByteWriter(reserving: 80)
        let octets = 8 + payload.count
        switch flow.source.version {
        case .v4:
            packet.write([0x45, 0])
            packet.write(UInt16(20 + octets))
            packet.write(UInt32(0))
            packet.write([64, flow.ipProtocol])
            packet.write(UInt16(0))
            packet.write(flow.source.bytes)
            packet.write(flow.destination.bytes)
        case .v6:
            packet.write(UInt32(0x6000_0000))
            packet.write(UInt16(octets))
            packet.write([flow.ipProtocol, 64])
            packet.write(flow.source.bytes)
            packet.write(flow.destination.bytes)
        }
        packet.write(flow.sourcePort)
        packet.write(flow.port)
        packet.write(UInt16(octets))
        packet.write(UInt16(0))
        packet.write(payload.bytes)
        return packet.bytes
    }

    /// Puts another DSCP into a packet.
    static func mark(_ packet: inout [UInt8], _ codePoint: UInt8) {
        if packet[0] >> 4 == 4 {
            packet[1] = codePoint << 2
        } else {
            packet[0] = 0x60 | codePoint >> 2
            packet[1] = codePoint << 6
        }
    }

    /// Puts another sequence number into a packet.
    static func renumber(_ packet: inout [UInt8], _ sequence: UInt32) {
        for place in 0..<4 {
            packet[packet.count - 1 - place] = UInt8(
                truncatingIfNeeded: sequence >> (8 * UInt32(place))
            )
        }
    }

    static func parse(_ packet: [UInt8], mark: [UInt8]) -> (flow: Int, sequence: UInt32)? {
        guard let first = packet.first else { return nil }
        let start = (first >> 4 == 4 ? 20 : 40) + 8
        guard packet.count >= start + 16,
            mark.indices.allSatisfy({ packet[start + $0] == mark[$0] })
        else { return nil }
        func word(_ start: Int) -> UInt32 {
            (start..<start + 4).reduce(0) { $0 << 8 | UInt32(packet[$1]) }
        }
        return (Int(word(start + 8)), word(start + 12))
    }
}
