/// The ordered policy database of the outbound direction, and what the worker notes about each
/// policy: entries are told apart by `CompiledPolicies`, the first match decides.
///
/// The notes outlive a change of the database, and SAs hang on them: such a change takes time in
/// proportion to the policies, not to the SAs.
@safe struct PolicyDatabase: ~Copyable {
    /// What the worker notes about one policy.
    struct Policy {
        var identifier: UInt32
        /// Whether the database has it; otherwise only SAs keep it.
        var isListed = false
        /// Whether packets that show no ports have no SA to wait for.
        var needsPorts = false
        /// Whether each pair of hosts asks for SAs.
        var asksByFlow = false
        /// First of the usable SAs, the one activated last; -1 for none.
        var firstSlot: Int32 = -1
        var usableSAs: Int32 = 0
        /// How many of them are for some code points alone.
        var classSAs: Int32 = 0
        /// SAs that are installed and wait to be used.
        var awaitedSAs: Int32 = 0
        /// Whether `SelectorIndex` has them, because they are many.
        var isIndexed = false
        /// How often what is decided about its packets has changed.
        var generation: UInt32 = 0
        var lastAcquire: UInt64 = 0
        var hasAcquired = false
        var heldPackets: Int32 = 0
        var heldOctets = 0
        /// Place of its shaper in the traffic plan; -1 for none.
        var shaper: Int32 = -1
        /// Of what `SelectorIndex` has of them.
        var shapes = SelectorShapes()
    }

    /// One entry of the order: what is to be done, and where the notes are.
    struct Entry {
        var policy: Int32
        var action: PolicyAction
    }

    private var compiled = CompiledPolicies([])
    /// The same as `compiled`'s, at hand without counting references.
    private var tree: PolicyTree
    private(set) var policies: UnsafeMutablePointer<Policy>
    private var capacity = 16
    /// One above the highest place that was ever in use.
    private var end = 0
    private var free: [Int32] = []
    private var placeOfIdentifier = NumberTable()
    private var entries: UnsafeMutablePointer<Entry>

    init() {
        tree = compiled.tree
        unsafe policies = .allocate(capacity: capacity)
        unsafe entries = .allocate(capacity: 1)
    }

    deinit {
        for place in 0..<end { unsafe policies[place].shapes.deallocate() }
        unsafe policies.deallocate()
        unsafe entries.deallocate()
    }

    /// The identifier of the entry that stands for what no other covers.
    var remainder: UInt32? { compiled.remainder?.rawValue }

    /// Puts another database in place. The counts of held packets begin anew.
    mutating func adopt(_ next: CompiledPolicies) {
        for place in 0..<end {
            unsafe policies[place].isListed = false
            unsafe policies[place].hasAcquired = false
            unsafe policies[place].heldPackets = 0
            unsafe policies[place].heldOctets = 0
        }
        unsafe entries.deallocate()
        unsafe entries = .allocate(capacity: max(next.count, 1))
        for index in 0..<next.count {
            let place = note(next.identifiers[index].rawValue)
            unsafe policies[place].isListed = true
            unsafe policies[place].needsPorts = next.needPorts[index]
            unsafe policies[place].asksByFlow = next.askByFlow[index]
            unsafe entries[index] = Entry(policy: Int32(place), action: next.actions[index])
        }
        compiled = next
        tree = next.tree
        for place in 0..<end { forgetIfUnused(place) }
    }

    /// The first entry that covers the packet.
    @inline(__always)
    func lookUp(_ query: PolicyQuery) -> Entry? {
        let index = tree.lookUp(query)
        return index < 0 ? nil : unsafe entries[index]
    }

    /// Where the notes of a policy are that the database has; -1 for none.
    func index(of identifier: UInt32) -> Int {
        let place = placeOfIdentifier.find(identifier)
        return place >= 0 && (unsafe policies[place].isListed) ? place : -1
    }

    /// Where the notes of a policy are; they are begun where there are none.
    mutating func note(_ identifier: UInt32) -> Int {
        let known = placeOfIdentifier.find(identifier)
        if known >= 0 { return known }
        let place: Int
        var generation: UInt32 = 0
        if let old = free.popLast() {
            place = Int(old)
            // What was decided about another policy's packets must not come to life again.
            generation = unsafe policies[place].generation &+ 1
        } else {
            if end == capacity { grow() }
            place = end
            end += 1
        }
        unsafe (policies + place).initialize(to: Policy(identifier: identifier))
        unsafe policies[place].generation = generation
        placeOfIdentifier.insert(identifier, place)
        return place
    }

    /// Says which shaper each policy has; those that are not named have none.
    mutating func assignShapers(_ plan: TrafficPlan) {
        for place in 0..<end { unsafe policies[place].shaper = -1 }
        for (shaper, entry) in plan.shapers.enumerated() {
            for policy in entry.policies {
                let place = index(of: policy.rawValue)
                if place >= 0 { unsafe policies[place].shaper = Int32(shaper) }
            }
        }
    }

    /// Ends the notes of a policy that neither the database nor an SA needs.
    mutating func forgetIfUnused(_ place: Int) {
        let policy = unsafe policies[place]
        guard !policy.isListed, policy.usableSAs == 0, policy.awaitedSAs == 0,
            placeOfIdentifier.find(policy.identifier) == place
        else { return }
        unsafe policies[place].shapes.deallocate()
        unsafe policies[place].shapes = SelectorShapes()
        placeOfIdentifier.remove(policy.identifier)
        free.append(Int32(place))
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Policy>.allocate(capacity: capacity * 2)
        unsafe larger.moveInitialize(from: policies, count: end)
        unsafe policies.deallocate()
        unsafe policies = larger
        capacity *= 2
    }
}
