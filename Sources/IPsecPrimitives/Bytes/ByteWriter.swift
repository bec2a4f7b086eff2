/// Appends big-endian values to an array.
@frozen @usableFromInline
package struct ByteWriter: Sendable {
    @usableFromInline package internal(set) var bytes: [UInt8]

    package init(reserving capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    package var count: Int { bytes.count }

    package mutating func write(_ value: UInt8) {
        bytes.append(value)
    }

    @usableFromInline
    package mutating func write(_ value: UInt16) {
        bytes.append(UInt8(value >> 8))
        bytes.append(UInt8(value & 255))
    }

    package mutating func write(_ value: UInt32) {
        write(UInt16(value >> 16))
        write(UInt16(value & 0xffff))
    }

    package mutating func write(_ value: UInt64) {
        write(UInt32(value >> 32))
        write(UInt32(value & 0xffff_ffff))
    }

    // The two that nearly all callers have, by name: across modules a generic function goes through
    // a table for each byte.

    package mutating func write(_ content: [UInt8]) {
        bytes.append(contentsOf: content)
    }

    package mutating func write(_ content: ArraySlice<UInt8>) {
        bytes.append(contentsOf: content)
    }

    package mutating func write(_ address: IPAddress) {
        switch address {
        case .v4(let address): write(address.bits)
        case .v6(let address):
            write(UInt64(truncatingIfNeeded: address.bits >> 64))
            write(UInt64(truncatingIfNeeded: address.bits))
        }
    }

    package mutating func write(_ content: some Sequence<UInt8>) {
        bytes.append(contentsOf: content)
    }

    package mutating func write(zeros count: Int) {
        bytes.append(contentsOf: repeatElement(0, count: count))
    }

    /// Writes a 16-bit length, then what `content` writes; the length counts itself, the content
    /// and `extra` octets before it (IKE's payload lengths include their generic header).
    /// Precondition: the sum fits in 16 bits, which the callers' own limits ensure.
    @inlinable
    package mutating func writeWithLength16<Failure: Error>(
        addingToLength extra: Int = 0,
        _ content: (inout ByteWriter) throws(Failure) -> Void
    ) throws(Failure) {
        let start = bytes.count
        write(UInt16(0))
        try content(&self)
        patchUInt16(bytes.count - start + extra, at: start)
    }

    /// Overwrites two bytes at `index`. Precondition: they exist and `value` fits in 16 bits.
    @usableFromInline
    package mutating func patchUInt16(_ value: Int, at index: Int) {
        let value = UInt16(value)
        bytes[index] = UInt8(value >> 8)
        bytes[index + 1] = UInt8(value & 255)
    }

    /// Overwrites four bytes at `index`. Precondition: they exist and `value` fits in 32 bits.
    package mutating func patchUInt32(_ value: Int, at index: Int) {
        let value = UInt32(value)
        for position in 0..<4 {
            bytes[index + position] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * position))
        }
    }
}
