internal import CSecureMemory

/// Where protocol code gets its randomness: the kernel's generator in the daemon, a seed in tests.
package protocol RandomSource {
    /// `count` bytes that nobody can foresee (RFC 4086).
    mutating func bytes(_ count: Int) -> [UInt8]
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
package final class PooledRandomSource: RandomSource {
    private static let capacity = 512
    /// What is larger is drawn apart.
    private static let largestShare = 64

    private var pool = [UInt8](repeating: 0, count: capacity)
    /// Where the bytes begin that are not handed out yet.
    private var position = capacity

    package init() {}

    deinit { wipe(&pool) }

    package func bytes(_ count: Int) -> [UInt8] {
        guard count <= PooledRandomSource.largestShare else {
            var source = SystemRandomSource()
            return source.bytes(count)
        }
        if position + count > pool.count {
            unsafe pool.withUnsafeMutableBytes {
                unsafe cygnet_fill_random($0.baseAddress, $0.count)
            }
            position = 0
        }
        let share = position..<position + count
        position = share.upperBound
        return unsafe pool.withUnsafeMutableBytes {
            let area = unsafe UnsafeMutableRawBufferPointer(rebasing: $0[share])
            defer { unsafe cygnet_wipe(area.baseAddress, area.count) }
            return unsafe Array(area)
        }
    }
}

/// A reproducible source for tests and simulation. Never for keys that protect anything.
package struct SeededRandomSource: RandomSource, Sendable {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: step() >> 32) }
    }

    // SplitMix64: a full-period counter behind a mixing function.
    private mutating func step() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
