internal import Glibc
internal import IPsecPrimitives
internal import PacketProtection

// What several workers give one another. With one worker nothing of this is called.
extension Worker {
    /// Packets of one other worker a round, so that the worker's own have their turn.
    private static let arrivalBudget = 512
    /// How long a worker sleeps that can give nothing away, and so leaves packets where they are.
    private static let pauseMicroseconds: UInt32 = 50

    /// Takes what others have read or received for this worker.
    mutating func takeArrivals(at now: Instant) {
        setup.exchange?.answer(setup.place.index)
        var isMore = false
        for index in arrivals.indices {
            var count = 0
            while count < Worker.arrivalBudget, let packet = unsafe arrivals[index].take() {
                count += 1
                switch unsafe packet.record.kind {
                case .frame:
                    if !outbound.hasRoom { flushOutbound(at: now) }
                    if isTraced {
                        unsafe outbound.takeHandedOverTraced(packet, at: now)
                    } else {
                        unsafe outbound.takeHandedOver(packet, at: now)
                    }
                case .sealed: unsafe sender.takeSealed(packet, at: now)
                case .datagram, .streamed:
                    // Who gave it away may have done so before control told this worker of its SA.
                    if setup.commands.hasMessages { carryOutCommands(at: now) }
                    if !inbound.hasRoom { flushInbound(at: now) }
                    if isTraced {
                        unsafe inbound.takeHandedOverTraced(packet, at: now)
                    } else {
                        unsafe inbound.takeHandedOver(packet, at: now)
                    }
                }
            }
            guard count > 0 else { continue }
            flushOutbound(at: now)
            // Packets are opened where they lie: before the memory is used again.
            flushInbound(at: now)
            arrivals[index].release()
            setup.counters.takenOver.add(count)
            if count == Worker.arrivalBudget { isMore = true }
        }
        if isMore { setup.exchange?.wake(1 << UInt64(setup.place.index)) }
    }

    /// Tells others that they have packets, and waits a little where they have too many.
    mutating func wakeOthers() {
        let waiting = outbound.takeGivenTo() | inbound.takeGivenTo()
        if waiting != 0 { setup.exchange?.wake(waiting) }
        let total = outbound.packetsHandedOver + inbound.packetsHandedOver
        setup.counters.handedOver.add(total - handedOverBefore)
        handedOverBefore = total
        if !outbound.othersHaveRoom || !inbound.othersHaveRoom {
            _ = usleep(Worker.pauseMicroseconds)
        }
    }
}
