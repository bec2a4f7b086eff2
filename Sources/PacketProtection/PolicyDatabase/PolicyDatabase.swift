/// The ordered policy database of the outbound direction (SPD-S and SPD-O of RFC 4301 §4.4.1).
///
/// Entries are tried in order and the first match decides; the flow cache stands before it.
@safe struct PolicyDatabase: ~Copyable {
    /// One policy, with what the worker notes about it.
    struct Policy {
        var identifier: UInt32
        var action: PolicyAction
        /// First of the list of usable SAs, the preferred first; -1 for none.
        var firstSlot: Int32 = -1
        var lastAcquire: UInt64 = 0
        var hasAcquired = false
        var heldPackets = 0
        var heldOctets = 0
    }

    private var selectors: UnsafeMutablePointer<FlatSelector>
    private var selectorCount = 0
    private(set) var policies: UnsafeMutablePointer<Policy>
    private(set) var count = 0
    private var indexOfIdentifier: [UInt32: Int] = [:]

    init() {
        unsafe selectors = .allocate(capacity: 1)
        unsafe policies = .allocate(capacity: 1)
    }

    deinit {
        unsafe selectors.deallocate()
        unsafe policies.deallocate()
    }

    mutating func replace(_ entries: [PolicyEntry]) {
        unsafe selectors.deallocate()
        unsafe policies.deallocate()
        count = entries.count
        selectorCount = entries.reduce(0) { $0 + $1.selectors.count }
        unsafe selectors = .allocate(capacity: max(selectorCount, 1))
        unsafe policies = .allocate(capacity: max(count, 1))
        indexOfIdentifier = [:]
        var next = 0
        for (index, entry) in entries.enumerated() {
            unsafe (policies + index).initialize(
                to: Policy(identifier: entry.identifier.rawValue, action: entry.action)
            )
            indexOfIdentifier[entry.identifier.rawValue] = index
            for pair in entry.selectors {
                unsafe (selectors + next).initialize(to: FlatSelector(pair, owner: index))
                next += 1
            }
        }
    }

    /// Index of the first policy that covers the packet; -1 for none.
    @inline(__always)
    func lookUp(_ packet: InnerPacket) -> Int {
        for index in 0..<selectorCount where unsafe selectors[index].matchesOutbound(packet) {
            return Int(unsafe selectors[index].owner)
        }
        return -1
    }

    /// Index of a policy by its name; -1 for none. For commands, not for packets.
    func index(of identifier: UInt32) -> Int { indexOfIdentifier[identifier] ?? -1 }
}
