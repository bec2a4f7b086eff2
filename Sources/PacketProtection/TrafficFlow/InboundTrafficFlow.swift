package import IPsecPrimitives

// What comes as a train (RFC 9347 §2.5).
extension InboundProcessor {
    /// The rest of a packet of ESP that is not tunnel mode's.
    @inline(never)
    mutating func finishApart(
        _ inner: UnsafeMutableRawPointer,
        available: Int,
        nextHeader: UInt8,
        sequence: UInt64,
        _ buffer: UnsafePointer<Buffer>,
        _ association: UnsafeMutablePointer<InboundSA>
    ) {
        guard let unpacker = unsafe association.pointee.unpacker else {
            return unsafe deliverTransport(
                inner,
                available: available,
                nextHeader: nextHeader,
                buffer.pointee,
                association
            )
        }
        // RFC 9347 §2.3: nothing else comes by such an SA.
        guard nextHeader == AggregateHeader.nextHeader else {
            return drops.count(
                nextHeader == InboundProcessor.nextHeaderNone ? .dummy : .unexpectedNextHeader
            )
        }
        let refusal = unsafe unpacker.pointee.accept(
            inner,
            count: available,
            sequence: sequence,
            at: openedAt
        )
        switch refusal {
        case .late: return drops.count(.trainLate)
        case .unfit: return drops.count(.malformedTrain)
        case nil: unsafe deliverAll(association, unpacker)
        }
    }

    private mutating func deliverAll(
        _ association: UnsafeMutablePointer<InboundSA>,
        _ unpacker: UnsafeMutablePointer<AggregateUnpacker>
    ) {
        let incomplete = unsafe unpacker.pointee.incomplete
        let malformed = unsafe unpacker.pointee.malformed
        while let packet = unsafe unpacker.pointee.next() {
            guard unsafe coalescer.hasRoom(packet.octets) else {
                drops.count(.batchOverflow)
                continue
            }
            // RFC 9347 §2.2.5.2: what the way did to the train says nothing of the packets in it.
            unsafe deliver(
                packet.start,
                available: packet.octets,
                nextHeader: packet.isV4
                    ? OutboundProcessor.nextHeaderV4 : OutboundProcessor.nextHeaderV6,
                outerTrafficClass: 0,
                association
            )
        }
        let lost = unsafe unpacker.pointee.incomplete - incomplete
        if lost > 0 { drops.count(.trainIncomplete, Int(lost)) }
        let broken = unsafe unpacker.pointee.malformed - malformed
        if broken > 0 { drops.count(.malformedTrain, Int(broken)) }
        let deadline = unsafe unpacker.pointee.deadline
        if deadline < waitingDue { waitingDue = deadline }
    }

    /// When `giveUpDue` has something to do, in nanoseconds; `max` for never.
    package var nextDue: UInt64 { min(waitingDue, moveDue) }

    /// Takes into the batch what had to wait for packets that are missing for too long: `open`, write
    /// and `reset` then. What had to wait to be told is told. Precondition: the batch is empty.
    package mutating func giveUpDue(at now: Instant) {
        if moveDue <= now.nanoseconds { tellMoves(at: now.nanoseconds) }
        guard waitingDue <= now.nanoseconds else { return }
        openedAt = now.nanoseconds
        waitingDue = .max
        for slot in unpackerSlots {
            let association = unsafe associations.elements + slot
            guard let unpacker = unsafe association.pointee.unpacker,
                unsafe unpacker.pointee.deadline < .max
            else { continue }
            unsafe unpacker.pointee.giveUp(at: now.nanoseconds)
            unsafe deliverAll(association, unpacker)
        }
    }
}
