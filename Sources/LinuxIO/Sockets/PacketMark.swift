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

    /// The upper half of the mark, so that the lower half stays free for others.
    package static let own = PacketMark(value: 0xC167_0000, mask: 0xFFFF_0000)
}
