/// Cuts a packet that is already protected, and whose IP header the system does not make, into
/// fragments that fit the link (RFC 4302 §3.3.4, RFC 4303 §3.3.4).
@safe package struct OuterFragments {
    private let packet: UnsafeMutableRawPointer
    private let length: Int
    /// Octets that the first fragment repeats: the IPv4 header, or the headers before AH or ESP.
    private let header: Int
    private let isV4: Bool
    private let limit: Int
    /// Where IPv6's number of the next protocol is written, and that number.
    private var nextOffset = 6
    private var next: UInt8 = 0
    private var identification: UInt32 = 0
    private var offset = 0

    /// Nil for what is no such packet or cannot be cut.
    ///
    /// - Parameter packet: of `length` octets, which stay as they are until the last fragment.
    package init?(_ packet: UnsafeMutableRawPointer, length: Int, linkMTU: Int) {
        guard length >= 40 else { return nil }
        unsafe self.packet = unsafe packet
        self.length = length
        limit = linkMTU
        isV4 = unsafe packet.read8(0) >> 4 == 4
        if isV4 {
            header = Int(unsafe packet.read8(0) & 15) * 4
            guard header >= 20, unsafe packet.read16(6) & 0x4000 == 0 else { return nil }
        } else {
            var end = 40
            next = unsafe packet.read8(6)
            while next != OutboundProcessor.protocolAH && next != OutboundProcessor.protocolESP {
                guard end + 16 <= length else { return nil }
                nextOffset = end
                next = unsafe packet.read8(end)
                end += (Int(unsafe packet.read8(end + 1)) + 1) * 8
            }
            header = end
            guard header + 12 <= length else { return nil }
            // SPI and sequence number: the same for no two packets of an SA.
            let start = next == OutboundProcessor.protocolAH ? header + 4 : header
            identification = unsafe packet.read32(start) ^ packet.read32(start + 4)
        }
        guard length > header, limit >= header + 8 + 8 else { return nil }
    }

    /// Writes the next fragment and returns its octets; nil behind the last.
    ///
    /// - Parameter target: with room for the link's MTU.
    package mutating func next(to target: UnsafeMutableRawPointer) -> Int? {
        let payload = length - header
        guard offset < payload else { return nil }
        let isFirst = offset == 0
        let ownHeader =
            isV4
            ? isFirst ? header : unsafe CopiedOptions.headerLength(packet, header) : header + 8
        let room = (limit - ownHeader) & ~7
        let size = min(room, payload - offset)
        let hasMore = offset + size < payload
        if isV4 {
            if isFirst {
                unsafe target.copyMemory(from: packet, byteCount: header)
            } else {
                unsafe CopiedOptions.copyHeader(packet, header, to: target)
            }
            unsafe target.write8(0x40 | UInt8(ownHeader / 4), 0)
            unsafe target.write16(UInt16(ownHeader + size), 2)
            unsafe target.write16((hasMore ? 0x2000 : 0) | UInt16(offset / 8), 6)
            unsafe InternetChecksum.setHeaderChecksum(target, headerLength: ownHeader)
        } else {
            unsafe target.copyMemory(from: packet, byteCount: header)
            unsafe target.write8(44, nextOffset)
            unsafe target.write16(UInt16(ownHeader - 40 + size), 4)
            unsafe target.write8(next, header)
            unsafe target.write8(0, header + 1)
            unsafe target.write16(UInt16(offset) | (hasMore ? 1 : 0), header + 2)
            unsafe target.write32(identification, header + 4)
        }
        unsafe (target + ownHeader).copyMemory(
            from: packet + header + offset,
            byteCount: size
        )
        offset += size
        return ownHeader + size
    }
}
