internal import IPsecPrimitives

/// Packets that wait for an SA, in the order they came; bounded in every way.
///
/// They lie in chains of blocks, so that any may go in any order. This is not the fast path: a
/// packet comes here only while its tunnel is down.
@safe struct HeldPackets: ~Copyable {
    struct Entry {
        let firstBlock: Int
        let byteCount: Int
        let policy: UInt32
        let flow: HeldFlow
        let device: UInt16
        let mark: UInt8
        let since: UInt64
    }

    private static let blockOctets = 2048

    private(set) var entries: [Entry] = []
    private let blocks: UnsafeMutableRawPointer
    private var nextBlock: [Int]
    private var freeBlock: Int
    private var freeCount: Int
    private let limits: HeldPacketLimits

    init(_ limits: HeldPacketLimits) {
        self.limits = limits
        freeCount = max(limits.totalOctets / HeldPackets.blockOctets, 1)
        unsafe blocks = .allocate(
            byteCount: freeCount * HeldPackets.blockOctets,
            alignment: 64
        )
        nextBlock = (0..<freeCount).map { $0 + 1 }
        nextBlock[freeCount - 1] = -1
        freeBlock = 0
        entries.reserveCapacity(limits.totalPackets)
    }

    deinit { unsafe blocks.deallocate() }

    /// Copies a packet; false when a limit is reached.
    mutating func hold(
        _ bytes: UnsafeMutableRawPointer,
        byteCount: Int,
        policy: UInt32,
        flow: HeldFlow,
        device: UInt16,
        mark: UInt8,
        since: UInt64,
        octetsOfPolicy: Int,
        packetsOfPolicy: Int
    ) -> Bool {
        let count = (byteCount + HeldPackets.blockOctets - 1) / HeldPackets.blockOctets
        guard count > 0, count <= freeCount, entries.count < limits.totalPackets,
            packetsOfPolicy < limits.packetsPerPolicy,
            octetsOfPolicy + byteCount <= limits.octetsPerPolicy
        else { return false }
        let first = freeBlock
        var block = first
        var last = first
        var offset = 0
        while offset < byteCount {
            let size = min(HeldPackets.blockOctets, byteCount - offset)
            unsafe (blocks + block * HeldPackets.blockOctets).copyMemory(
                from: bytes + offset,
                byteCount: size
            )
            offset += size
            last = block
            block = nextBlock[block]
        }
        freeBlock = block
        nextBlock[last] = -1
        freeCount -= count
        entries.append(
            Entry(
                firstBlock: first,
                byteCount: byteCount,
                policy: policy,
                flow: flow,
                device: device,
                mark: mark,
                since: since
            )
        )
        return true
    }

    /// Copies the packet of an entry to `target`, which has room for it.
    func copy(_ index: Int, to target: UnsafeMutableRawPointer) {
        var block = entries[index].firstBlock
        var offset = 0
        while offset < entries[index].byteCount {
            let size = min(HeldPackets.blockOctets, entries[index].byteCount - offset)
            unsafe (target + offset).copyMemory(
                from: blocks + block * HeldPackets.blockOctets,
                byteCount: size
            )
            offset += size
            block = nextBlock[block]
        }
    }

    mutating func remove(at index: Int) {
        let entry = entries.remove(at: index)
        var last = entry.firstBlock
        var count = 1
        while nextBlock[last] >= 0 {
            last = nextBlock[last]
            count += 1
        }
        nextBlock[last] = freeBlock
        freeBlock = entry.firstBlock
        freeCount += count
    }
}
