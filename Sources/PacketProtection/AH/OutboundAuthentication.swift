internal import IPsecCrypto
internal import IPsecPrimitives

// AH around a packet on its way out (RFC 4302 §3.1, §3.3).
extension OutboundProcessor {
    /// RFC 4302 §2: its own protocol number; RFC 4303 §2: that of ESP.
    static let protocolAH: UInt8 = 51
    static let protocolESP: UInt8 = 50
    /// IPv4's total length has 16 bits.
    private static let largestPacket = 65_535
    private static let defaultHopLimit: UInt8 = 64

    /// As `begin`, for an SA of AH: a place for `length` octets behind AH. In tunnel mode the outer
    /// header is written too; in transport mode `outer.prefix` octets are left for it.
    @inline(never)
    mutating func beginAuthenticated(
        _ length: Int,
        _ outer: Outer,
        at now: UInt64
    ) -> UnsafeMutableRawPointer? {
        let association = unsafe associations.elements + outer.slot
        let isTransport = unsafe association.pointee.carriage.isTransport
        let prefix =
            isTransport ? outer.prefix : unsafe association.pointee.path.version == .v4 ? 20 : 40
        let headerLength = unsafe association.pointee.authenticationLength
        let octets = prefix &+ headerLength &+ length
        guard octets <= OutboundProcessor.largestPacket else {
            drops.count(.tooBig)
            return nil
        }
        guard
            let sequence = unsafe takeNumber(association, body: length, octets: octets, at: now)
        else { return nil }
        let place = unsafe batch.append(
            octets: octets,
            bodyLength: length,
            sequenceHigh: association.pointee.isExtended
                ? UInt32(truncatingIfNeeded: sequence >> 32) : 0,
            slot: outer.slot,
            pathGeneration: association.pointee.pathGeneration,
            trafficClass: outer.trafficClass,
            dontFragment: outer.dontFragment,
            hopLimit: outer.hopLimit,
            prefix: prefix
        )
        let header = unsafe place + prefix
        unsafe header.write32(
            UInt32(outer.nextHeader) << 24 | UInt32(headerLength / 4 &- 2) << 16,
            0
        )
        unsafe header.write32(association.pointee.spi, 4)
        unsafe header.write32(UInt32(truncatingIfNeeded: sequence), 8)
        // The ICV, and the padding behind it, which it covers.
        var offset = PacketAuthenticator.fixedLength
        while offset < headerLength {
            unsafe header.write32(0, offset)
            offset &+= 4
        }
        if !isTransport {
            unsafe writeOuterHeader(
                place,
                path: association.pointee.path,
                totalLength: octets,
                outer,
                identification: UInt16(truncatingIfNeeded: sequence)
            )
        }
        return unsafe header + headerLength
    }

    private func writeOuterHeader(
        _ header: UnsafeMutableRawPointer,
        path: OuterPath,
        totalLength: Int,
        _ outer: Outer,
        identification: UInt16
    ) {
        if path.version == .v4 {
            unsafe header.write32(
                0x4500_0000 | UInt32(outer.trafficClass) << 16 | UInt32(totalLength),
                0
            )
            // The system would fill in a zero, which the ICV covers.
            unsafe header.write16(identification == 0 ? 1 : identification, 4)
            unsafe header.write16(outer.dontFragment ? 0x4000 : 0, 6)
            unsafe header.write32(
                UInt32(OutboundProcessor.defaultHopLimit) << 24
                    | UInt32(OutboundProcessor.protocolAH) << 16,
                8
            )
            unsafe header.write32(UInt32(truncatingIfNeeded: path.local.address.bits), 12)
            unsafe header.write32(UInt32(truncatingIfNeeded: path.remote.address.bits), 16)
            unsafe InternetChecksum.setHeaderChecksum(header, headerLength: 20)
        } else {
            unsafe header.write32(0x6000_0000 | UInt32(outer.trafficClass) << 20, 0)
            unsafe header.write16(UInt16(totalLength &- 40), 4)
            unsafe header.write8(OutboundProcessor.protocolAH, 6)
            unsafe header.write8(OutboundProcessor.defaultHopLimit, 7)
            unsafe header.write128(path.local.address.bits, 8)
            unsafe header.write128(path.remote.address.bits, 24)
        }
    }

    /// Puts a packet's own header, with what says that AH or ESP follows, before `target`, where
    /// `begin` has left room for it (RFC 4302 §3.1.1, RFC 4303 §3.1.1).
    ///
    /// - Parameters:
    ///   - length: octets of the packet behind that header.
    ///   - index: of the segment that a superpacket was cut into.
    func writeKeptHeader(
        _ bytes: UnsafeMutableRawPointer,
        before target: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ kept: TransportHeader,
        _ outer: Outer,
        length: Int,
        index: Int = 0
    ) {
        let association = unsafe associations.elements + outer.slot
        let isAH = unsafe association.pointee.carriage.isAuthenticationHeader
        let distance = unsafe association.pointee.bodyOffset
        let mask = unsafe association.pointee.blockMask
        let behind =
            isAH ? length : unsafe ((length &+ 2 &+ mask) & ~mask) &+ association.pointee.icvLength
        let totalLength = kept.length &+ distance &+ behind
        let header = unsafe target - distance - kept.length
        unsafe header.copyMemory(from: bytes, byteCount: kept.length)
        unsafe header.write8(
            isAH ? OutboundProcessor.protocolAH : OutboundProcessor.protocolESP,
            kept.nextOffset
        )
        guard packet.isV4 else { return unsafe header.write16(UInt16(totalLength &- 40), 4) }
        unsafe header.write16(UInt16(totalLength), 2)
        let identification = unsafe header.read16(4) &+ UInt16(truncatingIfNeeded: index)
        unsafe header.write16(identification == 0 ? 1 : identification, 4)
        unsafe InternetChecksum.setHeaderChecksum(header, headerLength: kept.length)
    }
}
