/// The mark on packets that are the gateway's own (SO_MARK), and the bits of the mark that count.
///
/// Routing rules and the guard let marked packets pass around the tunnel, so that ESP and IKE
/// never loop into it (RFC 4301 §5.1).
package struct PacketMark: Hashable, Sendable {
    package var value: UInt32
    package var mask: UInt32

    package init(value: UInt32, mask: UInt32) {
        self.value = value
        self.mask = mask
    }

    /// The mark that leads ICMP errors to the device by which they have to pass (RFC 4301 §6.2): another
    /// value of the same bits. Nil where only one bit counts, which has no third value.
    package var forErrors: PacketMark? {
        for bit in 0..<UInt32(UInt32.bitWidth) where mask >> bit & 1 == 1 {
            let other = value ^ 1 << bit
            if other != 0 { return PacketMark(value: other, mask: mask) }
        }
        return nil
    }

    /// The upper half of the mark, so that the lower half stays free for others.
    package static let own = PacketMark(value: 0xC167_0000, mask: 0xFFFF_0000)
}
