/// The longest prefix that a range of numbers lies in, whatever the range: each range has one, so
/// that it stands in one place of a table, and each number has at most as many as it has bits.
///
/// A range that lies across a boundary may be cut there: either half begins or ends at it, and so has
/// a prefix about as long as the range is short. Ranges of like sizes then have like prefixes.
struct CoveringPrefix: Hashable {
    var length: UInt8
    /// The first number that the prefix covers.
    var bits: UInt128

    /// Precondition: `first` is not above `last`, and both have at most `width` bits.
    init(_ first: UInt128, _ last: UInt128, width: Int) {
        let free = UInt128.bitWidth - (first ^ last).leadingZeroBitCount
        length = UInt8(width - free)
        bits = CoveringPrefix.masked(first, free: free)
    }

    /// The range, or its two halves where they have far longer prefixes than the whole.
    static func pieces(_ first: UInt128, _ last: UInt128, width: Int) -> [CoveringPrefix] {
        let whole = CoveringPrefix(first, last, width: width)
        let free = width - Int(whole.length)
        // A range of an eighth of what its prefix covers, or less, is cut.
        guard free > 3, (last - first) >> UInt128(free - 3) == 0 else { return [whole] }
        let middle = whole.bits | 1 << UInt128(free - 1)
        return [
            CoveringPrefix(first, middle - 1, width: width),
            CoveringPrefix(middle, last, width: width),
        ]
    }

    /// The number with its last `free` bits cleared.
    @inline(__always)
    static func masked(_ bits: UInt128, free: Int) -> UInt128 {
        free >= UInt128.bitWidth ? 0 : bits & (UInt128.max << UInt128(truncatingIfNeeded: free))
    }

    /// A number for the prefix that tables are keyed by; never 0. Two prefixes may have the same.
    @inline(__always)
    static func key(_ bits: UInt128, length: UInt8) -> UInt64 {
        var hash = UInt64(truncatingIfNeeded: bits) ^ (UInt64(length) &+ 1) &* 0x9e37_79b9_7f4a_7c15
        hash = mixed(hash)
        hash ^= UInt64(truncatingIfNeeded: bits >> 64)
        hash = mixed(hash)
        return hash == 0 ? 1 : hash
    }

    @inline(__always)
    static func mixed(_ number: UInt64) -> UInt64 {
        var hash = (number ^ number >> 30) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ hash >> 27) &* 0x94d0_49bb_1331_11eb
        return hash ^ hash >> 31
    }
}
