/// ICMP "fragmentation needed" (RFC 792, RFC 1191 §4) and ICMPv6 "packet too big" (RFC 4443 §3.2).
enum TooBigMessage {
    /// RFC 4443 §3.2: as much of the packet as fits the least IPv6 MTU.
    static let maximumOctets = 1280
    /// RFC 1812 §4.3.2.3: as much as fits 576 octets.
    private static let maximumOctetsV4 = 576
    private static let ttl: UInt8 = 64

    /// RFC 1122 §3.2.2 and RFC 4443 §2.4 (e): no error about an error, about a later fragment, or
    /// to somebody who is not one host.
    static func isAnswered(_ bytes: UnsafeMutableRawPointer, _ packet: InnerPacket) -> Bool {
        if packet.isLaterFragment { return false }
        if packet.isV4 {
            let source = UInt32(truncatingIfNeeded: packet.source)
            let isUnicast = source != 0 && source < 0xe000_0000 && source >> 24 != 127
            let destination = UInt32(truncatingIfNeeded: packet.destination)
            guard isUnicast, destination < 0xe000_0000 else { return false }
            guard packet.ipProtocol == 1 else { return true }
            guard packet.hasPorts else { return false }
            switch packet.sourcePort >> 8 {
            case 0, 8, 13, 14, 15, 16, 17, 18: return true
            default: return false
            }
        }
        // Packet too big is the one error that a multicast packet may be answered with.
        guard packet.source != 0, packet.source >> 120 != 0xff else { return false }
        guard packet.ipProtocol == 58 else { return true }
        return packet.hasPorts && packet.sourcePort >> 8 >= 128
    }

    /// Writes the message and returns its length. `to` has room for `maximumOctets`.
    static func write(
        to target: UnsafeMutableRawPointer,
        about bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        source: UInt128,
        mtu: Int
    ) -> Int {
        let header = packet.isV4 ? 20 : 40
        let limit = packet.isV4 ? maximumOctetsV4 : maximumOctets
        let quoted = min(packet.totalLength, limit - header - 8)
        let length = header + 8 + quoted
        let message = unsafe target + header
        unsafe message.write32(packet.isV4 ? 0x0304_0000 : 0x0200_0000, 0)
        // IPv4 has 16 bits for the MTU, in the lower half.
        unsafe message.write32(UInt32(mtu), 4)
        unsafe (message + 8).copyMemory(from: bytes, byteCount: quoted)
        if packet.isV4 {
            unsafe target.write32(0x45c0_0000 | UInt32(length), 0)
            unsafe target.write32(0, 4)
            unsafe target.write32(UInt32(ttl) << 24 | 1 << 16, 8)
            unsafe target.write32(UInt32(truncatingIfNeeded: source), 12)
            unsafe target.write32(UInt32(truncatingIfNeeded: packet.source), 16)
            unsafe InternetChecksum.setHeaderChecksum(target, headerLength: 20)
            let sum = unsafe InternetChecksum.sum(message, 8 + quoted)
            unsafe message.writeNative16(~InternetChecksum.fold(sum), 2)
        } else {
            unsafe target.write32(0x6000_0000, 0)
            unsafe target.write32(UInt32(8 + quoted) << 16 | 58 << 8 | UInt32(ttl), 4)
            unsafe target.write128(source, 8)
            unsafe target.write128(packet.source, 24)
            let sum =
                unsafe InternetChecksum.sum(message, 8 + quoted)
                &+ InternetChecksum.pseudoHeaderSum(
                    target,
                    isV4: false,
                    ipProtocol: 58,
                    length: 8 + quoted
                )
            unsafe message.writeNative16(~InternetChecksum.fold(sum), 2)
        }
        return length
    }
}
