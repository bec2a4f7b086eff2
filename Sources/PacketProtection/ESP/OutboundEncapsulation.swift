// ESP around a packet on its way out (RFC 4303 §2, §3.3).
extension OutboundProcessor {
    /// As `begin`, for an SA of ESP: header and trailer are written.
    @inline(never)
    mutating func beginEncapsulated(
        _ length: Int,
        _ outer: Outer,
        at now: UInt64
    ) -> UnsafeMutableRawPointer? {
        let association = unsafe associations.elements + outer.slot
        let mask = unsafe association.pointee.blockMask
        let body = (length &+ 2 &+ mask) & ~mask
        let octets =
            unsafe outer.prefix &+ association.pointee.bodyOffset &+ body
            &+ association.pointee.icvLength
        guard let sequence = unsafe takeNumber(association, body: body, octets: octets, at: now)
        else { return nil }
        let place = unsafe batch.append(
            octets: octets,
            bodyLength: body,
            // Zero where numbers have 32 bits, unless they have begun again: the ICV leaves it out then,
            // and IVs do not repeat.
            sequenceHigh: UInt32(truncatingIfNeeded: sequence >> 32),
            slot: outer.slot,
            pathGeneration: association.pointee.pathGeneration,
            trafficClass: outer.trafficClass,
            dontFragment: outer.dontFragment,
            hopLimit: outer.hopLimit,
            prefix: outer.prefix
        )
        let header = unsafe place + outer.prefix
        unsafe header.write32(association.pointee.spi, 0)
        unsafe header.write32(UInt32(truncatingIfNeeded: sequence), 4)
        let target = unsafe header + association.pointee.bodyOffset
        unsafe writeTrailer(
            target + length,
            padding: body &- length &- 2,
            nextHeader: outer.nextHeader
        )
        return unsafe target
    }

    /// RFC 4303 §2.4: the padding counts 1, 2, 3 …
    @inline(__always)
    private func writeTrailer(
        _ trailer: UnsafeMutableRawPointer,
        padding: Int,
        nextHeader: UInt8
    ) {
        var index = 0
        while index < padding {
            unsafe trailer.write8(UInt8(truncatingIfNeeded: index &+ 1), index)
            index &+= 1
        }
        unsafe trailer.write8(UInt8(truncatingIfNeeded: padding), padding)
        unsafe trailer.write8(nextHeader, padding &+ 1)
    }
}
