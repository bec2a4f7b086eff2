/// The IPv4 options that every fragment carries (RFC 791 §3.1: the high bit of an option's kind).
enum CopiedOptions {
    /// The length of a later fragment's header.
    static func headerLength(_ bytes: UnsafeMutableRawPointer, _ headerLength: Int) -> Int {
        var length = 20
        unsafe forEach(bytes, headerLength) { _, count in length += count }
        return (length + 3) & ~3
    }

    /// Writes a later fragment's header, but for what differs between fragments.
    static func copyHeader(
        _ bytes: UnsafeMutableRawPointer,
        _ headerLength: Int,
        to target: UnsafeMutableRawPointer
    ) {
        unsafe target.copyMemory(from: bytes, byteCount: 20)
        var end = 20
        unsafe forEach(bytes, headerLength) { offset, count in
            unsafe (target + end).copyMemory(from: bytes + offset, byteCount: count)
            end += count
        }
        while end & 3 != 0 {
            unsafe target.write8(0, end)
            end += 1
        }
    }

    private static func forEach(
        _ bytes: UnsafeMutableRawPointer,
        _ headerLength: Int,
        _ body: (_ offset: Int, _ count: Int) -> Void
    ) {
        var offset = 20
        while offset < headerLength {
            let kind = unsafe bytes.read8(offset)
            if kind == 0 { return }
            if kind == 1 {
                offset += 1
                continue
            }
            guard offset + 2 <= headerLength else { return }
            let length = Int(unsafe bytes.read8(offset + 1))
            guard length >= 2, offset + length <= headerLength else { return }
            if kind & 0x80 != 0 { body(offset, length) }
            offset += length
        }
    }
}
