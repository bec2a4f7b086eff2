internal import FuzzPacketPath

/// What is done to the octets behind the first of an input before they are read.
private enum Wish {
    /// The packet's own length is made that of the input.
    static let wholeLength: UInt8 = 0x01
    /// The most that a SYN may announce.
    static let smallSegments: UInt8 = 0x02
}

/// Whatever decides about policy reads of a packet what a naive walker reads (RFC 791, RFC 8200,
/// RFC 4301 §4.4.1.1), or both refuse it; and what is written into headers is what the RFCs want.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzIPHeaders(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    guard count > 1 else { return 0 }
    var bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let wishes = bytes.removeFirst()
    if wishes & Wish.wholeLength != 0 {
        if bytes[0] >> 4 == 4, bytes.count >= 20 { bytes.store16(bytes.count, 2) }
        if bytes[0] >> 4 == 6, bytes.count >= 40 { bytes.store16(bytes.count - 40, 4) }
    }
    let plain = PlainPacket(bytes)
    let judge = HeaderJudge(bytes, plain)
    judge.read()
    guard let plain else { return 0 }
    judge.compareSelectors(plain)
    judge.writeTooBig(plain)
    judge.copyOptions(plain)
    // Last, since it changes the packet.
    judge.clampSegments(plain, limit: wishes & Wish.smallSegments != 0 ? 536 : 1400)
    return 0
}
