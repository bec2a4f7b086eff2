internal import IPsecPrimitives

/// What the packet path reads of an inner IP packet, checked against the octets there are.
///
/// Few words, each written once: a structure that is put together piece by piece in memory makes
/// the processor wait for its own stores.
struct InnerPacket {
    let source: UInt128
    let destination: UInt128
    /// Source port above destination port; for ICMP type and code on either side; 0 where
    /// `hasPorts` is false.
    let ports: UInt32
    private let flags: UInt8
    /// The upper-layer protocol, behind IPv6 extension headers.
    let ipProtocol: UInt8
    /// DSCP and ECN.
    var trafficClass: UInt8
    /// Octets before the upper-layer header, extension headers included.
    let headerLength: Int
    /// Octets of the whole packet by its own account.
    let totalLength: Int
    /// Number of the device that it was read from, or will be written to.
    let device: UInt16

    private enum Flag {
        static let isV4: UInt8 = 1
        static let hasPorts: UInt8 = 2
        static let isFragment: UInt8 = 4
        static let isLaterFragment: UInt8 = 8
        static let dontFragment: UInt8 = 16
    }

    var isV4: Bool { flags & Flag.isV4 != 0 }
    /// Whether the ports, or ICMP type and code, are there to be seen.
    var hasPorts: Bool { flags & Flag.hasPorts != 0 }
    /// Whether the packet is a fragment, the first included.
    var isFragment: Bool { flags & Flag.isFragment != 0 }
    var isLaterFragment: Bool { flags & Flag.isLaterFragment != 0 }
    var dontFragment: Bool { flags & Flag.dontFragment != 0 }
    var codePoint: UInt8 { trafficClass >> 2 }
    var sourcePort: UInt16 { UInt16(truncatingIfNeeded: ports >> 16) }
    var destinationPort: UInt16 { UInt16(truncatingIfNeeded: ports) }

    /// What tells one flow from another besides addresses and ports: protocol, version, whether
    /// ports are visible, the device, and of the traffic class the bits in `classMask`, which are
    /// none or those of the DSCP.
    @inline(__always)
    func kind(classMask: UInt8) -> UInt32 {
        let shape = flags & (Flag.isV4 | Flag.hasPorts) | trafficClass & classMask
        return UInt32(ipProtocol) | UInt32(shape) << 8 | UInt32(device) << 16
    }

    /// Whether it goes to a group of one link, which no router passes on: 224.0.0.0/24, or of IPv6 a
    /// scope of the link at most.
    var isForWholeLink: Bool {
        if isV4 { return destination >> 8 == 0xe0_0000 }
        return destination >> 120 == 0xff && (destination >> 112) & 0xf <= 2
    }

    /// RFC 8200 §4.1 names six kinds of extension header, one of them twice.
    private static let maximumExtensionHeaders = 8

    /// Nil when the octets hold no whole packet; octets behind it are not looked at.
    @inline(__always)
    init?(_ bytes: UnsafeMutableRawPointer, available: Int, device: UInt16 = 0) {
        guard available >= 20 else { return nil }
        let first = unsafe bytes.read8(0)
        var upper: UpperLayer
        if first >> 4 == 4 {
            upper = unsafe UpperLayer(
                headerLength: Int(first & 15) &* 4,
                ipProtocol: bytes.read8(9),
                flags: InnerPacket.flagsV4(bytes.read16(6))
            )
            totalLength = Int(unsafe bytes.read16(2))
            guard upper.headerLength >= 20, totalLength >= upper.headerLength,
                totalLength <= available
            else { return nil }
            trafficClass = unsafe bytes.read8(1)
            source = UInt128(unsafe bytes.read32(12))
            destination = UInt128(unsafe bytes.read32(16))
        } else {
            guard first >> 4 == 6, available >= 40 else { return nil }
            upper = unsafe UpperLayer(
                headerLength: 40,
                ipProtocol: bytes.read8(6),
                flags: Flag.dontFragment
            )
            totalLength = 40 &+ Int(unsafe bytes.read16(4))
            guard totalLength <= available else { return nil }
            trafficClass = UInt8(truncatingIfNeeded: unsafe bytes.read16(0) >> 4)
            source = unsafe bytes.read128(8)
            destination = unsafe bytes.read128(24)
            if InnerPacket.isExtension(upper.ipProtocol) {
                guard
                    let behind = unsafe InnerPacket.behindExtensions(
                        bytes,
                        totalLength: totalLength,
                        firstHeader: upper.ipProtocol
                    )
                else { return nil }
                upper = behind
            }
        }
        let visible = unsafe InnerPacket.visiblePorts(bytes, upper, totalLength: totalLength)
        ports = UInt32(truncatingIfNeeded: visible)
        flags = upper.flags | UInt8(truncatingIfNeeded: visible >> 32)
        ipProtocol = upper.ipProtocol
        headerLength = upper.headerLength
        self.device = device
    }

    /// A fragment behind the first as policy sees the whole packet: with what the first showed.
    private init(_ fragment: InnerPacket, _ first: KnownFragments.First) {
        source = fragment.source
        destination = fragment.destination
        ports = first.ports
        flags = fragment.flags | Flag.hasPorts
        ipProtocol = first.ipProtocol
        trafficClass = fragment.trafficClass
        headerLength = fragment.headerLength
        totalLength = fragment.totalLength
        device = fragment.device
    }

