internal import IPsecPrimitives

/// Which outbound SAs each policy's packets may take, the one activated last first (make before
/// break), for SAs that carry less than their policy (RFC 7296 §2.9) too.
///
/// Of those that carry a packet, one that is for its DSCP goes before one that is for none in
/// particular (RFC 4301 §4.1). One for others is still better than none: which packets go by which
/// SA is no matter of protection.
///
/// A policy with few SAs has them in a list that is walked; where they are many, an index by
/// addresses is made besides, so that one policy may have a hundred thousand. To enter or to leave
/// takes as long whatever the number of SAs is.
@safe struct UsableAssociations: ~Copyable {
    private struct Link {
        var next: Int32
        var previous: Int32
        /// Where the notes about its policy are; -1 while it is not usable.
        var policy: Int32
        /// Where they are while it waits to be usable; -1 once it was.
        var awaitedBy: Int32
        /// First of its nodes in the index; -1 for none.
        var firstNode: Int32
    }

    private let links: UnsafeMutablePointer<Link>
    private var index = SelectorIndex()
    private var lastActivation: UInt64 = 0
    /// Usable SAs that are for some code points alone, of all policies.
    private(set) var classCount = 0

    /// With more SAs than this a policy gets an index, with half as many it loses it.
    private static let longestList: Int32 = 2

    /// Room for slots below `capacity`.
    init(capacity: Int) {
        unsafe links = .allocate(capacity: capacity)
    }

    deinit { unsafe links.deallocate() }

    /// Takes note of an SA that is not usable yet.
    func enter(
        _ slot: Int,
        _ associations: UnsafeMutablePointer<OutboundSA>,
        _ database: inout PolicyDatabase
    ) {
        let place = database.note(unsafe associations[slot].policy)
        unsafe database.policies[place].awaitedSAs += 1
        unsafe (links + slot).initialize(
            to: Link(next: -1, previous: -1, policy: -1, awaitedBy: Int32(place), firstNode: -1)
        )
    }

    /// It waits no longer.
    private func leaveWaiting(_ slot: Int, _ database: inout PolicyDatabase) {
        let place = unsafe links[slot].awaitedBy
        guard place >= 0 else { return }
        unsafe links[slot].awaitedBy = -1
        unsafe database.policies[Int(place)].awaitedSAs -= 1
        database.forgetIfUnused(Int(place))
    }

    /// Puts an SA in front of those of its policy. One that is usable moves there.
    mutating func activate(
        _ slot: Int,
        _ associations: UnsafeMutablePointer<OutboundSA>,
        _ database: inout PolicyDatabase
    ) {
        unsafe takeOut(slot, associations, &database)
        let place = database.note(unsafe associations[slot].policy)
        let policy = unsafe database.policies + place
        let first = unsafe policy.pointee.firstSlot
        lastActivation += 1
        unsafe links[slot] = Link(
            next: first,
            previous: -1,
            policy: Int32(place),
            awaitedBy: links[slot].awaitedBy,
            firstNode: -1
        )
        if first >= 0 { unsafe links[Int(first)].previous = Int32(slot) }
        unsafe policy.pointee.firstSlot = Int32(slot)
        unsafe policy.pointee.usableSAs += 1
        unsafe policy.pointee.generation &+= 1
        if unsafe !associations[slot].codePoints.isEmpty {
            unsafe policy.pointee.classSAs += 1
            classCount += 1
        }
        // Once the policy has the SA, which would be forgotten with the last that waits.
        leaveWaiting(slot, &database)
        if unsafe policy.pointee.isIndexed {
            unsafe addToIndex(slot, associations, policy)
        } else if unsafe policy.pointee.usableSAs > UsableAssociations.longestList {
            unsafe makeIndex(associations, policy)
        }
    }

    /// Makes an SA unusable.
    mutating func remove(
        _ slot: Int,
        _ associations: UnsafeMutablePointer<OutboundSA>,
        _ database: inout PolicyDatabase
    ) {
        leaveWaiting(slot, &database)
        let policy = unsafe links[slot].policy
        guard policy >= 0 else { return }
        unsafe takeOut(slot, associations, &database)
        database.forgetIfUnused(Int(policy))
    }

    /// An SA has changed in what decides about packets: what is remembered of its policy's is looked at
    /// anew.
    func noteChange(_ slot: Int, _ database: inout PolicyDatabase) {
        let policy = unsafe links[slot].policy
        guard policy >= 0 else { return }
        unsafe database.policies[Int(policy)].generation &+= 1
    }

