internal import FuzzPacketPath

/// One fragment as an input wants it, of one of eight packets.
///
/// Six octets: which packet and how (see `Wish`), the offset and the length in units of eight octets,
/// what is left of the length, headers before UDP; and the SA by which the peer sends it, whose
/// highest bit stands for a pause before it.
struct FragmentPiece {
    static let octets = 6

    private enum Wish {
        static let packetMask: UInt8 = 0x07
        static let more: UInt8 = 0x08
        /// Content, ports among it, that the packet's other fragments do not have.
        static let another: UInt8 = 0x10
        /// Not a fragment at all: the octets are those of a whole packet.
        static let whole: UInt8 = 0x20
        static let dontFragment: UInt8 = 0x40
        /// The fragment header says UDP whatever comes first: of later ones nobody looks at it
        /// (RFC 8200 §4.5).
        static let saysUDP: UInt8 = 0x80
    }

    let packet: Int
    let bytes: [UInt8]
    /// Which SA the peer takes.
    let sender: Int
    let offset: Int
    let end: Int
    let hasMore: Bool
    let isWhole: Bool
    let isAnother: Bool
    let comesLate: Bool
    /// Of IPv6: whether its protocol is that of the options before UDP, or what it says instead.
    let hasOptions: Bool
    let isMislabelled: Bool

    init(_ octets: [UInt8], _ form: FragmentForm) {
        let wishes = octets[0]
        packet = Int(wishes & Wish.packetMask)
        isWhole = wishes & Wish.whole != 0
        isAnother = wishes & Wish.another != 0
        hasMore = !isWhole && wishes & Wish.more != 0
        offset = isWhole ? 0 : Int(octets[1]) * 8
        let length = Int(octets[2]) * 8 + (hasMore ? 0 : Int(octets[3]) % 8)
        end = offset + length
        sender = Int(octets[5] & 0x7f)
        comesLate = octets[5] & 0x80 != 0
        // Of IPv6 so many options before UDP; the second packet has its own many.
        let units = form.isV4 ? 0 : Int(octets[4]) % 40
        hasOptions = units > 0
        isMislabelled = hasOptions && offset == 0 && wishes & Wish.saysUDP != 0
        let content = FragmentPiece.content(packet, another: isAnother, units: units, end)
        let own = Array(content[offset..<end])
        let field = offset + (hasMore ? 1 : 0)
        bytes =
            form.isV4
            ? FragmentPiece.v4(own, form, id: packet, field, wishes & Wish.dontFragment != 0)
            : FragmentPiece.v6(
                own,
                form,
                id: packet,
                field,
                isWhole: isWhole,
                first: units > 0 && wishes & Wish.saysUDP == 0 ? 60 : 17
            )
    }

    /// UDP, from an allowed port for the even packets, and octets that are everywhere different.
    private static func content(_ packet: Int, another: Bool, units: Int, _ count: Int) -> [UInt8] {
        var result: [UInt8] = []
        if units > 0 {
            result = [17, UInt8(units - 1)] + Array(repeating: 0, count: 8 * units - 2)
        }
        let isAllowed = (packet % 2 == 0) != another
        let port = isAllowed ? 1000 + packet : 5000 + packet
        result += [UInt8(port >> 8), UInt8(port & 255), 0, 53, 0, 8, 0, 0]
        var index = result.count
        while result.count < count {
            result.append(UInt8(truncatingIfNeeded: index &* 31 &+ packet &+ (another ? 77 : 0)))
            index += 1
        }
        return result
    }

    private static func v4(
        _ content: [UInt8],
        _ form: FragmentForm,
        id: Int,
        _ field: Int,
        _ dontFragment: Bool
    ) -> [UInt8] {
        var header: [UInt8] = [0x45, 0, 0, 0, 0x77, UInt8(id), 0, 0, 64, 17, 0, 0]
        header += form.source + form.destination
        header.store16(20 + content.count, 2)
        let flags = (field & 1 != 0 ? 0x2000 : 0) | (dontFragment && field == 0 ? 0x4000 : 0)
        header.store16(flags | field / 8, 6)
        storeHeaderChecksum(&header, length: 20)
        return header + content
    }

    private static func v6(
        _ content: [UInt8],
        _ form: FragmentForm,
        id: Int,
        _ field: Int,
        isWhole: Bool,
        first: UInt8
    ) -> [UInt8] {
        var header: [UInt8] = [0x60, 0, 0, 0, 0, 0, isWhole ? first : 44, 64]
        header += form.source + form.destination
        if !isWhole {
            header += [first, 0, 0, 0, 0, 0, 0x77, UInt8(id)]
            header.store16(field, 42)
        }
        header.store16(header.count - 40 + content.count, 4)
        return header + content
    }
}