    func showing(_ first: KnownFragments.First) -> InnerPacket { InnerPacket(self, first) }

    private struct UpperLayer {
        var headerLength: Int
        var ipProtocol: UInt8
        var flags: UInt8

        /// RFC 8200 §4.5: a first fragment that lacks a header "through an Upper-Layer header" should
        /// be discarded. It would pass for one of those that have no ports to be seen, and what is
        /// behind it would bring them.
        var hidesPorts: Bool {
            flags & (Flag.isV4 | Flag.isFragment | Flag.isLaterFragment) == Flag.isFragment
                && IPProtocolName.hasPorts(ipProtocol)
        }
    }

    /// The flags of an IPv4 packet with this word of fragment flags and offset (RFC 791 §3.1).
    @inline(__always)
    private static func flagsV4(_ fragment: UInt16) -> UInt8 {
        var flags = Flag.isV4 | UInt8(truncatingIfNeeded: fragment >> 10) & Flag.dontFragment
        if fragment & 0x3fff != 0 {
            flags |=
                fragment & 0x1fff != 0
                ? Flag.isFragment | Flag.isLaterFragment : Flag.isFragment
        }
        return flags
    }

    @inline(__always)
    private static func isExtension(_ number: UInt8) -> Bool {
        // Hop-by-hop, routing, fragment, destination options, HIP, shim6; RFC 4301 §4.4.1.1: not AH,
        // which is a next layer protocol for policy, as it is over IPv4.
        switch number {
        case 0, 43, 44, 60, 139, 140: true
        default: false
        }
    }

    /// What stands behind the extension headers of an IPv6 packet; nil when they do not fit it.
    @inline(never)
    private static func behindExtensions(
        _ bytes: UnsafeMutableRawPointer,
        totalLength: Int,
        firstHeader: UInt8
    ) -> UpperLayer? {
        var upper = UpperLayer(headerLength: 40, ipProtocol: firstHeader, flags: Flag.dontFragment)
        for _ in 0..<maximumExtensionHeaders {
            guard isExtension(upper.ipProtocol) else { break }
            let start = upper.headerLength
            guard start + 8 <= totalLength else { return nil }
            var length = 8
            if upper.ipProtocol == 44 {
                upper.flags |= Flag.isFragment
                if unsafe bytes.read16(start + 2) & 0xfff8 != 0 {
                    upper.flags |= Flag.isLaterFragment
                }
            } else {
                length = (Int(unsafe bytes.read8(start + 1)) + 1) * 8
            }
            guard start + length <= totalLength else { return nil }
            upper.headerLength = start + length
            upper.ipProtocol = unsafe bytes.read8(start)
            // What follows in a later fragment is data, not a header.
            if upper.flags & Flag.isLaterFragment != 0 { return upper }
        }
        if isExtension(upper.ipProtocol) { return nil }
        guard upper.hidesPorts else { return upper }
        return unsafe visiblePorts(bytes, upper, totalLength: totalLength) == 0 ? nil : upper
    }

    /// The ports, with the flag that they are visible 32 bits above; 0 where there are none.
    @inline(__always)
    private static func visiblePorts(
        _ bytes: UnsafeMutableRawPointer,
        _ upper: UpperLayer,
        totalLength: Int
    ) -> UInt64 {
        guard upper.flags & Flag.isLaterFragment == 0 else { return 0 }
        let start = upper.headerLength
        let visible = UInt64(Flag.hasPorts) << 32
        switch upper.ipProtocol {
        case 6, 17, 33, 132, 136:
            guard start &+ 4 <= totalLength else { return 0 }
            return visible | UInt64(unsafe bytes.read32(start))
        case 1, 58:
            // RFC 4301 §4.4.1.1: type and code, as one number on either side.
            guard start &+ 2 <= totalLength else { return 0 }
            let type = UInt64(unsafe bytes.read16(start))
            return visible | type << 16 | type
        case 135:
            // RFC 6275 §6.1.1: the type of a Mobility Header, where ICMP has its type too (RFC 4301
            // §4.4.1.1).
            guard start &+ 4 <= totalLength else { return 0 }
            let type = UInt64(unsafe bytes.read8(start &+ 2)) << 8
            return visible | type << 16 | type
        default: return 0
        }
    }

    var version: IPVersion { isV4 ? .v4 : .v6 }

    /// What a kernel sends by each device without being asked: reports of multicast groups (IGMP; MLD,
    /// RFC 3810 §5), router solicitations (RFC 4861 §4.1), and whatever has no address of its own yet
    /// (RFC 4291 §2.5.2). It is for routers on the link, and nobody waits for an answer.
    var isLinkHousekeeping: Bool {
        if source == 0 { return true }
        if isV4 { return ipProtocol == 2 }
        guard ipProtocol == 58, hasPorts else { return false }
        return switch sourcePort >> 8 {
        case 131, 132, 133, 143: true
        default: false
        }
    }

    /// The packet as events tell of it.
    var tuple: PacketTuple {
        PacketTuple(
            source: IPAddress(version: version, bits: source),
            destination: IPAddress(version: version, bits: destination),
            ipProtocol: ipProtocol,
            sourcePort: hasPorts ? sourcePort : nil,
            destinationPort: hasPorts ? destinationPort : nil
        )
    }
}
