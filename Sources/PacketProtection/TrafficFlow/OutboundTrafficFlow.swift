package import IPsecPrimitives

// Against the analysis of traffic: padding, dummies, trains (RFC 4303 §2.6, §2.7; RFC 9347).
extension OutboundProcessor {
    /// As `begin`, for an SA that does not only put ESP around the packet.
    @inline(never)
    mutating func beginApart(
        _ length: Int,
        _ outer: Outer,
        at now: UInt64
    ) -> UnsafeMutableRawPointer? {
        let association = unsafe associations.elements + outer.slot
        let flow = unsafe association.pointee.flow
        if let flow = unsafe flow, unsafe flow.pointee.trainParameters != nil {
            return unsafe beginWaiting(length, flow, at: now)
        }
        if unsafe association.pointee.authenticationLength != 0 {
            return unsafe beginAuthenticated(length, outer, at: now)
        }
        // What is padded is not compressed: its length would no longer stand in its own header.
        guard let flow = unsafe flow, unsafe flow.pointee.paddedOctets > 0 else {
            return unsafe association.pointee.compressionIndex != 0
                ? beginCompressed(length, outer, at: now)
                : beginEncapsulated(length, outer, at: now)
        }
        let padded = unsafe max(length, flow.pointee.paddedOctets)
        guard let target = unsafe beginEncapsulated(padded, outer, at: now) else { return nil }
        if padded > length {
            unsafe OutboundProcessor.clear(target + length, padded - length)
            unsafe flow.pointee.paddingOctets &+= UInt64(padded - length)
        }
        return unsafe target
    }

