internal import IPsecPrimitives

// Packets larger than the tunnel carries (RFC 4301 §8): IPv4 that allows it is fragmented, before
// ESP unless the SA says otherwise; everything else is answered with the size that would fit.
extension OutboundProcessor {
    @inline(never)
    mutating func protectOversize(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ offload: OffloadHeader,
        _ outer: Outer,
        at now: UInt64
    ) {
        if packet.dontFragment {
            return unsafe answerTooBig(bytes, packet, limit: outer.limit, at: now)
        }
        if offload.needsChecksum {
            let start = offload.checksumStart
            let sum = unsafe InternetChecksum.sum(bytes + start, packet.totalLength - start)
            unsafe bytes.writeNative16(
                OutboundProcessor.transmitted(~InternetChecksum.fold(sum), packet.ipProtocol),
                start + offload.checksumOffset
            )
        }
        let headerLength = Int(unsafe bytes.read8(0) & 15) * 4
        unsafe protectFragments(
            bytes,
            totalLength: packet.totalLength,
            headerLength: headerLength,
            outer,
            at: now
        )
    }

    /// Cuts an IPv4 packet, which may be a fragment itself (RFC 791 §3.2). One that fits goes
    /// whole, as does one that is to be fragmented behind ESP, by the system or by who sends it, and
    /// one whose pieces the SA may not carry.
    mutating func protectFragments(
        _ bytes: UnsafeMutableRawPointer,
        totalLength: Int,
        headerLength: Int,
        _ outer: Outer,
        at now: UInt64
    ) {
        let isWhole =
            totalLength <= outer.limit
            || !outer.dontFragment
                && totalLength <= (unsafe associations.elements[outer.slot].wholeLimit)
        if isWhole {
            guard let target = unsafe begin(totalLength, outer, at: now) else { return }
            return unsafe target.copyMemory(from: bytes, byteCount: totalLength)
        }
        guard unsafe associations.elements[outer.slot].carriesPieces else {
            return drops.count(.fragmentWithoutPorts)
        }
        let field = unsafe bytes.read16(6)
        let firstOffset = Int(field & 0x1fff)
        let moreBehind = field & 0x2000
        var offset = 0
        let payload = totalLength - headerLength
        while offset < payload {
            let isFirst = offset == 0
            // Later fragments carry the options that say so only.
            let header =
                isFirst ? headerLength : unsafe CopiedOptions.headerLength(bytes, headerLength)
            let room = (outer.limit - header) & ~7
            let size = min(room, payload - offset)
            guard room > 0, let target = unsafe begin(header + size, outer, at: now) else {
                return
            }
            if isFirst {
                unsafe target.copyMemory(from: bytes, byteCount: header)
            } else {
                unsafe CopiedOptions.copyHeader(bytes, headerLength, to: target)
            }
            unsafe (target + header).copyMemory(
                from: bytes + headerLength + offset,
                byteCount: size
            )
            let more = offset + size < payload ? 0x2000 : moreBehind
            unsafe target.write8(0x40 | UInt8(header / 4), 0)
            unsafe target.write16(UInt16(header + size), 2)
            unsafe target.write16(more | UInt16(firstOffset + offset / 8) & 0x1fff, 6)
            unsafe InternetChecksum.setHeaderChecksum(target, headerLength: header)
            offset += size
        }
    }

    /// Drops a packet and tells its sender what would have fit (RFC 1191, RFC 8201).
    @inline(never)
    mutating func answerTooBig(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        limit: Int,
        at now: UInt64
    ) {
        drops.count(.tooBig)
        guard unsafe TooBigMessage.isAnswered(bytes, packet) else { return }
        let source: UInt128
        if packet.isV4 {
            // As if the host that it goes to had answered: from a device, the kernel believes no IPv4
            // packet whose source is an address of its own.
            source = packet.destination
        } else {
            guard let address = errorSourceV6 else { return }
            source = address.bits
        }
        guard errorLimit.allows(atNanoseconds: now),
            let offset = errors.reserve(TooBigMessage.maximumOctets)
        else { return }
        let frame = unsafe errors.slab + offset
        unsafe OffloadHeader.writePlain(frame)
        let length = unsafe TooBigMessage.write(
            to: frame + OffloadHeader.length,
            about: bytes,
            packet,
            source: source,
            mtu: limit
        )
        errors.commit(offset, octets: length, device: packet.device)
    }
}
