/// Selectors of SAs under the covering prefixes of their addresses, for policies with many SAs:
/// a look for each pair of lengths that occurs finds the SAs that may carry a packet.
///
/// Nodes with one key form a list, the one entered last first.
@safe struct SelectorIndex: ~Copyable {
    struct Node {
        var key: UInt64
        /// Rank of its SA; the highest is preferred.
        var activation: UInt64
        var slot: Int32
        var next: Int32
        var previous: Int32
        /// Next of the same SA; free nodes: the next free.
        var sibling: Int32
    }

    private struct Bucket {
        /// 0 where it is free.
        var key: UInt64
        var first: Int32
        /// The first node's, so that where it is the only one nothing else is read.
        var slot: Int32
    }

    /// What is found first of a key.
    struct Found {
        /// -1 for none.
        var node: Int32
        var slot: Int32
    }

    private(set) var nodes: UnsafeMutablePointer<Node>
    private var capacity = 16
    private var end: Int32 = 0
    private var free: Int32 = -1
    private var buckets: UnsafeMutablePointer<Bucket>
    private var mask = 31
    private var keys = 0

    init() {
        unsafe nodes = .allocate(capacity: 16)
        unsafe buckets = SelectorIndex.free(32)
    }

    deinit {
        unsafe nodes.deallocate()
        unsafe buckets.deallocate()
    }

    private static func free(_ count: Int) -> UnsafeMutablePointer<Bucket> {
        let buckets = UnsafeMutablePointer<Bucket>.allocate(capacity: count)
        unsafe buckets.initialize(repeating: Bucket(key: 0, first: -1, slot: -1), count: count)
        return unsafe buckets
    }

    static func shape(of selector: FlatSelector) -> SelectorShapes.Shape {
        SelectorShapes.Shape(
            localLength: SelectorDimension.local.prefix(of: selector).length,
            remoteLength: SelectorDimension.remote.prefix(of: selector).length,
            isV4: selector.isV4,
            uses: 1
        )
    }

    static func key(of selector: FlatSelector, policy: Int) -> UInt64 {
        key(
            local: selector.localFirst,
            remote: selector.remoteFirst,
            shape: shape(of: selector),
            policy: policy
        )
    }

    /// The key under which a selector of this shape stands, if it covers these addresses.
    @inline(__always)
    static func key(
        local: UInt128,
        remote: UInt128,
        shape: SelectorShapes.Shape,
        policy: Int
    ) -> UInt64 {
        let width = shape.isV4 ? 32 : 128
        let near = CoveringPrefix.masked(local, free: width &- Int(shape.localLength))
        let far = CoveringPrefix.masked(remote, free: width &- Int(shape.remoteLength))
        let nearKey = CoveringPrefix.key(near, length: shape.localLength)
        let farKey = CoveringPrefix.key(far, length: shape.remoteLength)
        let place = UInt64(truncatingIfNeeded: policy) << 1 | (shape.isV4 ? 1 : 0)
        let key = CoveringPrefix.mixed(nearKey ^ CoveringPrefix.mixed(farKey ^ place))
        return key == 0 ? 1 : key
    }

    /// The first node of a key.
    @inline(__always)
    func find(_ key: UInt64) -> Found {
        let bucket = unsafe buckets[place(of: key)]
        return Found(node: bucket.first, slot: bucket.slot)
    }

    /// Where the key's bucket is, or would be.
    @inline(__always)
    private func place(of key: UInt64) -> Int {
        var index = Int(truncatingIfNeeded: key) & mask
        while unsafe buckets[index].key != 0, unsafe buckets[index].key != key {
            index = (index &+ 1) & mask
        }
        return index
    }

    /// Enters a node in front of those with its key, and returns it.
    mutating func insert(
        _ key: UInt64,
        activation: UInt64,
        slot: Int32,
        sibling: Int32
    ) -> Int32 {
        if (keys + 1) * 2 > mask + 1 { growBuckets() }
        let bucket = place(of: key)
        if unsafe buckets[bucket].key == 0 {
            keys += 1
            unsafe buckets[bucket] = Bucket(key: key, first: -1, slot: -1)
        }
        let node = takeNode()
        let next = unsafe buckets[bucket].first
        unsafe (nodes + Int(node)).initialize(
            to: Node(
                key: key,
                activation: activation,
                slot: slot,
                next: next,
                previous: -1,
                sibling: sibling
            )
        )
        if next >= 0 { unsafe nodes[Int(next)].previous = node }
        unsafe buckets[bucket].first = node
        unsafe buckets[bucket].slot = slot
        return node
    }

    /// Takes a node out, and returns its sibling.
    mutating func remove(_ node: Int32) -> Int32 {
        let gone = unsafe nodes[Int(node)]
        if gone.next >= 0 { unsafe nodes[Int(gone.next)].previous = gone.previous }
        if gone.previous >= 0 {
            unsafe nodes[Int(gone.previous)].next = gone.next
        } else {
            let bucket = place(of: gone.key)
            unsafe buckets[bucket].first = gone.next
            if gone.next < 0 {
                removeBucket(bucket)
            } else {
                unsafe buckets[bucket].slot = nodes[Int(gone.next)].slot
            }
        }
        unsafe nodes[Int(node)].sibling = free
        free = node
        return gone.sibling
    }

    private mutating func takeNode() -> Int32 {
        if free >= 0 {
            let node = free
            free = unsafe nodes[Int(node)].sibling
            return node
        }
        if Int(end) == capacity {
            let larger = UnsafeMutablePointer<Node>.allocate(capacity: capacity * 2)
            unsafe larger.moveInitialize(from: nodes, count: capacity)
            unsafe nodes.deallocate()
            unsafe nodes = larger
            capacity *= 2
        }
        end += 1
        return end - 1
    }

    private mutating func growBuckets() {
        let old = unsafe buckets
        let count = mask + 1
        unsafe buckets = SelectorIndex.free(count * 2)
        mask = count * 2 - 1
        for index in 0..<count where unsafe old[index].key != 0 {
            unsafe buckets[place(of: old[index].key)] = old[index]
        }
        unsafe old.deallocate()
    }

    /// Frees a bucket and closes the gap, so that searches for those behind still end well.
    private mutating func removeBucket(_ bucket: Int) {
        keys -= 1
        var hole = bucket
        var index = (hole + 1) & mask
        while unsafe buckets[index].key != 0 {
            let wanted = unsafe Int(truncatingIfNeeded: buckets[index].key) & mask
            if (index - wanted) & mask >= (index - hole) & mask {
                unsafe buckets[hole] = buckets[index]
                hole = index
            }
            index = (index + 1) & mask
        }
        unsafe buckets[hole] = Bucket(key: 0, first: -1, slot: -1)
    }
}
