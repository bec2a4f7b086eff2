internal import FuzzPacketPath

/// What the first octet of an input asks for.
private struct Form {
    var octet: UInt8

    /// What the rest of the input is.
    enum Content: UInt8 {
        /// One UDP receive, cut by UDP_GRO.
        case datagrams
        /// ESP packets out of a raw socket, each behind its length.
        case rawPackets
        /// Bodies that the peer's own keys protect: see `SealedBodies`.
        case sealedBodies
        /// Reads of the TUN device, each behind its length.
        case deviceReads
    }

    var content: Content { Content(rawValue: octet & 3)! }
    var tunnel: FuzzTunnel {
        FuzzTunnel(
            isCBC: octet & 0x04 != 0,
            isExtendedSequence: octet & 0x08 != 0,
            isUDP: octet & 0x10 == 0,
            isNarrow: octet & 0x20 != 0,
            linkMTU: octet & 0x40 != 0 ? 620 : 1500,
            clearsDontFragment: octet & 0x80 != 0,
            isTrain: content == .sealedBodies && octet & 0xc0 == 0xc0
        )
    }
}

nonisolated(unsafe) private let path = FuzzPath()

/// Any bytes from the network, also under a valid ICV, and any bytes from the device give packets
/// or counted drops. What reaches the device is what a kernel takes, and within the selectors;
/// what reaches the network is opened by the other end.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzESP(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    guard count > 1 else { return 0 }
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let form = Form(octet: bytes[0])
    let content = bytes.dropFirst()
    unsafe path.begin(form.tunnel)
    switch form.content {
    case .datagrams:
        let segmentSize = Int(content.first!) * 2
        unsafe path.receiveDatagrams(Array(content.dropFirst()), segmentSize: segmentSize)
    case .rawPackets: unsafe path.receivePackets(pieces(content))
    case .sealedBodies:
        let bodies = pieces(content).map { SealedBody($0, tunnel: form.tunnel) }
        unsafe path.receiveSealed(bodies)
    case .deviceReads: unsafe path.readDevice(pieces(content))
    }
    return 0
}
