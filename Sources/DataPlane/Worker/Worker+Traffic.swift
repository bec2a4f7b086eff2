internal import IPsecPrimitives
internal import LinuxIO
internal import PacketProtection

// Packets that wait for their turn. Where there is no traffic plan nothing of this is called.
extension Worker {
    /// The alarm rings no sooner than so long from now: what may leave meanwhile leaves together.
    private static let rest = Duration.microseconds(100)

    /// Sends what may leave now; the next round begins when more may.
    mutating func sendDue() {
        // The clock is read again: a round of reads takes a while, and each packet's delay counts.
        let now = BootClock.now()
        while outbound.takeDeparting(at: now) { flushOutbound(at: now) }
        flushOutbound(at: now)
        departure = outbound.nextDeparture(at: now).map { max($0, now + Worker.rest) }
    }
}
