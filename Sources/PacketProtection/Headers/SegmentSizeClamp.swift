/// Lowers the maximum segment size that a TCP SYN announces, so that segments fit the tunnel.
enum SegmentSizeClamp {
    private static let synchronize: UInt8 = 0x02

    /// - Parameter isChecksumPartial: the checksum field holds the pseudo-header's sum, which the
    ///   options are no part of.
    @inline(__always)
    static func apply(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        limit: UInt16,
        isChecksumPartial: Bool
    ) {
        guard packet.ipProtocol == 6, !packet.isFragment,
            packet.headerLength &+ 20 <= packet.totalLength,
            unsafe bytes.read8(packet.headerLength &+ 13) & synchronize != 0
        else { return }
        unsafe clamp(
            bytes + packet.headerLength,
            available: packet.totalLength - packet.headerLength,
            limit: limit,
            isChecksumPartial: isChecksumPartial
        )
    }

    @inline(never)
    private static func clamp(
        _ header: UnsafeMutableRawPointer,
        available: Int,
        limit: UInt16,
        isChecksumPartial: Bool
    ) {
        let headerLength = Int(unsafe header.read8(12) >> 4) * 4
        guard headerLength <= available else { return }
        var offset = 20
        while offset < headerLength {
            let kind = unsafe header.read8(offset)
            if kind == 0 { return }
            if kind == 1 {
                offset += 1
                continue
            }
            guard offset + 2 <= headerLength else { return }
            let length = Int(unsafe header.read8(offset + 1))
            guard length >= 2, offset + length <= headerLength else { return }
            if kind == 2, length == 4 {
                let old = unsafe header.read16(offset + 2)
                guard old > limit else { return }
                unsafe header.write16(limit, offset + 2)
                if isChecksumPartial { return }
                // At an odd offset the value lies across two words, its octets swapped.
                let isOdd = offset % 2 != 0
                let from = isOdd ? old.bigEndian.byteSwapped : old.bigEndian
                let to = isOdd ? limit.bigEndian.byteSwapped : limit.bigEndian
                let checksum = unsafe header.readNative16(16)
                unsafe header.writeNative16(
                    InternetChecksum.update(checksum, from: from, to: to),
                    16
                )
                return
            }
            offset += length
        }
    }
}