    /// The SA activated last of those that carry the packet; -1 for none.
    @inline(__always)
    func select(
        _ query: PolicyQuery,
        codePoint: UInt8,
        policy place: Int,
        _ associations: UnsafeMutablePointer<OutboundSA>,
        _ database: borrowing PolicyDatabase
    ) -> Int32 {
        let policy = unsafe database.policies + place
        if unsafe policy.pointee.classSAs > 0 {
            return unsafe selectOfClass(query, codePoint, place, associations, policy)
        }
        if unsafe policy.pointee.isIndexed {
            return unsafe selectByIndex(query, place, associations, policy)
        }
        var slot = unsafe policy.pointee.firstSlot
        while slot >= 0 {
            if unsafe associations[Int(slot)].selectors.matches(query) { return slot }
            slot = unsafe links[Int(slot)].next
        }
        return -1
    }

    private func selectByIndex(
        _ query: PolicyQuery,
        _ place: Int,
        _ associations: UnsafeMutablePointer<OutboundSA>,
        _ policy: UnsafeMutablePointer<PolicyDatabase.Policy>
    ) -> Int32 {
        var best: Int32 = -1
        var activation: UInt64 = 0
        let count = unsafe Int(policy.pointee.shapes.count)
        guard let shapes = unsafe policy.pointee.shapes.shapes else { return -1 }
        if count == 1 { return unsafe selectOfShape(query, place, associations, shapes[0]) }
        for each in 0..<count where unsafe shapes[each].isV4 == query.isV4 {
            let key = unsafe SelectorIndex.key(
                local: query.local,
                remote: query.remote,
                shape: shapes[each],
                policy: place
            )
            var node = index.find(key).node
            while node >= 0 {
                let candidate = unsafe index.nodes + Int(node)
                // Those behind were activated earlier still.
                if unsafe candidate.pointee.activation <= activation { break }
                let slot = unsafe candidate.pointee.slot
                if unsafe associations[Int(slot)].selectors.matches(query) {
                    best = slot
                    activation = unsafe candidate.pointee.activation
                    break
                }
                node = unsafe candidate.pointee.next
            }
        }
        return best
    }

    /// As above where all selectors have one shape: the first that covers is the one.
    private func selectOfShape(
        _ query: PolicyQuery,
        _ place: Int,
        _ associations: UnsafeMutablePointer<OutboundSA>,
        _ shape: SelectorShapes.Shape
    ) -> Int32 {
        guard shape.isV4 == query.isV4 else { return -1 }
        let key = SelectorIndex.key(
            local: query.local,
            remote: query.remote,
            shape: shape,
            policy: place
        )
        let found = index.find(key)
        guard found.node >= 0 else { return -1 }
        if unsafe associations[Int(found.slot)].selectors.matches(query) { return found.slot }
        var node = unsafe index.nodes[Int(found.node)].next
        while node >= 0 {
            let slot = unsafe index.nodes[Int(node)].slot
            if unsafe associations[Int(slot)].selectors.matches(query) { return slot }
            node = unsafe index.nodes[Int(node)].next
        }
        return -1
    }

    /// How well an SA suits a packet that it carries.
    private struct Suitability {
        /// 2: it is for the packet's DSCP, 1: for none in particular, 0: for others.
        let rank: UInt8
        let activation: UInt64

        init(_ codePoints: CodePointSet, _ codePoint: UInt8, activation: UInt64) {
            rank = codePoints.contains(codePoint) ? 2 : codePoints.isEmpty ? 1 : 0
            self.activation = activation
        }

        func exceeds(_ other: Suitability) -> Bool {
            rank != other.rank ? rank > other.rank : activation > other.activation
        }
    }

