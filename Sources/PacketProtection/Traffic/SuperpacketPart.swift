/// Some segments of a superpacket, as a superpacket of their own: what a sender with less to say at once
/// would have made.
enum SuperpacketPart {
    /// Completes the headers, which are a copy of the whole's; checksums are left to who cuts it into
    /// segments.
    ///
    /// - Parameters:
    ///   - headers: octets of IP and upper-layer headers.
    ///   - offset: octets of payload before it, in `index` segments.
    ///   - size: octets of payload.
    ///   - isLast: whether the payload's end is in it.
    static func complete(
        _ bytes: UnsafeMutableRawPointer,
        headers: Int,
        offset: Int,
        size: Int,
        index: Int,
        isLast: Bool
    ) {
        if unsafe bytes.read8(0) >> 4 == 4 {
            unsafe bytes.write16(UInt16(headers + size), 2)
            unsafe bytes.write16(bytes.read16(4) &+ UInt16(truncatingIfNeeded: index), 4)
        } else {
            unsafe bytes.write16(UInt16(headers + size - 40), 4)
        }
        guard let packet = unsafe InnerPacket(bytes, available: headers + size) else { return }
        let transport = unsafe bytes + packet.headerLength
        guard packet.ipProtocol == 6 else {
            return unsafe transport.write16(UInt16(headers - packet.headerLength + size), 4)
        }
        unsafe transport.write32(
            transport.read32(4) &+ UInt32(truncatingIfNeeded: offset),
            4
        )
        var flags = unsafe transport.read8(13)
        // RFC 3168 §6.1.2: CWR marks one segment; FIN and PSH belong to the last.
        if offset > 0 { flags &= ~0x80 }
        if !isLast { flags &= ~0x09 }
        unsafe transport.write8(flags, 13)
    }
}
