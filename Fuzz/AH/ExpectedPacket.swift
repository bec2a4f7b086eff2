internal import FuzzPacketPath

/// What the inside gets of an authentic packet.
enum ExpectedPacket {
    /// Nil where the content is no packet, or one that must be dropped.
    static func tunnel(_ packet: AuthenticatedPacket) -> [UInt8]? {
        guard packet.next == 4 || packet.next == 41,
            let inner = PlainPacket(packet.payload), inner.isV4 == (packet.next == 4),
            let mark = mark(inner: inner.trafficClass & 3, outer: packet.trafficClass & 3)
        else { return nil }
        // RFC 4303 §2.7, which is right for AH too: the rest is padding.
        var expected = Array(packet.payload.prefix(inner.total))
        if mark != inner.trafficClass & 3 {
            if inner.isV4 {
                expected[1] = expected[1] & 0xfc | mark
            } else {
                expected[1] = expected[1] & 0xcf | mark << 4
            }
        }
        return expected
    }

    /// The packet without AH (RFC 4302 §3.1.1). Nil as above; 59 says that there is none.
    static func transport(_ packet: AuthenticatedPacket) -> [UInt8]? {
        guard packet.next != 59 else { return nil }
        var expected = Array(packet.bytes[..<packet.prefix]) + packet.payload
        expected[packet.nextPlace] = packet.next
        if packet.isV4 {
            expected.store16(expected.count, 2)
            storeHeaderChecksum(&expected, length: packet.prefix)
        } else {
            expected.store16(expected.count - 40, 4)
        }
        return PlainPacket(expected) == nil ? nil : expected
    }

    /// Whether `frame` is what was expected; the checksum of an IPv4 header in tunnel mode changes
    /// with its mark, and is wrong afterwards if it was before.
    static func isEqual(
        _ frame: [UInt8],
        _ expected: [UInt8],
        _ packet: AuthenticatedPacket
    ) -> Bool {
        guard packet.next == 4, expected.count >= 20, packet.payload.count > 1,
            packet.payload[1] != expected[1]
        else { return frame == expected }
        var (left, right) = (frame, expected)
        left.replaceSubrange(10..<12, with: [0, 0])
        right.replaceSubrange(10..<12, with: [0, 0])
        return left == right
    }

    /// RFC 6040 §4.2, figure 4.
    private static func mark(inner: UInt8, outer: UInt8) -> UInt8? {
        let (notCapable, capable1, capable0, experienced): (UInt8, UInt8, UInt8, UInt8) =
            (0, 1, 2, 3)
        if inner == notCapable { return outer == experienced ? nil : notCapable }
        if inner == experienced || outer == experienced { return experienced }
        return inner == capable0 && outer == capable1 ? capable1 : inner
    }
}
