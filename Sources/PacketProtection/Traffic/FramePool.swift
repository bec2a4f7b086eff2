/// The memory of frames that wait for their turn: chains of blocks, so that large and small ones share
/// it. A small frame is one block, and can be worked on where it lies.
///
/// Takes no memory before `prepare`.
@safe struct FramePool: ~Copyable {
    static let blockOctets = 2048
    /// 32 MiB: what 1 Gbit/s brings in a quarter of a second.
    static let capacity = 16_384

    /// Of this many octets a frame is one block, whose packet begins on a boundary of 16 octets.
    static let lead = 6

    private var memory: UnsafeMutableRawPointer?
    private var nextBlock: [Int32] = []
    private var freeBlock: Int32 = -1
    private(set) var freeCount = 0

    deinit { unsafe memory?.deallocate() }

    mutating func prepare() {
        guard unsafe memory == nil else { return }
        unsafe memory = .allocate(
            byteCount: FramePool.capacity * FramePool.blockOctets,
            alignment: 64
        )
        nextBlock = (0..<Int32(FramePool.capacity)).map { $0 + 1 }
        nextBlock[FramePool.capacity - 1] = -1
        freeBlock = 0
        freeCount = FramePool.capacity
    }

    static func blocks(for byteCount: Int) -> Int {
        (byteCount + lead + blockOctets - 1) / blockOctets
    }

    /// Copies a frame and returns its first block. Precondition: `blocks(for:)` of it are free, and it
    /// has an octet at least.
    mutating func store(_ frame: UnsafeMutableRawPointer, byteCount: Int) -> Int {
        let first = freeBlock
        var block = first
        var last = first
        var offset = 0
        var place = FramePool.lead
        while offset < byteCount {
            let size = min(FramePool.blockOctets &- place, byteCount &- offset)
            unsafe (start(of: Int(block)) + place).copyMemory(
                from: frame + offset,
                byteCount: size
            )
            offset &+= size
            place = 0
            last = block
            block = nextBlock[Int(block)]
            freeCount &-= 1
        }
        freeBlock = block
        nextBlock[Int(last)] = -1
        return Int(first)
    }

    /// Gives back a frame's memory.
    mutating func free(_ first: Int) {
        var last = first
        freeCount &+= 1
        while nextBlock[last] >= 0 {
            last = Int(nextBlock[last])
            freeCount &+= 1
        }
        nextBlock[last] = freeBlock
        freeBlock = Int32(first)
    }

    /// Where a frame begins, which is whole there when it is one block.
    @inline(__always)
    func frame(_ first: Int) -> UnsafeMutableRawPointer {
        unsafe start(of: first) + FramePool.lead
    }

    /// Copies octets of a frame. Precondition: it has them.
    func copy(_ first: Int, _ range: Range<Int>, to target: UnsafeMutableRawPointer) {
        var block = first
        // From the beginning of the first block.
        var skipped = range.lowerBound &+ FramePool.lead
        while skipped >= FramePool.blockOctets {
            skipped &-= FramePool.blockOctets
            block = Int(nextBlock[block])
        }
        var copied = 0
        while copied < range.count {
            let size = min(FramePool.blockOctets &- skipped, range.count &- copied)
            unsafe (target + copied).copyMemory(
                from: start(of: block) + skipped,
                byteCount: size
            )
            copied &+= size
            skipped = 0
            if copied < range.count { block = Int(nextBlock[block]) }
        }
    }

    private func start(of block: Int) -> UnsafeMutableRawPointer {
        // `prepare` was called: there is a frame.
        unsafe memory.unsafelyUnwrapped + block &* FramePool.blockOctets
    }
}
