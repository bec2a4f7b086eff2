/// What a fragment says of itself (RFC 791 §3.2, RFC 8200 §4.5).
struct FragmentPart {
    /// Octets before the fragment header, or of the IPv4 header.
    let header: Int
    /// Where the fragment's own octets begin.
    let start: Int
    /// Where they belong in what was fragmented, in octets.
    let offset: Int
    let hasMore: Bool
    let identification: UInt32
    /// Where the number of the next protocol is written, and that number; IPv6 only.
    let nextOffset: Int
    let next: UInt8

    /// Nil for what is no fragment, or has its fragment header out of place.
    init?(_ bytes: UnsafeMutableRawPointer, _ packet: InnerPacket) {
        guard packet.isFragment else { return nil }
        if packet.isV4 {
            let field = unsafe bytes.read16(6)
            header = packet.headerLength
            start = packet.headerLength
            offset = Int(field & 0x1fff) * 8
            hasMore = field & 0x2000 != 0
            identification = UInt32(unsafe bytes.read16(4))
            nextOffset = 0
            next = 0
            return
        }
        var place = 40
        var nextPlace = 6
        var kind = unsafe bytes.read8(6)
        while kind != 44 {
            // The packet's reader has walked here: each header lies within.
            guard place + 8 <= packet.headerLength else { return nil }
            nextPlace = place
            kind = unsafe bytes.read8(place)
            place += (Int(unsafe bytes.read8(nextPlace + 1)) + 1) * 8
        }
        guard place + 8 <= packet.totalLength else { return nil }
        let field = unsafe bytes.read16(place + 2)
        header = place
        start = place + 8
        offset = Int(field & 0xfff8)
        hasMore = field & 1 != 0
        identification = unsafe bytes.read32(place + 4)
        nextOffset = nextPlace
        next = unsafe bytes.read8(place)
    }
}
