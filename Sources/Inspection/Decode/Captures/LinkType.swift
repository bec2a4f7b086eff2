/// What stands before the IP packet of a frame (tcpdump.org, "Link-layer header types").
package struct LinkType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    package static let null = LinkType(rawValue: 0)
    package static let ethernet = LinkType(rawValue: 1)
    package static let raw = LinkType(rawValue: 101)
    package static let loop = LinkType(rawValue: 108)
    package static let linuxCooked = LinkType(rawValue: 113)
    package static let ipv4 = LinkType(rawValue: 228)
    package static let ipv6 = LinkType(rawValue: 229)
    package static let linuxCooked2 = LinkType(rawValue: 276)

    /// The IP packet of a frame; nil when it holds none, or the link type is not known.
    package func packet(in frame: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        switch self {
        case .raw, .ipv4, .ipv6: frame
        case .null, .loop: frame.count > 4 ? frame.dropFirst(4) : nil
        case .ethernet: LinkType.packet(in: frame, typeAt: 12)
        case .linuxCooked: LinkType.packet(in: frame, typeAt: 14)
        case .linuxCooked2: LinkType.packet(in: frame, typeAt: 0, headerOctets: 20)
        default: nil
        }
    }

    private static let vlanTypes: Set<UInt16> = [0x8100, 0x88a8]
    private static let ipTypes: Set<UInt16> = [0x0800, 0x86dd]

    /// Skips a header with an EtherType at an offset, and VLAN tags behind it.
    private static func packet(
        in frame: ArraySlice<UInt8>,
        typeAt offset: Int,
        headerOctets: Int? = nil
    ) -> ArraySlice<UInt8>? {
        var typeOffset = frame.startIndex + offset
        var end = frame.startIndex + (headerOctets ?? offset + 2)
        while end <= frame.endIndex {
            let type = UInt16(frame[typeOffset]) << 8 | UInt16(frame[typeOffset + 1])
            if ipTypes.contains(type) { return frame[end...] }
            guard vlanTypes.contains(type) else { return nil }
            // The tag is followed by the type of what it tags.
            typeOffset = end + 2
            end += 4
        }
        return nil
    }
}
