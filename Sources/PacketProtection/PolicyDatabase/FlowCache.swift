/// What is to be done with the packets of a flow.
struct FlowDecision: Equatable {
    enum Kind: UInt8 {
        case protect
        /// Protect, but no SA covers the packet yet.
        case acquire
        case discard
        case bypass
        case noPolicy
        /// What carries the tunnel would enter it.
        case routedIntoItself
    }

    var kind: Kind
    /// Where the database has its notes about the policy; -1 for none.
    var policy: Int32
    /// Slot of the SA where the kind is `protect`.
    var slot: Int32

    /// Whether it may be another one when the SAs of the policy are others.
    @inline(__always)
    var hangsOnSAs: Bool {
        switch kind {
        case .protect, .acquire: true
        case .discard, .bypass: false
        case .noPolicy, .routedIntoItself: policy >= 0
        }
    }
}

/// Remembers the decision for the last packets' exact tuples, so that the policy database is
/// searched once a flow.
///
/// Another policy database makes every entry stale at once, a change of one policy's SAs those of its
/// flows: the entry has the policy's generation, which the caller compares.
@safe struct FlowCache: ~Copyable {
    private struct Entry {
        var source: UInt128
        var destination: UInt128
        var ports: UInt32
        /// Protocol, version, whether ports are visible, and the device.
        var kind: UInt32
        var generation: UInt32
        var policyGeneration: UInt32
        var decision: FlowDecision
    }

    /// What is remembered, and of which generation of its policy.
    struct Remembered {
        var decision: FlowDecision
        var policyGeneration: UInt32
    }

    private let entries: UnsafeMutablePointer<Entry>
    private let mask: Int
    private var generation: UInt32 = 1

    /// Precondition: `count` is a power of two.
    init(count: Int) {
        precondition(count > 0 && count & (count - 1) == 0)
        unsafe entries = .allocate(capacity: count)
        unsafe entries.initialize(
            repeating: Entry(
                source: 0,
                destination: 0,
                ports: 0,
                kind: 0,
                generation: 0,
                policyGeneration: 0,
                decision: FlowDecision(kind: .noPolicy, policy: -1, slot: -1)
            ),
            count: count
        )
        mask = count - 1
    }

    deinit { unsafe entries.deallocate() }

    mutating func invalidate() {
        generation &+= 1
        guard generation == 0 else { return }
        // Entries of 2^32 changes ago must not come to life again.
        for index in 0...mask { unsafe entries[index].generation = 0 }
        generation = 1
    }

    @inline(__always)
    func find(_ packet: InnerPacket) -> Remembered? {
        let entry = unsafe entries + slot(packet)
        guard unsafe entry.pointee.generation == generation,
            unsafe entry.pointee.destination == packet.destination,
            unsafe entry.pointee.source == packet.source,
            unsafe entry.pointee.ports == packet.ports,
            unsafe entry.pointee.kind == packet.kind
        else { return nil }
        return unsafe Remembered(
            decision: entry.pointee.decision,
            policyGeneration: entry.pointee.policyGeneration
        )
    }

    @inline(__always)
    mutating func remember(
        _ packet: InnerPacket,
        _ decision: FlowDecision,
        policyGeneration: UInt32
    ) {
        unsafe entries[slot(packet)] = Entry(
            source: packet.source,
            destination: packet.destination,
            ports: packet.ports,
            kind: packet.kind,
            generation: generation,
            policyGeneration: policyGeneration,
            decision: decision
        )
    }

    @inline(__always)
    private func slot(_ packet: InnerPacket) -> Int {
        var hash = UInt64(truncatingIfNeeded: packet.source ^ packet.source >> 64)
        hash = hash &* 0x9e37_79b9_7f4a_7c15
        hash ^= UInt64(truncatingIfNeeded: packet.destination ^ packet.destination >> 64)
        hash = (hash ^ hash >> 29) &* 0xbf58_476d_1ce4_e5b9
        hash ^= UInt64(packet.ports) << 8 | UInt64(packet.ipProtocol) | UInt64(packet.device) << 48
        hash = (hash ^ hash >> 32) &* 0x94d0_49bb_1331_11eb
        return Int(truncatingIfNeeded: hash >> 33) & mask
    }
}
