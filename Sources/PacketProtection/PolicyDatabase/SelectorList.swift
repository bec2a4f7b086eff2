internal import IPsecPrimitives

/// The selectors of one SA: the first, which is mostly the only one, within the SA itself, the others
/// in memory of their own. The owner deallocates.
@safe struct SelectorList {
    private let first: FlatSelector
    private let others: UnsafeMutablePointer<FlatSelector>?
    /// Those in `others`; -1 where there is not even a first.
    private let otherCount: Int32

    init(_ pairs: [SelectorPair]) {
        otherCount = Int32(pairs.count - 1)
        guard let pair = pairs.first else {
            first = FlatSelector(
                SelectorPair(local: .everything(.v4), remote: .everything(.v4))
            )
            unsafe others = nil
            return
        }
        first = FlatSelector(pair)
        guard pairs.count > 1 else {
            unsafe others = nil
            return
        }
        let memory = UnsafeMutablePointer<FlatSelector>.allocate(capacity: pairs.count - 1)
        for (index, pair) in pairs.dropFirst().enumerated() {
            unsafe (memory + index).initialize(to: FlatSelector(pair))
        }
        unsafe others = memory
    }

    func deallocate() { unsafe others?.deallocate() }

    var count: Int { Int(otherCount) + 1 }

    /// Precondition: `index` is below `count`.
    subscript(index: Int) -> FlatSelector {
        guard index > 0, let others = unsafe others else { return first }
        return unsafe others[index - 1]
    }

    /// Whether both name the same, in the same order.
    func isEqual(to other: SelectorList) -> Bool {
        count == other.count && (0..<count).allSatisfy { self[$0] == other[$0] }
    }

    @inline(__always)
    func matches(_ query: PolicyQuery) -> Bool {
        if otherCount >= 0, first.matches(query) { return true }
        return otherCount > 0 && othersMatch(query)
    }

    @inline(never)
    private func othersMatch(_ query: PolicyQuery) -> Bool {
        guard let others = unsafe others else { return false }
        for index in 0..<Int(otherCount) where unsafe others[index].matches(query) {
            return true
        }
        return false
    }

    /// As `matches`, by those alone that are not for packets whose ports cannot be seen.
    @inline(never)
    func matchesWithoutOpaque(_ query: PolicyQuery) -> Bool {
        (0..<count).contains { !self[$0].isOpaque && self[$0].matches(query) }
    }

    @inline(__always)
    func matchesOutbound(_ packet: InnerPacket) -> Bool { matches(PolicyQuery(outbound: packet)) }

    @inline(__always)
    func matchesInbound(_ packet: InnerPacket) -> Bool { matches(PolicyQuery(inbound: packet)) }
}
