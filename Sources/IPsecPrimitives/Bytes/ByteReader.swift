/// Reads big-endian values from bytes of unknown origin; never traps, whatever they hold.
@frozen @usableFromInline
package struct ByteReader: Sendable {
    /// Why a read failed.
    @frozen @usableFromInline
    package enum Failure: Error, Hashable, Sendable {
        /// More bytes were wanted than are left.
        case truncated(needed: Int, available: Int)
        /// Bytes are left where none may be.
        case trailing(count: Int)
    }

    @usableFromInline let bytes: ArraySlice<UInt8>
    /// Index of the next byte in the array that the reader was made from.
    @usableFromInline package internal(set) var offset: Int

    package init(_ bytes: [UInt8]) {
        self.init(bytes[...])
    }

    package init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        offset = bytes.startIndex
    }

    @inlinable package var remaining: Int { bytes.endIndex - offset }
    @inlinable package var isAtEnd: Bool { remaining == 0 }

    @inlinable
    package mutating func readUInt8() throws(Failure) -> UInt8 {
        bytes[try skip(1).lowerBound]
    }

    @inlinable
    package mutating func readUInt16() throws(Failure) -> UInt16 {
        let first = try skip(2).lowerBound
        return UInt16(bytes[first]) << 8 | UInt16(bytes[first + 1])
    }

    package mutating func readUInt32() throws(Failure) -> UInt32 {
        UInt32(truncatingIfNeeded: try readInteger(bytes: 4))
    }

    package mutating func readUInt64() throws(Failure) -> UInt64 {
        try readInteger(bytes: 8)
    }

    /// The next `count` bytes. A negative count fails as truncated.
    @inlinable
    package mutating func read(_ count: Int) throws(Failure) -> ArraySlice<UInt8> {
        bytes[try skip(count)]
    }

    /// Where the next `count` bytes stand in the array that the reader was made from; skips them.
    @inlinable
    package mutating func skip(_ count: Int) throws(Failure) -> Range<Int> {
        guard count >= 0, count <= remaining else {
            throw .truncated(needed: count, available: remaining)
        }
        defer { offset += count }
        return offset..<offset + count
    }

    /// A reader confined to the next `count` bytes, which this one skips.
    package mutating func sub(_ count: Int) throws(Failure) -> ByteReader {
        ByteReader(try read(count))
    }

    package mutating func readRest() -> ArraySlice<UInt8> {
        defer { offset = bytes.endIndex }
        return bytes[offset...]
    }

    /// Fails unless every byte was read.
    package func expectEnd() throws(Failure) {
        guard isAtEnd else { throw .trailing(count: remaining) }
    }

    private mutating func readInteger(bytes count: Int) throws(Failure) -> UInt64 {
        guard count <= remaining else {
            throw .truncated(needed: count, available: remaining)
        }
        var value: UInt64 = 0
        for index in offset..<offset + count { value = value << 8 | UInt64(bytes[index]) }
        offset += count
        return value
    }
}
