internal import IPsecPrimitives

// Packets that wait for their SA (RFC 4301 §4.4.1: the packet that brings a tunnel up need not be
// lost).
extension OutboundProcessor {
    /// A second acquire for a policy waits for so long.
    private static let acquireInterval: UInt64 = 1_000_000_000

    @inline(never)
    mutating func hold(
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        _ packet: InnerPacket,
        policy: Int,
        at now: UInt64
    ) {
        let entry = unsafe database.policies + policy
        if packet.isLaterFragment, !packet.hasPorts, unsafe entry.pointee.needsPorts {
            return drops.count(.fragmentWithoutPorts)
        }
        if packet.isLinkHousekeeping { return drops.count(.linkHousekeeping) }
        acquire(packet, policy: policy, at: now)
        unsafe keep(frame, byteCount: byteCount, packet, policy: policy, at: now)
    }

    /// Holds a packet without asking for an SA.
    mutating func keep(
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        _ packet: InnerPacket,
        policy: Int,
        at now: UInt64
    ) {
        let entry = unsafe database.policies + policy
        guard
            unsafe held.hold(
                frame,
                byteCount: byteCount,
                policy: entry.pointee.identifier,
                flow: HeldFlow(packet.tuple),
                device: packet.device,
                mark: mark,
                since: now,
                octetsOfPolicy: entry.pointee.heldOctets,
                packetsOfPolicy: Int(entry.pointee.heldPackets)
            )
        else { return drops.count(.holdQueueFull) }
        unsafe entry.pointee.heldPackets += 1
        unsafe entry.pointee.heldOctets += byteCount
    }

    /// Tells control that a packet needs an SA, unless it has heard so of the policy lately, or of the
    /// two hosts where each pair of hosts may get its own: the peer may refuse it to one of them.
    mutating func acquire(_ packet: InnerPacket, policy: Int, at now: UInt64) {
        let entry = unsafe database.policies + policy
        // Where there is no room the next packet asks.
        guard events.hasRoom else { return }
        let identifier = PolicyIdentifier(rawValue: unsafe entry.pointee.identifier)
        let tuple = packet.tuple
        if unsafe entry.pointee.asksByFlow {
            guard
                flowAcquires.take(
                    HeldFlow(tuple),
                    of: identifier.rawValue,
                    at: now,
                    every: OutboundProcessor.acquireInterval
                )
            else { return }
        } else {
            guard
                unsafe !entry.pointee.hasAcquired
                    || now &- entry.pointee.lastAcquire >= OutboundProcessor.acquireInterval
            else { return }
            unsafe entry.pointee.hasAcquired = true
            unsafe entry.pointee.lastAcquire = now
        }
        events.post(.acquire(identifier, tuple))
    }

    mutating func removeHeld(at index: Int) {
        let entry = held.entries[index]
        let policy = database.index(of: entry.policy)
        if policy >= 0 {
            unsafe database.policies[policy].heldPackets -= 1
            unsafe database.policies[policy].heldOctets -= entry.byteCount
        }
        held.remove(at: index)
    }

    /// - Parameter flow: nil: all that waits for the policy.
    mutating func dropHeld(of policy: PolicyIdentifier, _ flow: HeldFlow?, at now: Instant) {
        var index = 0
        while index < held.entries.count {
            let entry = held.entries[index]
            if entry.policy == policy.rawValue, flow == nil || flow == entry.flow {
                traceHeldDrop(index, .holdAbandoned, at: now)
                removeHeld(at: index)
                drops.count(.holdAbandoned)
            } else {
                index += 1
            }
        }
        if releaseCursor != nil { releaseCursor = 0 }
    }

    /// After the policies were replaced: the packets of those that are gone go too, the others
    /// are counted anew.
    mutating func recountHeld(at now: Instant) {
        var index = 0
        while index < held.entries.count {
            let policy = database.index(of: held.entries[index].policy)
            if policy < 0 {
                traceHeldDrop(index, .holdAbandoned, at: now)
                held.remove(at: index)
                drops.count(.holdAbandoned)
                continue
            }
            unsafe database.policies[policy].heldPackets += 1
            unsafe database.policies[policy].heldOctets += held.entries[index].byteCount
            index += 1
        }
    }
}
