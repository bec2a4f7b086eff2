internal import FuzzPacketPath

/// What the first octet of an input asks for.
private struct Form {
    var octet: UInt8

    /// What the rest of the input is.
    enum Content: UInt8 {
        /// Pieces, each what stands behind ESP: an IPComp header and octets that may be a stream.
        case payloads
        /// Pieces, each a packet that the peer compresses, or something that grows without end.
        case streams
        /// Packets that are read from the device.
        case reads
        case longReads
    }

    var content: Content { Content(rawValue: octet & 3)! }
    var isTransport: Bool { octet & 0x04 != 0 }
}

nonisolated(unsafe) private let path = CompressionPath()

/// What comes compressed is what zlib makes of it, bounded by what an IP packet holds, or dropped;
/// what leaves compressed is shorter than it was, and is at the other end what it was.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCompression(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    guard count > 1 else { return 0 }
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let form = Form(octet: bytes[0])
    unsafe path.begin(isTransport: form.isTransport)
    for piece in pieces(bytes.dropFirst()) {
        switch form.content {
        case .payloads: unsafe path.receive(payload: piece)
        case .streams: unsafe path.receive(streamOf: piece)
        case .reads: unsafe path.read(piece, times: 1)
        case .longReads: unsafe path.read(piece, times: 40)
        }
    }
    return 0
}
