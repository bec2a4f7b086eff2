internal import FuzzPacketPath

/// The packet that an ICMP error quotes, read naively (RFC 792, RFC 4443 §2.4 (c)).
enum PlainError {
    /// Nil for what is no error of those that RFC 4301 §6.2 is about, is a fragment, or quotes no
    /// header of its own IP version.
    static func quoted(by bytes: [UInt8], _ packet: PlainPacket) -> PlainPacket? {
        guard packet.ipProtocol == (packet.isV4 ? 1 : 58), !packet.isFragment,
            let type = packet.ports.map({ $0[0] >> 8 }),
            // Unreachable, time exceeded, parameter problem; and of IPv6 too big.
            (packet.isV4 ? [3, 11, 12] : [1, 2, 3, 4]).contains(type)
        else { return nil }
        var quoted = Array(bytes[packet.header..<packet.total].dropFirst(8))
        // What is left of it is all there is: as if the rest had been zero, but without ports.
        guard let first = quoted.first, first >> 4 == (packet.isV4 ? 4 : 6),
            quoted.count >= (packet.isV4 ? 20 : 40)
        else { return nil }
        let isV4 = packet.isV4
        let header = isV4 ? Int(first & 15) * 4 : 40
        guard header >= 20 else { return nil }
        let room = quoted.count
        quoted += Array(repeating: 0, count: 20_000)
        quoted.store16(isV4 ? quoted.count : quoted.count - 40, isV4 ? 2 : 4)
        guard var plain = PlainPacket(quoted) else { return nil }
        if !isV4, !fits(quoted, room: room) { return nil }
        if !plain.isLaterFragment, plain.ports != nil {
            let upper = quoted[..<room].dropFirst(plain.header)
            plain.ports = PlainPacket.ports(plain.ipProtocol, Array(upper))
        }
        return plain
    }

    /// Whether the beginning of each extension header was quoted.
    private static func fits(_ quoted: [UInt8], room: Int) -> Bool {
        var kind = quoted[6]
        var place = 40
        while [0, 43, 44, 60, 139, 140].contains(kind) {
            guard place + 8 <= room else { return false }
            let isLater = kind == 44 && quoted.number16(place + 2) >> 3 != 0
            let length = kind == 44 ? 8 : 8 * Int(quoted[place + 1]) + 8
            kind = quoted[place]
            place += length
            if isLater { return true }
        }
        return true
    }
}
