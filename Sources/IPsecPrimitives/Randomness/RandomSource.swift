internal import CSecureMemory

/// Where protocol code gets its randomness: the kernel's generator in the daemon, a seed in tests.
package protocol RandomSource {
    /// `count` bytes that nobody can foresee (RFC 4086).
    mutating func bytes(_ count: Int) -> [UInt8]

    /// What the next eight and the next four bytes stand for, the most significant first.
    mutating func next64() -> UInt64
    mutating func next32() -> UInt32
}

extension RandomSource {
    package mutating func next64() -> UInt64 {
        bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    package mutating func next32() -> UInt32 {
        bytes(4).reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// The kernel's generator.
package struct SystemRandomSource: RandomSource, Sendable {
    package init() {}

    package mutating func bytes(_ count: Int) -> [UInt8] {
        // One system call, where the standard library's generator makes one for eight bytes.
        unsafe [UInt8](unsafeUninitializedCapacity: count) { area, filled in
            unsafe cygnet_fill_random(area.baseAddress, count)
            filled = count
        }
    }
}

/// The kernel's generator, asked for many bytes at once: a handshake draws some ten times.
///
/// Each byte is handed out once and wiped here at once. A class, for a copy would hand out the same
/// bytes once more; for one thread, and not across a fork.
@safe package final class PooledRandomSource: RandomSource {
    private static let capacity = 512
    /// What is larger is drawn apart.
    private static let largestShare = 64

    private let pool = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 8)
    /// Where the bytes begin that are not handed out yet.
    private var position = capacity

    package init() {}

    deinit {
        unsafe cygnet_wipe(pool.baseAddress, pool.count)
        unsafe pool.deallocate()
    }

    package func bytes(_ count: Int) -> [UInt8] {
        guard count <= PooledRandomSource.largestShare else {
            var source = SystemRandomSource()
            return source.bytes(count)
        }
        let share = unsafe share(count)
        defer { unsafe cygnet_wipe(share.baseAddress, count) }
        return unsafe Array(share)
    }

    // An SPI or a lifetime's share of chance needs no array for its bytes.

    package func next64() -> UInt64 {
        let share = unsafe share(8)
        defer { unsafe cygnet_wipe(share.baseAddress, 8) }
        return unsafe UInt64(bigEndian: share.loadUnaligned(as: UInt64.self))
    }

    package func next32() -> UInt32 {
        let share = unsafe share(4)
        defer { unsafe cygnet_wipe(share.baseAddress, 4) }
        return unsafe UInt32(bigEndian: share.loadUnaligned(as: UInt32.self))
    }

    /// The next bytes, which whoever takes them has to wipe. Precondition: at most `largestShare`.
    private func share(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if unsafe position + count > pool.count {
            unsafe cygnet_fill_random(pool.baseAddress, pool.count)
            position = 0
        }
        let start = position
        position = start + count
        return unsafe UnsafeMutableRawBufferPointer(rebasing: pool[start..<start + count])
    }
}

/// A reproducible source for tests and simulation. Never for keys that protect anything.
package struct SeededRandomSource: RandomSource, Sendable {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in byte() }
    }

    package mutating func next64() -> UInt64 {
        (0..<8).reduce(0) { number, _ in number << 8 | UInt64(byte()) }
    }

    package mutating func next32() -> UInt32 {
        (0..<4).reduce(0) { number, _ in number << 8 | UInt32(byte()) }
    }

    private mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: step() >> 32) }

    // SplitMix64: a full-period counter behind a mixing function.
    private mutating func step() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
