/// Arranges selectors as a `PolicyTree`: in time a few times that of sorting them, in memory in
/// proportion to them.
struct PolicyTreeBuilder {
    private let selectors: [FlatSelector]
    private var nodes: [PolicyTree.Node] = []
    private var lengths: [PolicyTree.Length] = []
    private var buckets: [PolicyTree.Bucket] = []
    private var arranged: [FlatSelector] = []

    /// So few selectors are compared one after another.
    private static let shortList = 8
    /// A look into a table takes as long as comparing so many selectors.
    private static let comparisonsPerLook = 4

    /// A selector of a level, under the key of its prefix.
    private struct Member {
        var key: UInt64
        var selector: Int32
        var length: UInt8
    }

    /// - Parameter selectors: in the order of their policies.
    init(_ selectors: [FlatSelector]) {
        self.selectors = selectors
        arranged.reserveCapacity(selectors.count)
    }

    /// The tree, in memory that its owner gives back.
    mutating func build() -> PolicyTree {
        var v4: [Int32] = []
        var v6: [Int32] = []
        for index in selectors.indices {
            if selectors[index].isV4 { v4.append(Int32(index)) } else { v6.append(Int32(index)) }
        }
        let rootV4 = branch(v4, SelectorDimension.remote.rawValue)
        let rootV6 = branch(v6, SelectorDimension.remote.rawValue)
        return unsafe PolicyTree(
            nodes: PolicyTreeBuilder.copy(nodes),
            lengths: PolicyTreeBuilder.copy(lengths),
            buckets: PolicyTreeBuilder.copy(buckets),
            selectors: PolicyTreeBuilder.copy(arranged),
            octets: nodes.count * MemoryLayout<PolicyTree.Node>.stride
                + lengths.count * MemoryLayout<PolicyTree.Length>.stride
                + buckets.count * MemoryLayout<PolicyTree.Bucket>.stride
                + arranged.count * MemoryLayout<FlatSelector>.stride,
            rootV4: rootV4,
            rootV6: rootV6
        )
    }

    private static func copy<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element> {
        let memory = UnsafeMutablePointer<Element>.allocate(capacity: max(elements.count, 1))
        unsafe elements.withUnsafeBufferPointer { source in
            guard let base = source.baseAddress else { return }
            unsafe memory.initialize(from: base, count: source.count)
        }
        return unsafe memory
    }

    /// - Parameter members: in the order of their policies.
    private mutating func branch(_ members: [Int32], _ dimension: UInt8) -> PolicyTree.Branch {
        guard members.count > PolicyTreeBuilder.shortList,
            let dimension = SelectorDimension(rawValue: dimension)
        else { return list(members) }
        let next = dimension.rawValue + 1
        let keyed = keyed(members, dimension)
        let occurring = occurringLengths(keyed)
        // Where all are alike there is nothing to tell apart.
        guard keyed[0].key != keyed[keyed.count - 1].key,
            occurring.count * PolicyTreeBuilder.comparisonsPerLook < members.count
        else { return branch(members, next) }
        let firstLength = lengths.count
        lengths += occurring
        let groups = groups(keyed)
        let capacity = (groups.count * 2).nextPowerOfTwo
        let firstBucket = buckets.count
        let free = PolicyTree.Bucket(key: 0, branch: .none)
        buckets.append(contentsOf: repeatElement(free, count: capacity))
        let node = nodes.count
        nodes.append(
            PolicyTree.Node(
                dimension: dimension,
                firstLength: Int32(firstLength),
                lengthCount: Int32(occurring.count),
                firstBucket: firstBucket,
                bucketMask: capacity - 1
            )
        )
        for group in groups {
            let key = keyed[group.lowerBound].key
            let child = branch(keyed[group].map(\.selector), next)
            var index = Int(truncatingIfNeeded: key) & (capacity - 1)
            while buckets[firstBucket + index].key != 0 { index = (index + 1) & (capacity - 1) }
            buckets[firstBucket + index] = PolicyTree.Bucket(key: key, branch: child)
        }
        return PolicyTree.Branch(first: Int32(node), count: -1)
    }

    private mutating func list(_ members: [Int32]) -> PolicyTree.Branch {
        let first = arranged.count
        for member in members { arranged.append(selectors[Int(member)]) }
        return PolicyTree.Branch(first: Int32(first), count: Int32(members.count))
    }

    /// By key, and those of one key by the order of their policies.
    private func keyed(_ members: [Int32], _ dimension: SelectorDimension) -> [Member] {
        var keyed: [Member] = []
        keyed.reserveCapacity(members.count)
        for member in members {
            for prefix in dimension.pieces(of: selectors[Int(member)]) {
                keyed.append(
                    Member(
                        key: CoveringPrefix.key(prefix.bits, length: prefix.length),
                        selector: member,
                        length: prefix.length
                    )
                )
            }
        }
        keyed.sort { $0.key != $1.key ? $0.key < $1.key : $0.selector < $1.selector }
        return keyed
    }

    /// By the first policy under each.
    private func occurringLengths(_ keyed: [Member]) -> [PolicyTree.Length] {
        var firstPolicy = [Int32](repeating: .max, count: 129)
        for member in keyed {
            let length = Int(member.length)
            firstPolicy[length] = min(
                firstPolicy[length],
                selectors[Int(member.selector)].owner
            )
        }
        return firstPolicy.indices.filter { firstPolicy[$0] != .max }.map {
            PolicyTree.Length(bits: UInt8($0), firstPolicy: firstPolicy[$0])
        }.sorted { $0.firstPolicy < $1.firstPolicy }
    }

    private func groups(_ keyed: [Member]) -> [Range<Int>] {
        var groups: [Range<Int>] = []
        var start = 0
        for index in 1...keyed.count
        where index == keyed.count || keyed[index].key != keyed[start].key {
            groups.append(start..<index)
            start = index
        }
        return groups
    }
}
