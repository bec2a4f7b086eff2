/// What a fragment says of itself (RFC 791 §3.2, RFC 8200 §4.5), read a second time.
package struct PlainFragment: Hashable {
    /// Octets before the fragment header, or of the IPv4 header.
    package var header: Int
    /// Where its own octets begin.
    package var start: Int
    package var offset: Int
    package var hasMore: Bool
    package var identification: UInt32
    /// Where the number of the next protocol is written, and that number; 0 in IPv4.
    package var nextPlace = 0
    package var next: UInt8 = 0

    /// Nil for what is no fragment. Of several fragment headers the first counts.
    package init?(_ bytes: [UInt8], _ packet: PlainPacket) {
        guard packet.isFragment else { return nil }
        guard !packet.isV4 else {
            header = packet.header
            start = packet.header
            offset = bytes.number16(6) % 0x2000 * 8
            hasMore = bytes.number16(6) & 0x2000 != 0
            identification = UInt32(bytes.number16(4))
            return
        }
        var place = 40
        nextPlace = 6
        while bytes[nextPlace] != 44 {
            nextPlace = place
            place += 8 * Int(bytes[place + 1]) + 8
        }
        header = place
        start = place + 8
        offset = bytes.number16(place + 2) / 8 * 8
        hasMore = bytes.number16(place + 2) % 2 == 1
        identification = bytes.number32(place + 4)
        next = bytes[place]
    }
}
