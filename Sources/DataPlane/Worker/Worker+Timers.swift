internal import IPsecPrimitives
internal import PacketProtection

// What a worker does because it is time to, and not because something came.
extension Worker {
    /// Whether the packet path waits for a moment. Where it never does this is all that it costs.
    var isTimed: Bool { outbound.nextDue & inbound.nextDue != .max }

    /// Sends what is due, and lets go what has waited long enough for others.
    mutating func serveTimers(at now: Instant) {
        if inbound.nextDue <= now.nanoseconds {
            inbound.giveUpDue(at: now)
            flushInbound(at: now)
        }
        while outbound.nextDue <= now.nanoseconds {
            outbound.sendDue(at: now)
            flushOutbound(at: now)
        }
    }

    /// Has the next wait end in time.
    func armTimer() {
        let due = min(outbound.nextDue, inbound.nextDue)
        let clocked = due == .max ? nil : Instant(nanoseconds: due)
        guard let departure else { return poll.wake(at: clocked) }
        poll.wake(at: min(departure, clocked ?? departure))
    }
}