    /// As `select`, for a policy with SAs that are for some code points alone.
    @inline(never)
    private func selectOfClass(
        _ query: PolicyQuery,
        _ codePoint: UInt8,
        _ place: Int,
        _ associations: UnsafeMutablePointer<OutboundSA>,
        _ policy: UnsafeMutablePointer<PolicyDatabase.Policy>
    ) -> Int32 {
        var best: Int32 = -1
        var suitability: Suitability?
        func consider(_ slot: Int32, activation: UInt64) {
            let association = unsafe associations + Int(slot)
            let own = Suitability(
                unsafe association.pointee.codePoints,
                codePoint,
                activation: activation
            )
            guard suitability.map({ own.exceeds($0) }) ?? true,
                unsafe association.pointee.selectors.matches(query)
            else { return }
            best = slot
            suitability = own
        }
        guard unsafe policy.pointee.isIndexed, let shapes = unsafe policy.pointee.shapes.shapes
        else {
            var slot = unsafe policy.pointee.firstSlot
            // The one activated last comes first.
            var activation = UInt64.max
            while slot >= 0 {
                consider(slot, activation: activation)
                activation -= 1
                slot = unsafe links[Int(slot)].next
            }
            return best
        }
        for each in 0..<(unsafe Int(policy.pointee.shapes.count))
        where unsafe shapes[each].isV4 == query.isV4 {
            let key = unsafe SelectorIndex.key(
                local: query.local,
                remote: query.remote,
                shape: shapes[each],
                policy: place
            )
            var node = index.find(key).node
            while node >= 0 {
                let candidate = unsafe index.nodes + Int(node)
                consider(
                    unsafe candidate.pointee.slot,
                    activation: unsafe candidate.pointee.activation
                )
                node = unsafe candidate.pointee.next
            }
        }
        return best
    }

    private mutating func takeOut(
        _ slot: Int,
        _ associations: UnsafeMutablePointer<OutboundSA>,
        _ database: inout PolicyDatabase
    ) {
        let link = unsafe links[slot]
        guard link.policy >= 0 else { return }
        let policy = unsafe database.policies + Int(link.policy)
        if link.next >= 0 { unsafe links[Int(link.next)].previous = link.previous }
        if link.previous >= 0 {
            unsafe links[Int(link.previous)].next = link.next
        } else {
            unsafe policy.pointee.firstSlot = link.next
        }
        unsafe policy.pointee.usableSAs -= 1
        if unsafe !associations[slot].codePoints.isEmpty {
            unsafe policy.pointee.classSAs -= 1
            classCount -= 1
        }
        unsafe policy.pointee.generation &+= 1
        unsafe removeFromIndex(slot, associations, policy)
        unsafe links[slot] = Link(
            next: -1,
            previous: -1,
            policy: -1,
            awaitedBy: -1,
            firstNode: -1
        )
        if unsafe policy.pointee.isIndexed,
            unsafe policy.pointee.usableSAs <= UsableAssociations.longestList / 2
        {
            unsafe policy.pointee.isIndexed = false
            var other = unsafe policy.pointee.firstSlot
            while other >= 0 {
                unsafe removeFromIndex(Int(other), associations, policy)
                other = unsafe links[Int(other)].next
            }
        }
    }

    private mutating func makeIndex(
        _ associations: UnsafeMutablePointer<OutboundSA>,
        _ policy: UnsafeMutablePointer<PolicyDatabase.Policy>
    ) {
        unsafe policy.pointee.isIndexed = true
        // From the one activated first, so that the lists of the index are in the same order.
        var slot = unsafe policy.pointee.firstSlot
        while unsafe links[Int(slot)].next >= 0 { slot = unsafe links[Int(slot)].next }
        let newest = lastActivation
        lastActivation += unsafe UInt64(policy.pointee.usableSAs)
        var rank = newest
        while slot >= 0 {
            rank += 1
            unsafe addToIndex(Int(slot), associations, policy, rank: rank)
            slot = unsafe links[Int(slot)].previous
        }
    }

    private mutating func addToIndex(
        _ slot: Int,
        _ associations: UnsafeMutablePointer<OutboundSA>,
        _ policy: UnsafeMutablePointer<PolicyDatabase.Policy>,
        rank: UInt64? = nil
    ) {
        let place = unsafe Int(links[slot].policy)
        for each in 0..<(unsafe associations[slot].selectors.count) {
            let selector = unsafe associations[slot].selectors[each]
            unsafe policy.pointee.shapes.add(SelectorIndex.shape(of: selector))
            unsafe links[slot].firstNode = index.insert(
                SelectorIndex.key(of: selector, policy: place),
                activation: rank ?? lastActivation,
                slot: Int32(slot),
                sibling: links[slot].firstNode
            )
        }
    }

    private mutating func removeFromIndex(
        _ slot: Int,
        _ associations: UnsafeMutablePointer<OutboundSA>,
        _ policy: UnsafeMutablePointer<PolicyDatabase.Policy>
    ) {
        var node = unsafe links[slot].firstNode
        guard node >= 0 else { return }
        while node >= 0 { node = index.remove(node) }
        unsafe links[slot].firstNode = -1
        for each in 0..<(unsafe associations[slot].selectors.count) {
            let selector = unsafe associations[slot].selectors[each]
            unsafe policy.pointee.shapes.remove(SelectorIndex.shape(of: selector))
        }
    }
}
