internal import IPsecPrimitives

/// What the packet path reads of an inner IP packet, checked against the octets there are.
struct InnerPacket {
    var source: UInt128
    var destination: UInt128
    var sourcePort: UInt16 = 0
    var destinationPort: UInt16 = 0
    /// The upper-layer protocol, behind IPv6 extension headers.
    var ipProtocol: UInt8
    var isV4: Bool
    /// DSCP and ECN.
    var trafficClass: UInt8
    /// Whether the ports, or ICMP type and code, are there to be seen.
    var hasPorts = false
    /// Whether the packet is a fragment, the first included.
    var isFragment = false
    var isLaterFragment = false
    var dontFragment: Bool
    /// Octets before the upper-layer header, extension headers included.
    var headerLength: Int
    /// Octets of the whole packet by its own account.
    var totalLength: Int

    /// RFC 8200 §4.1 names six kinds of extension header, one of them twice.
    private static let maximumExtensionHeaders = 8

    /// Nil when the octets hold no whole packet; octets behind it are not looked at.
    @inline(__always)
    init?(_ bytes: UnsafeMutableRawPointer, available: Int) {
        guard available >= 20 else { return nil }
        let first = unsafe bytes.read8(0)
        if first >> 4 == 4 {
            isV4 = true
            headerLength = Int(first & 15) &* 4
            totalLength = Int(unsafe bytes.read16(2))
            guard headerLength >= 20, totalLength >= headerLength, totalLength <= available
            else { return nil }
            trafficClass = unsafe bytes.read8(1)
            source = UInt128(unsafe bytes.read32(12))
            destination = UInt128(unsafe bytes.read32(16))
            ipProtocol = unsafe bytes.read8(9)
            let fragment = unsafe bytes.read16(6)
            dontFragment = fragment & 0x4000 != 0
            isFragment = fragment & 0x3fff != 0
            isLaterFragment = fragment & 0x1fff != 0
        } else {
            guard first >> 4 == 6, available >= 40 else { return nil }
            isV4 = false
            headerLength = 40
            totalLength = 40 &+ Int(unsafe bytes.read16(4))
            guard totalLength <= available else { return nil }
            trafficClass = UInt8(truncatingIfNeeded: unsafe bytes.read16(0) >> 4)
            source = unsafe bytes.read128(8)
            destination = unsafe bytes.read128(24)
            ipProtocol = unsafe bytes.read8(6)
            dontFragment = true
            if InnerPacket.isExtension(ipProtocol) {
                guard unsafe walkExtensions(bytes) else { return nil }
            }
        }
        if !isLaterFragment { unsafe readPorts(bytes) }
    }

    @inline(__always)
    private static func isExtension(_ number: UInt8) -> Bool {
        // Hop-by-hop, routing, fragment, AH, destination options, HIP, shim6.
        switch number {
        case 0, 43, 44, 51, 60, 139, 140: true
        default: false
        }
    }

    /// Goes behind the extension headers; false when they do not fit the packet.
    @inline(never)
    private mutating func walkExtensions(_ bytes: UnsafeMutableRawPointer) -> Bool {
        for _ in 0..<InnerPacket.maximumExtensionHeaders {
            guard InnerPacket.isExtension(ipProtocol) else { return true }
            guard headerLength + 8 <= totalLength else { return false }
            let next = unsafe bytes.read8(headerLength)
            let length: Int
            switch ipProtocol {
            case 44:
                length = 8
                let fragment = unsafe bytes.read16(headerLength + 2)
                isFragment = true
                isLaterFragment = fragment & 0xfff8 != 0
            case 51: length = (Int(unsafe bytes.read8(headerLength + 1)) + 2) * 4
            default: length = (Int(unsafe bytes.read8(headerLength + 1)) + 1) * 8
            }
            guard headerLength + length <= totalLength else { return false }
            headerLength += length
            ipProtocol = next
            // What follows in a later fragment is data, not a header.
            if isLaterFragment { return true }
        }
        return !InnerPacket.isExtension(ipProtocol)
    }

    @inline(__always)
    private mutating func readPorts(_ bytes: UnsafeMutableRawPointer) {
        switch ipProtocol {
        case 6, 17, 33, 132, 136:
            guard headerLength &+ 4 <= totalLength else { return }
            sourcePort = unsafe bytes.read16(headerLength)
            destinationPort = unsafe bytes.read16(headerLength &+ 2)
        case 1, 58:
            // RFC 4301 §4.4.1.1: type and code, as one number on either side.
            guard headerLength &+ 2 <= totalLength else { return }
            sourcePort = unsafe bytes.read16(headerLength)
            destinationPort = sourcePort
        default: return
        }
        hasPorts = true
    }

    var version: IPVersion { isV4 ? .v4 : .v6 }

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
