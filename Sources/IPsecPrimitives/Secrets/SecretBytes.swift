internal import CSecureMemory

/// Key material: wiped when the last reference goes, compared in constant time, never printed.
///
/// A class, so that the states of a negotiation share one copy and none is left behind by moving
/// a value. Not for the packet path, whose keys live in the cipher contexts.
@safe package final class SecretBytes: @unchecked Sendable {
    // Written in `init` only, which is why sharing between threads is sound.
    private let start: UnsafeMutableRawPointer
    package let count: Int
    /// The secret of which this is a part, which holds the bytes; nil where they are its own.
    private let whole: SecretBytes?

    private init(part range: Range<Int>, of whole: SecretBytes) {
        unsafe start = unsafe whole.start + range.lowerBound
        count = range.count
        self.whole = whole
    }

    private static func allocate(_ count: Int) -> UnsafeMutableRawPointer {
        .allocate(byteCount: max(count, 1), alignment: 16)
    }

    package init(_ bytes: some Collection<UInt8>) {
        count = bytes.count
        unsafe start = SecretBytes.allocate(count)
        whole = nil
        unsafe UnsafeMutableRawBufferPointer(start: start, count: count).copyBytes(from: bytes)
    }

    // By name, for the same reason as `ByteWriter.write`.
    package init(_ bytes: [UInt8]) {
        count = bytes.count
        unsafe start = SecretBytes.allocate(count)
        whole = nil
        unsafe UnsafeMutableRawBufferPointer(start: start, count: count).copyBytes(from: bytes)
    }

    package init(_ bytes: UnsafeRawBufferPointer) {
        count = bytes.count
        unsafe start = SecretBytes.allocate(count)
        whole = nil
        unsafe UnsafeMutableRawBufferPointer(start: start, count: count).copyMemory(from: bytes)
    }

    /// Takes over the content of `bytes` and wipes it there.
    package convenience init(consuming bytes: inout [UInt8]) {
        self.init(bytes)
        wipe(&bytes)
    }

    /// `count` bytes that `fill` writes in place, so that no copy of them is ever elsewhere.
    package init<Failure: Error>(
        count: Int,
        filledBy fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        self.count = count
        unsafe start = SecretBytes.allocate(count)
        whole = nil
        unsafe start.initializeMemory(as: UInt8.self, repeating: 0, count: count)
        try unsafe fill(UnsafeMutableRawBufferPointer(start: start, count: count))
    }

    /// The parts one behind the other.
    package convenience init(joining parts: [SecretBytes]) {
        unsafe self.init(count: parts.reduce(0) { $0 + $1.count }) { room in
            var position = 0
            for part in parts {
                unsafe part.withUnsafeBytes {
                    unsafe UnsafeMutableRawBufferPointer(rebasing: room[position...]).copyMemory(
                        from: $0
                    )
                }
                position += part.count
            }
        }
    }

    private static let nothing = SecretBytes([])

    deinit {
        guard whole == nil else { return }
        unsafe cygnet_wipe(start, count)
        unsafe start.deallocate()
    }

    /// Lends the bytes for the time of `body`; they must not be kept.
    package func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// A plain copy, which the caller must `wipe` after use.
    package func copy() -> [UInt8] {
        unsafe withUnsafeBytes { unsafe Array($0) }
    }

    /// A part, which shares the bytes: they are wiped when the last part and the whole have gone.
    /// Precondition: the range lies within.
    package func part(_ range: Range<Int>) -> SecretBytes {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        // AEADs have no integrity keys: one nothing serves all.
        guard !range.isEmpty else { return SecretBytes.nothing }
        return SecretBytes(part: range, of: self)
    }

    /// The same bytes in memory of their own: for those who keep a part longer than the whole ought
    /// to stay.
    package func apart() -> SecretBytes {
        unsafe withUnsafeBytes { unsafe SecretBytes($0) }
    }

    /// Whether both hold the same bytes, in time that depends on the lengths only.
    package func isEqual(to other: SecretBytes) -> Bool {
        guard count == other.count else { return false }
        return unsafe cygnet_equal_constant_time(
            start,
            other.start,
            count
        ) != 0
    }
}

/// Overwrites every byte with zero in a way that the optimiser keeps, and empties the array.
package func wipe(_ bytes: inout [UInt8]) {
    unsafe bytes.withUnsafeMutableBytes { area in
        guard let base = area.baseAddress else { return }
        unsafe cygnet_wipe(base, area.count)
    }
    bytes = []
}

/// Whether both hold the same bytes, in time that depends on the lengths only.
package func equalInConstantTime(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    guard !left.isEmpty else { return true }
    return unsafe left.withUnsafeBytes { leftArea in
        unsafe right.withUnsafeBytes { rightArea in
            unsafe cygnet_equal_constant_time(
                leftArea.baseAddress!,
                rightArea.baseAddress!,
                leftArea.count
            ) != 0
        }
    }
}
