internal import CPacketCipher

/// What is to be done with the packets of a flow.
struct FlowDecision: Equatable {
    enum Kind: UInt8 {
        case protect
        /// Protect, but no SA covers the packet yet.
        case acquire
        /// Another worker's: the home of the policy, which `slot` names.
        case handOver
        case discard
        case bypass
        case noPolicy
        /// What carries the tunnel would enter it.
        case routedIntoItself
    }

    var kind: Kind
    /// Where the database has its notes about the policy; -1 for none.
    var policy: Int32
    /// Slot of the SA where the kind is `protect`, index of the worker where it is `handOver`.
    var slot: Int32

    /// Whether the packet's own selectors give it no SA.
    var isTurnedAway: Bool {
        switch kind {
        case .protect, .acquire, .handOver: false
        case .discard, .bypass, .noPolicy, .routedIntoItself: true
        }
    }

    /// Whether it may be another one when the SAs of the policy are others.
    @inline(__always)
    var hangsOnSAs: Bool {
        switch kind {
        case .protect, .acquire, .handOver: true
        case .discard, .bypass: false
        case .noPolicy, .routedIntoItself: policy >= 0
        }
    }
}

/// Remembers the decision for the last packets' exact tuples, so that the policy database is
/// searched once a flow.
///
/// A tuple has two places, beside one another in memory. Where an SA is for some code points alone, a
/// packet's own is part of it.
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

    private var entries: UnsafeMutablePointer<Entry>
    private var mask: Int
    /// The bits of the traffic class by which flows differ: those of the DSCP, or none.
    private var classMask: UInt8 = 0
    private var generation: UInt32 = 1

    /// Precondition: `count` is a power of two, and not 1.
    init(count: Int) {
        precondition(count > 1 && count & (count - 1) == 0)
        unsafe entries = FlowCache.empty(count)
        mask = count - 1
    }

    deinit { unsafe cygnet_table_release(entries, FlowCache.octets(mask + 1)) }

    private static func octets(_ count: Int) -> Int { count * MemoryLayout<Entry>.stride }

    /// Zeros are entries of a generation that never is.
    private static func empty(_ count: Int) -> UnsafeMutablePointer<Entry> {
        let table = unsafe cygnet_table_reserve(octets(count))!
        _ = unsafe cygnet_table_extend(table, 0, octets(count), octets(count))
        return unsafe table.bindMemory(to: Entry.self, capacity: count)
    }

    /// Has at least an entry for each of `flows`, so that as many remember what was decided. It only
    /// grows, and then begins anew: by doubling, so that this is seldom.
    mutating func makeRoom(for flows: Int) {
        guard flows > mask + 1 else { return }
        unsafe cygnet_table_release(entries, FlowCache.octets(mask + 1))
        let count = flows.nextPowerOfTwo * 2
        unsafe entries = FlowCache.empty(count)
        mask = count - 1
    }

    /// Whether packets that differ in nothing but their DSCP are of different flows.
    ///
    /// Without, a flow is remembered as one whose DSCP is 0: where an SA asks for the distinction, or the
    /// last one that did goes, what hangs on it is of another generation anyway.
    var tellsCodePoints: Bool {
        get { classMask != 0 }
        set { classMask = newValue ? 0xfc : 0 }
    }

    mutating func invalidate() {
        generation &+= 1
        guard generation == 0 else { return }
        // Entries of 2^32 changes ago must not come to life again.
        for index in 0...mask { unsafe entries[index].generation = 0 }
        generation = 1
    }

    /// Asks for the memory that `find` will read.
    @inline(__always)
    func prefetch(_ packet: InnerPacket) {
        let first = slot(packet, packet.kind(classMask: classMask)) & ~1
        unsafe cygnet_prefetch(entries + first, 2 * MemoryLayout<Entry>.stride)
    }

    @inline(__always)
    func find(_ packet: InnerPacket) -> Remembered? {
        let kind = packet.kind(classMask: classMask)
        let slot = slot(packet, kind)
        var entry = unsafe entries + slot
        if unsafe !isOf(packet, kind, entry) {
            unsafe entry = entries + (slot ^ 1)
            guard unsafe isOf(packet, kind, entry) else { return nil }
        }
        return unsafe Remembered(
            decision: entry.pointee.decision,
            policyGeneration: entry.pointee.policyGeneration
        )
    }

    @inline(__always)
    private func isOf(
        _ packet: InnerPacket,
        _ kind: UInt32,
        _ entry: UnsafeMutablePointer<Entry>
    ) -> Bool {
        unsafe entry.pointee.generation == generation
            && entry.pointee.destination == packet.destination
            && entry.pointee.source == packet.source
            && entry.pointee.ports == packet.ports
            && entry.pointee.kind == kind
    }

    @inline(__always)
    mutating func remember(
        _ packet: InnerPacket,
        _ decision: FlowDecision,
        policyGeneration: UInt32
    ) {
        let kind = packet.kind(classMask: classMask)
        let slot = slot(packet, kind)
        // What was decided last comes first; what stood there moves aside, unless it is this one.
        if unsafe entries[slot].generation == generation,
            unsafe !isOf(packet, kind, entries + slot)
        {
            unsafe entries[slot ^ 1] = entries[slot]
        }
        unsafe entries[slot] = Entry(
            source: packet.source,
            destination: packet.destination,
            ports: packet.ports,
            kind: kind,
            generation: generation,
            policyGeneration: policyGeneration,
            decision: decision
        )
    }

    @inline(__always)
    private func slot(_ packet: InnerPacket, _ kind: UInt32) -> Int {
        var hash = UInt64(truncatingIfNeeded: packet.source ^ packet.source >> 64)
        hash = hash &* 0x9e37_79b9_7f4a_7c15
        hash ^= UInt64(truncatingIfNeeded: packet.destination ^ packet.destination >> 64)
        hash = (hash ^ hash >> 29) &* 0xbf58_476d_1ce4_e5b9
        hash ^= UInt64(packet.ports) << 32 | UInt64(kind)
        hash = (hash ^ hash >> 32) &* 0x94d0_49bb_1331_11eb
        return Int(truncatingIfNeeded: hash >> 33) & mask
    }
}
