internal import FuzzPacketPath
internal import IPsecPrimitives
internal import PacketProtection

/// What the first octet of an input asks for.
private struct Form {
    var octet: UInt8

    /// What the rest of the input is, cut into pieces.
    enum Content: UInt8 {
        /// IP packets as the socket of AH gives them.
        case rawPackets
        /// Packets that the peer's own key protects: see `ForgedPacket`.
        case forgedPackets
        /// Reads of the TUN device.
        case deviceReads
        case plainReads
    }

    var content: Content { Content(rawValue: octet & 3)! }
    var authentication: FuzzAuthentication {
        let isExtended = octet & 0x10 != 0
        return FuzzAuthentication(
            isTransport: octet & 0x04 != 0,
            outer: octet & 0x08 != 0 ? .v6 : .v4,
            isExtended: isExtended,
            algorithm: octet & 0x20 != 0 ? .sha1 : .sha256,
            linkMTU: octet & 0x40 != 0 ? 620 : 1500,
            initialSequence: octet & 0x80 == 0 ? 0 : isExtended ? 0x1_ffff_fff8 : 0xffff_ff00
        )
    }
}

nonisolated(unsafe) private let path = AuthenticationPath()

/// Of packets from the network those alone are opened that RFC 4302 calls authentic and new, and to
/// exactly what they hold; what leaves is authentic, and the other end opens it to what was read.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzAH(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    guard count > 1 else { return 0 }
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let form = Form(octet: bytes[0])
    unsafe path.begin(form.authentication)
    for piece in pieces(bytes.dropFirst()) {
        switch form.content {
        case .rawPackets: unsafe _ = path.receive(piece)
        case .forgedPackets: unsafe path.receiveForged(piece)
        case .deviceReads: unsafe path.read(piece)
        case .plainReads: unsafe path.read(DeviceFrame.plain(piece))
        }
    }
    return 0
}
