/// Explicit congestion notification through the tunnel (RFC 6040).
enum ExplicitCongestion {
    static let notCapable: UInt8 = 0b00
    static let capable1: UInt8 = 0b01
    static let capable0: UInt8 = 0b10
    static let experienced: UInt8 = 0b11

    /// RFC 6040 §4.1, normal mode: the outer field is a copy of the inner.
    @inline(__always)
    static func encapsulated(_ innerTrafficClass: UInt8, dscp: UInt8) -> UInt8 {
        dscp << 2 | innerTrafficClass & 3
    }

    /// RFC 6040 §4.2, figure 4: the field that leaves the tunnel; nil where the packet is to be
    /// dropped because a congestion mark would be lost on a transport that cannot see it.
    @inline(__always)
    static func decapsulated(inner: UInt8, outer: UInt8) -> UInt8? {
        switch (inner & 3, outer & 3) {
        case (notCapable, experienced): nil
        case (notCapable, _): notCapable
        case (experienced, _), (_, experienced): experienced
        case (capable0, capable1): capable1
        case (let inner, _): inner
        }
    }

    /// Writes the ECN field of an inner packet and keeps its header checksum right.
    @inline(__always)
    static func set(_ field: UInt8, in packet: UnsafeMutableRawPointer, isV4: Bool) {
        if isV4 {
            let old = unsafe packet.readNative16(0)
            unsafe packet.write8(packet.read8(1) & ~3 | field, 1)
            let new = unsafe packet.readNative16(0)
            let checksum = unsafe packet.readNative16(10)
            unsafe packet.writeNative16(
                InternetChecksum.update(checksum, from: old, to: new),
                10
            )
        } else {
            unsafe packet.write8(packet.read8(1) & ~0x30 | field << 4, 1)
        }
    }
}
