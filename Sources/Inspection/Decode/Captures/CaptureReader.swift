/// Reads numbers in a file's own byte order. Nil where the file ends too early.
struct CaptureReader {
    private let bytes: ArraySlice<UInt8>
    private(set) var offset: Int
    var isBigEndian: Bool

    init(_ bytes: ArraySlice<UInt8>, isBigEndian: Bool) {
        self.bytes = bytes
        self.isBigEndian = isBigEndian
        offset = bytes.startIndex
    }

    var remaining: Int { bytes.endIndex - offset }

    mutating func read(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= remaining else { return nil }
        defer { offset += count }
        return bytes[offset..<offset + count]
    }

    mutating func readUInt16() -> UInt16? {
        integer(2).map { UInt16(truncatingIfNeeded: $0) }
    }

    mutating func readUInt32() -> UInt32? {
        integer(4).map { UInt32(truncatingIfNeeded: $0) }
    }

    private mutating func integer(_ count: Int) -> UInt64? {
        guard let field = read(count) else { return nil }
        return isBigEndian
            ? field.reduce(0) { $0 << 8 | UInt64($1) }
            : field.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
