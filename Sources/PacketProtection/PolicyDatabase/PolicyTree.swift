/// The selectors of an ordered list of policies, arranged so that a packet meets few of them.
///
/// Each level sorts the selectors by the covering prefix of one part of the packet (remote address,
/// local address, protocol, ports); each length of prefix that occurs there is a look into one
/// table. A selector stands in one place, or in two or four where its ranges of addresses are cut,
/// whatever overlaps what, so that memory is in proportion to the list. A level is made only where
/// its looks are fewer than a quarter of the selectors it sorts: the search is never much longer than
/// one along the list, and is as short as the looks where the policies differ in something. What it
/// finds is compared in full, so that the answer is the first of the list that matches.
///
/// The memory is the owner's, `CompiledPolicies`.
@safe struct PolicyTree {
    /// What a search goes on with: selectors behind one another, or a node.
    struct Branch {
        /// Of selectors in `selectors`, or the index in `nodes`.
        var first: Int32
        /// Selectors; -1 for a node.
        var count: Int32

        static let none = Branch(first: 0, count: 0)
    }

    struct Node {
        var dimension: SelectorDimension
        var firstLength: Int32
        var lengthCount: Int32
        var firstBucket: Int
        var bucketMask: Int
    }

    /// A length of prefix in bits, and the first of the policies under it. They stand in the order
    /// of these, so that a search ends when what is left comes later than what is found.
    struct Length {
        var bits: UInt8
        var firstPolicy: Int32
    }

    struct Bucket {
        /// 0 where it is free.
        var key: UInt64
        var branch: Branch
    }

    let nodes: UnsafeMutablePointer<Node>
    let lengths: UnsafeMutablePointer<Length>
    let buckets: UnsafeMutablePointer<Bucket>
    /// Those of a branch by the order of their policies.
    let selectors: UnsafeMutablePointer<FlatSelector>
    /// Of all of these.
    let octets: Int
    var rootV4 = Branch.none
    var rootV6 = Branch.none

    /// Place in the list of the first policy that matches; -1 for none.
    @inline(__always)
    func lookUp(_ query: PolicyQuery) -> Int {
        let found = search(query.isV4 ? rootV4 : rootV6, query, best: .max)
        return found == .max ? -1 : Int(found)
    }

    /// The first policy of a branch that matches, if it comes before `best`, otherwise `best`.
    private func search(_ branch: Branch, _ query: PolicyQuery, best: Int32) -> Int32 {
        if branch.count >= 0 {
            var selector = unsafe selectors + Int(branch.first)
            let end = unsafe selector + Int(branch.count)
            while unsafe selector < end {
                let owner = unsafe selector.pointee.owner
                if owner >= best { return best }
                if unsafe selector.pointee.matches(query) { return owner }
                unsafe selector += 1
            }
            return best
        }
        let node = unsafe nodes + Int(branch.first)
        let value = unsafe node.pointee.dimension.value(of: query)
        let width = unsafe node.pointee.dimension.width(isV4: query.isV4)
        var best = best
        var index = unsafe Int(node.pointee.firstLength)
        let end = unsafe index &+ Int(node.pointee.lengthCount)
        while index < end {
            let length = unsafe lengths[index]
            index &+= 1
            if length.firstPolicy >= best { break }
            let bits = CoveringPrefix.masked(value, free: width &- Int(length.bits))
            let child = unsafe find(CoveringPrefix.key(bits, length: length.bits), node)
            if child.count != 0 { best = search(child, query, best: best) }
        }
        return best
    }

    @inline(__always)
    private func find(_ key: UInt64, _ node: UnsafeMutablePointer<Node>) -> Branch {
        let table = unsafe buckets + node.pointee.firstBucket
        let mask = unsafe node.pointee.bucketMask
        var index = Int(truncatingIfNeeded: key) & mask
        while unsafe table[index].key != 0 {
            if unsafe table[index].key == key { return unsafe table[index].branch }
            index = (index &+ 1) & mask
        }
        return .none
    }
}
