internal import FuzzPacketPath

/// What the first octet of an input asks for.
private struct Form {
    var octet: UInt8

    var path: FragmentForm {
        FragmentForm(
            way: FragmentForm.Way(rawValue: octet & 3)!,
            isV4: octet & 0x04 == 0,
            isForged: octet & 0x08 != 0,
            linkMTU: octet & 0x10 != 0 ? 620 : 1500
        )
    }
}

nonisolated(unsafe) private let path = FragmentPath()

/// Fragments of a few packets, in any order, with holes, copies and overlaps, through each way that
/// RFC 4301 §7 has for them and through transport mode: a host behind the gateway that puts together
/// what comes out gets no packet that the selectors do not cover, and each that came whole and in
/// order.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFragments(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    guard count > 1 else { return 0 }
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let form = Form(octet: bytes[0]).path
    unsafe path.begin(form)
    var rest = bytes.dropFirst()
    while rest.count >= FragmentPiece.octets {
        let piece = FragmentPiece(Array(rest.prefix(FragmentPiece.octets)), form)
        rest = rest.dropFirst(FragmentPiece.octets)
        unsafe path.take(piece)
    }
    return 0
}
