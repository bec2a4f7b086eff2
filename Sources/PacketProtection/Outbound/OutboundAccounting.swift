internal import IPsecPrimitives

// What a packet on its way out uses up of its SA: numbers, octets, packets (RFC 4301 §4.4.2.1,
// RFC 4303 §3.3.3).
extension OutboundProcessor {
    /// Counts a packet of `body` octets on the SA, whose datagram has `octets`, and returns its
    /// number; nil when the packet must be dropped, which is counted.
    @inline(__always)
    mutating func takeNumber(
        _ association: UnsafeMutablePointer<OutboundSA>,
        body: Int,
        octets: Int,
        at now: UInt64
    ) -> UInt64? {
        // RFC 4303 §3.3.3: the number must not cycle.
        guard
            unsafe association.pointee.sequence < association.pointee.sequenceLimit
                && association.pointee.packets < association.pointee.lifetime.hardPackets
                && UInt64(body) <= association.pointee.lifetime.hardOctets
                    &- association.pointee.octets
                && !association.pointee.isSpent
        else {
            unsafe refuse(association)
            return nil
        }
        guard batch.fits(octets) else {
            drops.count(.batchOverflow)
            return nil
        }
        let sequence = unsafe association.pointee.sequence &+ 1
        unsafe association.pointee.sequence = sequence
        unsafe association.pointee.packets &+= 1
        unsafe association.pointee.octets &+= UInt64(body)
        unsafe association.pointee.lastUse = now
        if unsafe !association.pointee.hasReportedSoft { unsafe reportSoft(association) }
        return sequence
    }

    @inline(__always)
    private mutating func reportSoft(_ association: UnsafeMutablePointer<OutboundSA>) {
        guard
            unsafe association.pointee.sequence >= association.pointee.sequenceSoft
                || association.pointee.octets >= association.pointee.lifetime.softOctets
                || association.pointee.packets >= association.pointee.lifetime.softPackets
        else { return }
        unsafe association.pointee.hasReportedSoft = events.post(
            .softLifetimeReached(
                SAIdentifier(rawValue: unsafe association.pointee.identifier)
            )
        )
    }

    @inline(never)
    private mutating func refuse(_ association: UnsafeMutablePointer<OutboundSA>) {
        let isExhausted =
            unsafe association.pointee.sequence >= association.pointee.sequenceLimit
        drops.count(isExhausted ? .sequenceExhausted : .lifetimeExceeded)
        unsafe association.pointee.isSpent = true
        guard unsafe !association.pointee.hasReportedHard else { return }
        unsafe association.pointee.hasReportedHard = events.post(
            .hardLifetimeReached(
                SAIdentifier(rawValue: unsafe association.pointee.identifier)
            )
        )
    }
}