    private static func clear(_ bytes: UnsafeMutableRawPointer, _ count: Int) {
        _ = unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: count)
    }

    /// A place for an inner packet in the queue of its train.
    private mutating func beginWaiting(
        _ length: Int,
        _ flow: UnsafeMutablePointer<TrafficFlow>,
        at now: UInt64
    ) -> UnsafeMutableRawPointer? {
        guard let train = unsafe flow.pointee.train else {
            drops.count(.trainMissing)
            return nil
        }
        guard let place = unsafe train.pointee.packer.append(length, at: now) else {
            unsafe train.pointee.noteRefused()
            drops.count(.trainQueueFull)
            return nil
        }
        packetsQueued &+= 1
        return unsafe place
    }

    // MARK: What is due by the clock

    /// When `sendDue` has something to do, in nanoseconds; `max` for never.
    package var nextDue: UInt64 { flowDue }

    /// Takes what is due into the batch, as much as fits: seal, send and reset, and call it again
    /// while `nextDue` is not later than now. Precondition: the batch is empty.
    package mutating func sendDue(at now: Instant) {
        var next = UInt64.max
        for slot in flowSlots {
            let flow = unsafe associations.elements[slot].flow
            guard let flow = unsafe flow else { continue }
            if unsafe flow.pointee.due <= now.nanoseconds {
                if unsafe flow.pointee.train != nil {
                    unsafe moveTrain(slot, flow, at: now.nanoseconds)
                } else {
                    unsafe sendDummies(slot, flow, at: now.nanoseconds)
                }
            }
            next = unsafe min(next, flow.pointee.due)
        }
        flowDue = next
    }

    private mutating func moveTrain(
        _ slot: Int,
        _ flow: UnsafeMutablePointer<TrafficFlow>,
        at now: UInt64
    ) {
        let association = unsafe associations.elements + slot
        guard let train = unsafe flow.pointee.train else { return }
        unsafe train.pointee.catchUp(at: now)
        let outer = unsafe ownOuter(association, slot: slot, nextHeader: AggregateHeader.nextHeader)
        let size = unsafe flow.pointee.payloadOctets
        while unsafe train.pointee.pace.due <= now {
            guard unsafe batch.fits(flow.pointee.outerOctets) else { return }
            // An SA at its end says so once; its successor takes the train over.
            guard unsafe !association.pointee.hasReportedHard,
                let target = unsafe beginEncapsulated(size, outer, at: now)
            else {
                unsafe train.pointee.passOver()
                continue
            }
            let tooLong = unsafe train.pointee.packer.tooLong
            unsafe train.pointee.packer.write(to: target, size: size, at: now)
            unsafe train.pointee.noteSent()
            unsafe train.pointee.pace.advance()
            let more = unsafe train.pointee.packer.tooLong - tooLong
            if more > 0 { drops.count(.tooBig, Int(more)) }
        }
    }

    private mutating func sendDummies(
        _ slot: Int,
        _ flow: UnsafeMutablePointer<TrafficFlow>,
        at now: UInt64
    ) {
        let association = unsafe associations.elements + slot
        let outer = unsafe ownOuter(
            association,
            slot: slot,
            nextHeader: InboundProcessor.nextHeaderNone
        )
        let size = unsafe flow.pointee.dummyOctets
        while unsafe flow.pointee.due <= now {
            guard batch.fits(size + OutboundProcessor.roomAroundDummy) else { return }
            guard unsafe flow.pointee.takeDummy(packets: association.pointee.packets, at: now),
                unsafe !association.pointee.hasReportedHard,
                let target = unsafe beginEncapsulated(size, outer, at: now)
            else { continue }
            unsafe OutboundProcessor.clear(target, size)
        }
    }

    /// More than any cipher needs.
    private static let roomAroundDummy = 256

    /// The outer header of what is not about one inner packet. RFC 9347 §2.2.5, §3.1: neither the DF
    /// bit nor DSCP nor ECN come from inside.
    private func ownOuter(
        _ association: UnsafeMutablePointer<OutboundSA>,
        slot: Int,
        nextHeader: UInt8
    ) -> Outer {
        unsafe Outer(
            slot: slot,
            nextHeader: nextHeader,
            trafficClass: association.pointee.dscpIsFixed ? association.pointee.fixedDSCP << 2 : 0,
            dontFragment: association.pointee.dontFragment != .clear,
            limit: association.pointee.tunnelMTU
        )
    }

    // MARK: Which SA carries a train

    /// Packets may use the SA from now on: its train begins, or comes over from the SA before.
    mutating func beginFlow(_ slot: Int, at now: UInt64) {
        let association = unsafe associations.elements + slot
        guard let flow = unsafe association.pointee.flow else { return }
        unsafe flow.pointee.activate(packets: association.pointee.packets, at: now)
        if !flowSlots.contains(slot) { flowSlots.append(slot) }
        if let parameters = unsafe flow.pointee.trainParameters, unsafe flow.pointee.train == nil {
            if let other = trainSlot(likeThat: slot),
                let old = unsafe associations.elements[other].flow,
                unsafe old.pointee.trainParameters == parameters
            {
                unsafe handTrain(from: old, to: flow)
            } else {
                let train = UnsafeMutablePointer<AggregateTrain>.allocate(capacity: 1)
                unsafe train.initialize(
                    to: AggregateTrain(parameters, outerOctets: flow.pointee.outerOctets, at: now)
                )
                unsafe flow.pointee.train = train
            }
        }
        flowDue = unsafe min(flowDue, flow.pointee.due)
    }

    private func handTrain(
        from old: UnsafeMutablePointer<TrafficFlow>,
        to new: UnsafeMutablePointer<TrafficFlow>
    ) {
        let train = unsafe old.pointee.train
        unsafe old.pointee.train = nil
        unsafe new.pointee.train = train
        unsafe train?.pointee.packer.beginAnew()
        unsafe train?.pointee.pace.setUnits(new.pointee.outerOctets * 8)
    }

    /// An SA goes: its train goes on with another that carries the same, or ends.
    mutating func endFlow(_ slot: Int) {
        guard let flow = unsafe associations.elements[slot].flow else { return }
        unsafe flow.pointee.deactivate()
        flowSlots.removeAll { $0 == slot }
        guard let train = unsafe flow.pointee.train else { return }
        for other in flowSlots where isAlike(slot, other) {
            guard let heir = unsafe associations.elements[other].flow,
                unsafe heir.pointee.trainParameters == flow.pointee.trainParameters,
                unsafe heir.pointee.isActive, unsafe heir.pointee.train == nil
            else { continue }
            return unsafe handTrain(from: flow, to: heir)
        }
        drops.count(.trainMissing, unsafe train.pointee.packer.waitingPackets)
    }

    private func trainSlot(likeThat slot: Int) -> Int? {
        flowSlots.first { other in
            guard other != slot, let flow = unsafe associations.elements[other].flow else {
                return false
            }
            return unsafe flow.pointee.train != nil && isAlike(slot, other)
        }
    }

    /// Whether two SAs carry the same of one policy.
    private func isAlike(_ slot: Int, _ other: Int) -> Bool {
        let left = unsafe associations.elements + slot
        let right = unsafe associations.elements + other
        return unsafe left.pointee.policy == right.pointee.policy
            && left.pointee.selectors.isEqual(to: right.pointee.selectors)
    }
}
