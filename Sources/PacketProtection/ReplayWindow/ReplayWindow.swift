internal import CPacketCipher

/// Which sequence numbers of an SA were seen (RFC 4303 §3.4.3, appendix A), in the blocks of
/// RFC 6479: to advance clears whole words and never shifts.
///
/// The bitmap is the owner's: one word more than the window, rounded up to a power of two.
@safe package struct ReplayWindow {
    /// Sizes that may be configured.
    package static let sizes = 32...65536

    private let words: UnsafeMutablePointer<UInt64>
    private let wordMask: UInt64
    private let size: UInt64
    /// Whether numbers are held against the window at all.
    private let isKept: Bool
    /// The highest number that was authenticated; where none is held against the window, the last.
    package private(set) var highest: UInt64

    /// Precondition: `size` lies in `sizes`. `deallocate` gives the memory back.
    package init(size: Int, highest: UInt64 = 0) {
        precondition(ReplayWindow.sizes.contains(size))
        let count = ((size + 63) / 64 + 1).nextPowerOfTwo
        unsafe words = .allocate(capacity: count)
        // What was received before the window was made is not known: take it as seen.
        unsafe words.initialize(repeating: highest == 0 ? 0 : .max, count: count)
        wordMask = UInt64(count - 1)
        self.size = UInt64(size)
        isKept = true
        self.highest = highest
        if highest > 0 {
            let block = highest >> 6
            unsafe words[Int(block & wordMask)] = .max >> (63 - (highest & 63))
        }
    }

    /// RFC 4303 §3.4.3: of an SA without anti-replay, "no inbound checks are performed on the Sequence
    /// Number". Such an SA has 32-bit numbers (RFC 4303 §2.2.1).
    package static var open: ReplayWindow { ReplayWindow() }

    private init() {
        unsafe words = .allocate(capacity: 1)
        unsafe words.initialize(to: 0)
        wordMask = 0
        size = 1
        isKept = false
        highest = 0
    }

    package func deallocate() { unsafe words.deallocate() }

    /// Asks for the memory of the numbers that are likely to come next.
    @inline(__always)
    func prefetch() {
        unsafe cygnet_prefetch(words + Int((highest >> 6) & wordMask), 8)
    }

    /// Whether the number may be new: not left of the window and not seen.
    @inline(__always)
    package func mayAccept(_ number: UInt64) -> Bool {
        if number > highest || !isKept { return true }
        // RFC 4303 §3.3.3: the first packet has the number 1.
        if number == 0 || highest &- number >= size { return false }
        let word = unsafe words[Int((number >> 6) & wordMask)]
        return word >> (number & 63) & 1 == 0
    }

    /// Marks an authenticated number as seen; false when it was, or is left of the window.
    @inline(__always)
    package mutating func accept(_ number: UInt64) -> Bool {
        guard isKept else {
            highest = number
            return true
        }
        let block = number >> 6
        if number > highest {
            let current = highest >> 6
            if block != current {
                let steps = min(block &- current, wordMask &+ 1)
                var step: UInt64 = 1
                while step <= steps {
                    unsafe words[Int((current &+ step) & wordMask)] = 0
                    step &+= 1
                }
            }
            highest = number
        } else if !mayAccept(number) {
            return false
        }
        unsafe words[Int(block & wordMask)] |= 1 << (number & 63)
        return true
    }

    /// The whole number of a packet that carries the low half only (RFC 4303 appendix A2.1);
    /// nil when it would lie before the first.
    @inline(__always)
    package func inferred(low: UInt32) -> UInt64? {
        let topLow = UInt32(truncatingIfNeeded: highest)
        let topHigh = highest >> 32
        let bottomLow = topLow &- UInt32(truncatingIfNeeded: size) &+ 1
        if UInt64(topLow) >= size &- 1 {
            // Case A: the window lies within one subspace.
            return (low >= bottomLow ? topHigh : topHigh &+ 1) << 32 | UInt64(low)
        }
        // Case B: it spans two.
        guard low >= bottomLow else { return topHigh << 32 | UInt64(low) }
        return topHigh == 0 ? nil : (topHigh &- 1) << 32 | UInt64(low)
    }
}

extension Int {
    /// The least power of two that is not below. Precondition: positive.
    var nextPowerOfTwo: Int { self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}
