internal import CSecureMemory

/// Key material: wiped when the last reference goes, compared in constant time, never printed.
///
/// A class, so that the states of a negotiation share one copy and none is left behind by moving
/// a value. Not for the packet path, whose keys live in the cipher contexts.
@safe package final class SecretBytes: @unchecked Sendable {
    // Written in `init` only, which is why sharing between threads is sound.
    private let storage: UnsafeMutableRawBufferPointer

    package init(_ bytes: some Collection<UInt8>) {
        unsafe storage = .allocate(byteCount: max(bytes.count, 1), alignment: 16)
        count = bytes.count
        unsafe storage.copyBytes(from: bytes)
    }

    // By name, for the same reason as `ByteWriter.write`.
    package init(_ bytes: [UInt8]) {
        unsafe storage = .allocate(byteCount: max(bytes.count, 1), alignment: 16)
        count = bytes.count
        unsafe storage.copyBytes(from: bytes)
    }

    package init(_ bytes: UnsafeRawBufferPointer) {
        unsafe storage = .allocate(byteCount: max(bytes.count, 1), alignment: 16)
        count = bytes.count
        unsafe storage.copyMemory(from: bytes)
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
        unsafe storage = .allocate(byteCount: max(count, 1), alignment: 16)
        self.count = count
        unsafe storage.initializeMemory(as: UInt8.self, repeating: 0)
        try unsafe fill(UnsafeMutableRawBufferPointer(rebasing: storage[0..<count]))
    }

    private static let nothing = SecretBytes([])

    package let count: Int

    deinit {
        unsafe cygnet_wipe(storage.baseAddress, storage.count)
        unsafe storage.deallocate()
    }

    /// Lends the bytes for the time of `body`; they must not be kept.
    package func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(UnsafeRawBufferPointer(rebasing: storage[0..<count]))
    }

    /// A plain copy, which the caller must `wipe` after use.
    package func copy() -> [UInt8] {
        unsafe withUnsafeBytes { unsafe Array($0) }
    }

    /// A part as a secret of its own. Precondition: the range lies within.
    package func part(_ range: Range<Int>) -> SecretBytes {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        // AEADs have no integrity keys: one nothing serves all.
        guard !range.isEmpty else { return SecretBytes.nothing }
        return unsafe withUnsafeBytes {
            unsafe SecretBytes(UnsafeRawBufferPointer(rebasing: $0[range]))
        }
    }

    /// Whether both hold the same bytes, in time that depends on the lengths only.
    package func isEqual(to other: SecretBytes) -> Bool {
        guard count == other.count else { return false }
        return unsafe cygnet_equal_constant_time(
            storage.baseAddress!,
            other.storage.baseAddress!,
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
