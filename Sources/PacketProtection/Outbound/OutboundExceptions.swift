internal import IPsecPrimitives

// Packets that their own selectors do not lead to the right SA: fragments behind the first, which have
// no ports (RFC 4301 §7), and errors about packets that came by an SA (RFC 4301 §6.2).
extension OutboundProcessor {
    /// What becomes of a fragment besides the way of every packet; false where it goes that way.
    ///
    /// All fragments of one packet are one worker's: the kernel chooses the queue of a device by what
    /// each of them has, which are the addresses.
    @inline(never)
    mutating func takeFragment(
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        _ packet: InnerPacket,
        at now: UInt64
    ) -> Bool {
        let bytes = unsafe frame + OffloadHeader.length
        if packet.isLaterFragment, assembly.openCount > 0,
            unsafe assembly.hasBegun(bytes, packet, at: now)
        {
            unsafe assemble(bytes, packet, at: now)
            return true
        }
        guard let part = unsafe FragmentPart(bytes, packet) else { return false }
        guard packet.isLaterFragment else {
            if packet.hasPorts { fragments.note(packet, part, policy: 0, mark: mark, at: now) }
            return false
        }
        guard let first = fragments.find(packet, part, at: now) else { return false }
        return unsafe follow(first, frame, byteCount: byteCount, packet, part, at: now)
    }

    /// Sends a fragment by the SA of the first, where that SA carries it.
    private mutating func follow(
        _ first: KnownFragments.First,
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        _ packet: InnerPacket,
        _ part: FragmentPart,
        at now: UInt64
    ) -> Bool {
        let whole = packet.showing(first)
        let decision = decide(whole)
        switch decision.kind {
        case .discard:
            drops.count(.policyDiscard)
            return true
        case .protect:
            let association = unsafe associations.elements + Int(decision.slot)
            if unsafe association.pointee.carriage.isTransport { return false }
            if unsafe association.pointee.selectors.matchesOutbound(packet) { break }
            guard unsafe association.pointee.carriesLaterFragments else {
                if isCovered(packet) { return false }
                drops.count(.fragmentWithoutPorts)
                return true
            }
            guard part.offset >= first.end else {
                drops.count(.fragmentOverlap)
                return true
            }
        case .acquire:
            if isCovered(packet) { return false }
            unsafe hold(frame, byteCount: byteCount, whole, policy: Int(decision.policy), at: now)
            return true
        case .handOver:
            unsafe passOn(frame, packet, to: decision)
            return true
        case .bypass, .noPolicy, .routedIntoItself: return false
        }
        unsafe protectApart(frame, packet, slot: Int(decision.slot), at: now)
        return true
    }

    /// Whether a policy protects it as it is, without ports.
    private mutating func isCovered(_ packet: InnerPacket) -> Bool {
        let decision = decide(packet)
        return decision.kind == .protect || decision.kind == .acquire
            || decision.kind == .handOver
    }

    /// What is decided about a packet that was held: for a fragment behind the first, as the first
    /// was decided.
    @inline(never)
    mutating func decideHeld(
        _ frame: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        at now: UInt64
    ) -> FlowDecision {
        let decision = decide(packet)
        guard packet.isLaterFragment, decision.kind != .protect, decision.kind != .acquire,
            decision.kind != .handOver,
            let part = unsafe FragmentPart(frame + OffloadHeader.length, packet),
            let first = fragments.find(packet, part, at: now)
        else { return decision }
        return decide(packet.showing(first))
    }

    /// Drops what no policy protects, unless it is an error about what came by an SA, and gives away
    /// what is another worker's.
    @inline(never)
    mutating func turnAway(
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        _ packet: InnerPacket,
        _ decision: FlowDecision,
        at now: UInt64
    ) {
        if decision.kind == .handOver { return unsafe passOn(frame, packet, to: decision) }
        if let way = unsafe returnWay(frame, packet, decision) {
            switch way.kind {
            case .protect: unsafe protectApart(frame, packet, slot: Int(way.slot), at: now)
            case .acquire:
                let policy = Int(way.policy)
                unsafe keep(frame, byteCount: byteCount, packet, policy: policy, at: now)
            default: unsafe passOn(frame, packet, to: way)
            }
            return
        }
        switch decision.kind {
        case .discard: drops.count(.policyDiscard)
        case .bypass: drops.count(.policyBypass)
        case .routedIntoItself: drops.count(.routedIntoItself)
        case .noPolicy, .protect, .acquire, .handOver: drops.count(.noPolicy)
        }
    }

    /// Whether an entry says so that the operator wrote for such packets.
    private func isDiscardedByName(_ decision: FlowDecision) -> Bool {
        decision.kind == .discard
            && (unsafe database.policies[Int(decision.policy)].identifier) != database.remainder
    }

    /// RFC 4301 §6.2: the SA, or the worker that has it, which carries what answers the packet that an
    /// error is about; `acquire` where one is installed and not used yet, which the error can wait for;
    /// nil where there is none, and then none is made.
    func returnWay(
        _ frame: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ decision: FlowDecision
    ) -> FlowDecision? {
        guard decision.kind != .routedIntoItself, !isDiscardedByName(decision) else { return nil }
        let bytes = unsafe frame + OffloadHeader.length
        guard let quoted = unsafe QuotedPacket(bytes, packet), quoted.source == packet.destination
        else { return nil }
        let query = quoted.received
        let place: Int
        if packet.device == DeviceNumber.shared.rawValue {
            guard let entry = database.lookUp(query), entry.action == .protect else { return nil }
            place = Int(entry.policy)
        } else {
            place =
                devices.lookUp(query, device: packet.device).map { database.index(of: $0) } ?? -1
        }
        guard place >= 0 else { return nil }
        let slot = unsafe Int(
            usable.select(
                query,
                codePoint: packet.codePoint,
                policy: place,
                associations.elements,
                database
            )
        )
        if slot < 0, let home = homeElsewhere(Int32(place)) {
            return FlowDecision(kind: .handOver, policy: Int32(place), slot: home)
        }
        if slot < 0, unsafe database.policies[place].awaitedSAs > 0 {
            return FlowDecision(kind: .acquire, policy: Int32(place), slot: -1)
        }
        // In transport mode only the peer itself is there to believe.
        guard slot >= 0,
            unsafe !associations.elements[slot].carriage.isTransport
                || packet.source == quoted.destination
        else { return nil }
        return FlowDecision(kind: .protect, policy: Int32(place), slot: Int32(slot))
    }
}
