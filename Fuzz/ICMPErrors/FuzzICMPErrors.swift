internal import FuzzPacketPath

/// What the first octet of an input asks for.
private struct Form {
    var octet: UInt8

    /// What the rest of the input is.
    enum Content: UInt8 {
        /// Pieces, each an error or what one is made of: see `ErrorPiece`. The peer seals them.
        case sealed
        /// The same, read from the device.
        case read
        /// Sizes that the path is said to have, of two octets each.
        case pathSizes
        case pathSizesSmall
    }

    var content: Content { Content(rawValue: octet & 3)! }
    var path: ErrorForm {
        ErrorForm(
            isV4: octet & 0x04 == 0,
            isStateful: octet & 0x08 != 0,
            isTransport: octet & 0x10 != 0,
            isV6Outside: octet & 0x20 != 0
        )
    }
}

nonisolated(unsafe) private let path = ErrorPath()

/// An error passes an SA that does not cover it only where it is about a packet that the SA carries
/// the other way, to whom had sent that packet (RFC 4301 §6.2), and then always; and what a sender
/// is told would fit, fits.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzICMPErrors(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    guard count > 1 else { return 0 }
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let form = Form(octet: bytes[0])
    unsafe path.begin(form.path)
    switch form.content {
    case .sealed:
        for piece in pieces(bytes.dropFirst()) {
            unsafe path.receive(ErrorPiece(piece, form.path).bytes)
        }
    case .read:
        for piece in pieces(bytes.dropFirst()) {
            unsafe path.read(ErrorPiece(piece, form.path).bytes)
        }
    case .pathSizes, .pathSizesSmall:
        let sizes = Array(bytes.dropFirst().prefix(64))
        for index in stride(from: 0, to: sizes.count - 1, by: 2) {
            let size = sizes.number16(index)
            unsafe path.setLink(form.content == .pathSizes ? size : size % 1600)
        }
    }
    return 0
}
