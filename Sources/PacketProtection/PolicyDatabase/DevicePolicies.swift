/// The policy of each device that has one for itself: its packets have no other.
@safe struct DevicePolicies: ~Copyable {
    private struct Entry {
        var identifier: UInt32
        var isUsed: Bool
        var selectors: SelectorList
    }

    private var entries: UnsafeMutablePointer<Entry>
    private var count = 0

    init() { unsafe entries = .allocate(capacity: 1) }

    deinit {
        for index in 0..<count { unsafe entries[index].selectors.deallocate() }
        unsafe entries.deallocate()
    }

    /// Takes `CompiledPolicies.ownDevices`; of several of one device the first counts.
    mutating func replace(_ policies: [PolicyEntry]) {
        for index in 0..<count { unsafe entries[index].selectors.deallocate() }
        unsafe entries.deallocate()
        let own = policies.filter { $0.device.rawValue < DeviceNumber.limit }
        count = own.map { Int($0.device.rawValue) + 1 }.max() ?? 0
        unsafe entries = .allocate(capacity: max(count, 1))
        for index in 0..<count {
            unsafe (entries + index).initialize(
                to: Entry(identifier: 0, isUsed: false, selectors: SelectorList([]))
            )
        }
        for policy in own {
            let entry = unsafe entries + Int(policy.device.rawValue)
            guard unsafe !entry.pointee.isUsed else { continue }
            unsafe entry.pointee.selectors.deallocate()
            unsafe entry.pointee = Entry(
                identifier: policy.identifier.rawValue,
                isUsed: true,
                selectors: SelectorList(policy.selectors)
            )
        }
    }

    /// The policy of the device that the packet was read from; nil where that covers it not.
    @inline(__always)
    func lookUp(_ packet: InnerPacket) -> UInt32? {
        lookUp(PolicyQuery(outbound: packet), device: packet.device)
    }

    @inline(__always)
    func lookUp(_ query: PolicyQuery, device: UInt16) -> UInt32? {
        let index = Int(device)
        guard index < count, unsafe entries[index].isUsed,
            unsafe entries[index].selectors.matches(query)
        else { return nil }
        return unsafe entries[index].identifier
    }
}
