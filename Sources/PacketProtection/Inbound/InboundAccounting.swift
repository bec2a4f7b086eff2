internal import IPsecPrimitives

// What a packet that came uses up of its SA: its number, octets, packets (RFC 4301 §4.4.2.1,
// RFC 4303 §3.4.3).
extension InboundProcessor {
    /// The whole number of a packet that carries its low half, if it may be new; nil when the packet
    /// must be dropped, which is counted. Whether it is new shows when the packet is authentic.
    @inline(__always)
    mutating func admitted(
        _ low: UInt32,
        _ association: UnsafeMutablePointer<InboundSA>
    ) -> UInt64? {
        let number =
            unsafe association.pointee.isExtended
            ? association.pointee.window.inferred(low: low) : UInt64(low)
        if let number, unsafe association.pointee.window.mayAccept(number) { return number }
        unsafe association.pointee.replayDrops &+= 1
        drops.count(.replayed)
        return nil
    }

    /// Counts an authenticated packet on its SA; false when the SA's life is over.
    @inline(__always)
    mutating func account(
        _ association: UnsafeMutablePointer<InboundSA>,
        _ body: Int,
        at now: UInt64
    ) -> Bool {
        guard
            unsafe association.pointee.packets < association.pointee.lifetime.hardPackets
                && UInt64(body) <= association.pointee.lifetime.hardOctets
                    &- association.pointee.octets
                && !association.pointee.isSpent
        else {
            unsafe refuse(association)
            return false
        }
        if unsafe !association.pointee.hasReportedFirst {
            unsafe association.pointee.hasReportedFirst = events.post(
                .firstPacketReceived(
                    SAIdentifier(rawValue: unsafe association.pointee.identifier)
                )
            )
        }
        unsafe association.pointee.packets &+= 1
        unsafe association.pointee.octets &+= UInt64(body)
        if unsafe !association.pointee.hasReportedSoft
            && (association.pointee.octets >= association.pointee.lifetime.softOctets
                || association.pointee.packets >= association.pointee.lifetime.softPackets)
        {
            unsafe association.pointee.hasReportedSoft = events.post(
                .softLifetimeReached(
                    SAIdentifier(rawValue: unsafe association.pointee.identifier)
                )
            )
        }
        return true
    }

    @inline(never)
    private mutating func refuse(_ association: UnsafeMutablePointer<InboundSA>) {
        drops.count(.lifetimeExceeded)
        unsafe association.pointee.isSpent = true
        guard unsafe !association.pointee.hasReportedHard else { return }
        unsafe association.pointee.hasReportedHard = events.post(
            .hardLifetimeReached(
                SAIdentifier(rawValue: unsafe association.pointee.identifier)
            )
        )
    }
}
