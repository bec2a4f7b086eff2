/// The virtio_net_hdr before each packet of the TUN device (Linux `virtio_net.h`; IFF_VNET_HDR).
struct OffloadHeader {
    static let length = 10

    static let flagNeedsChecksum: UInt8 = 1
    static let typeNone: UInt8 = 0
    static let typeTCPv4: UInt8 = 1
    static let typeTCPv6: UInt8 = 4
    static let typeUDP: UInt8 = 5
    /// Set beside the type where CWR may be in the first segment.
    static let typeECN: UInt8 = 0x80

    var needsChecksum: Bool
    var type: UInt8
    var segmentPayload: Int
    var checksumStart: Int
    var checksumOffset: Int

    @inline(__always)
    init(_ bytes: UnsafeMutableRawPointer) {
        needsChecksum = unsafe bytes.read8(0) & OffloadHeader.flagNeedsChecksum != 0
        type = unsafe bytes.read8(1) & ~OffloadHeader.typeECN
        segmentPayload = Int(unsafe bytes.readNative16(4))
        checksumStart = Int(unsafe bytes.readNative16(6))
        checksumOffset = Int(unsafe bytes.readNative16(8))
    }

    /// The header of a packet that asks for nothing.
    @inline(__always)
    static func writePlain(_ bytes: UnsafeMutableRawPointer) {
        unsafe bytes.storeBytes(of: 0, as: UInt64.self)
        unsafe bytes.storeBytes(of: 0, toByteOffset: 8, as: UInt16.self)
    }

    /// The header of a TCP superpacket whose checksum field holds the pseudo-header's sum.
    @inline(__always)
    static func writeTCP(
        _ bytes: UnsafeMutableRawPointer,
        isV4: Bool,
        networkHeader: Int,
        tcpHeader: Int,
        segmentPayload: Int
    ) {
        unsafe bytes.write8(flagNeedsChecksum, 0)
        unsafe bytes.write8(isV4 ? typeTCPv4 : typeTCPv6, 1)
        unsafe bytes.writeNative16(UInt16(networkHeader &+ tcpHeader), 2)
        unsafe bytes.writeNative16(UInt16(segmentPayload), 4)
        unsafe bytes.writeNative16(UInt16(networkHeader), 6)
        unsafe bytes.writeNative16(16, 8)
    }
}
