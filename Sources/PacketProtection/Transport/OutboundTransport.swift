internal import IPsecPrimitives

// One packet on its way out in transport mode: it keeps its IP header, which is the outer one, and
// what follows is protected (RFC 4303 §3.1.1, RFC 4301 §5.1).
extension OutboundProcessor {
    @inline(never)
    mutating func protectTransport(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ offload: OffloadHeader,
        slot: Int,
        at now: UInt64
    ) {
        if packet.isFragment { return unsafe assemble(bytes, packet, at: now) }
        let header = unsafe TransportHeader(bytes, packet)
        guard let outer = unsafe transportFields(bytes, packet, header, slot: slot) else {
            return drops.count(.unsupportedHeader)
        }
        if offload.type != OffloadHeader.typeNone {
            return unsafe protectTransportSegments(bytes, packet, offload, header, outer, at: now)
        }
        if offload.needsChecksum,
            offload.checksumStart < header.length
                || offload.checksumStart &+ offload.checksumOffset &+ 2 > packet.totalLength
        {
            return drops.count(.malformedInner)
        }
        if packet.totalLength > outer.limit, packet.dontFragment {
            return unsafe answerTooBig(bytes, packet, limit: outer.limit, at: now)
        }
        unsafe writeTransport(bytes, packet, offload, header, outer, at: now)
    }

    /// The fields of the packet's own header, which the outer one repeats; nil where the way out
    /// cannot carry that header.
    private func transportFields(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ header: TransportHeader,
        slot: Int
    ) -> Outer? {
        let association = unsafe associations.elements + slot
        let mtu = unsafe association.pointee.tunnelMTU
        let extra = header.extra(isV4: packet.isV4)
        let isAH = unsafe association.pointee.carriage.isAuthenticationHeader
        // A plain header is the system's to make, unless AH covers it. RFC 3948 §3.3 has no room
        // for one that a UDP socket does not make.
        let isKept = isAH || extra > 0
        guard unsafe !isKept || association.pointee.path.encapsulation == .esp,
            header.length <= CoveredHeader.maximumOctets
        else { return nil }
        // RFC 8200 §5: an IPv6 packet of up to 1280 octets must pass; if it does not fit, what it
        // becomes is fragmented.
        // A longer header shifts what is padded to whole blocks.
        let shift = unsafe (0 &- extra) & association.pointee.blockMask
        let limit = (packet.isV4 ? mtu : max(mtu, 1280)) &- shift
        return unsafe Outer(
            slot: slot,
            nextHeader: header.next,
            trafficClass: packet.trafficClass,
            dontFragment: packet.dontFragment && packet.totalLength <= mtu,
            limit: limit,
            hopLimit: bytes.read8(packet.isV4 ? 8 : 7),
            prefix: isKept ? header.length : 0
        )
    }

    private mutating func writeTransport(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ offload: OffloadHeader,
        _ header: TransportHeader,
        _ outer: Outer,
        at now: UInt64
    ) {
        let length = packet.totalLength &- header.length
        guard fitsDatagram(length, outer) else { return drops.count(.tooBig) }
        guard let target = unsafe beginKept(length, outer, at: now) else { return }
        if outer.prefix > 0 {
            unsafe writeKeptHeader(bytes, before: target, packet, header, outer, length: length)
        }
        guard offload.needsChecksum else {
            return unsafe target.copyMemory(from: bytes + header.length, byteCount: length)
        }
        let start = offload.checksumStart &- header.length
        unsafe target.copyMemory(from: bytes + header.length, byteCount: start)
        let sum = unsafe InternetChecksum.copyAndSum(
            from: bytes + offload.checksumStart,
            to: target + start,
            packet.totalLength &- offload.checksumStart
        )
        unsafe target.writeNative16(
            OutboundProcessor.transmitted(~InternetChecksum.fold(sum), packet.ipProtocol),
            start &+ offload.checksumOffset
        )
    }

    /// Whether what a packet becomes is an IP datagram: a whole one, put together from fragments, may be
    /// too long for what ESP adds, or for the length before a packet in TCP (RFC 9329 §3).
    private func fitsDatagram(_ length: Int, _ outer: Outer) -> Bool {
        let association = unsafe associations.elements + outer.slot
        // AH has a bound of its own.
        if unsafe association.pointee.carriage.isAuthenticationHeader { return true }
        let mask = unsafe association.pointee.blockMask
        let body = (length &+ 2 &+ mask) & ~mask
        let packet =
            unsafe association.pointee.bodyOffset &+ body &+ association.pointee.icvLength
        let path = unsafe association.pointee.path
        // IPv6 counts what follows its header (RFC 8200 §3).
        let own = path.version == .v4 ? 20 : 40
        let counted = path.version == .v4 ? 20 : 0
        let room =
            switch path.encapsulation {
            case .esp: OutboundProcessor.longestDatagram - counted - max(outer.prefix - own, 0)
            case .udp: OutboundProcessor.longestDatagram - counted - 8
            case .tcp: OutboundProcessor.longestDatagram - 2
            }
        return packet <= room
    }

    /// Octets: RFC 791 §3.1.
    private static var longestDatagram: Int { 65_535 }

    /// As `begin`, not inlined: tunnel mode alone has it in line.
    @inline(never)
    private mutating func beginKept(
        _ length: Int,
        _ outer: Outer,
        at now: UInt64
    ) -> UnsafeMutableRawPointer? {
        unsafe begin(length, outer, at: now)
    }

    private mutating func protectTransportSegments(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ offload: OffloadHeader,
        _ header: TransportHeader,
        _ outer: Outer,
        at now: UInt64
    ) {
        let isUDP = offload.type == OffloadHeader.typeUDP
        guard
            let parts = unsafe superpacket(bytes, packet, offload, transportHeader: isUDP ? 8 : nil)
        else { return drops.count(.malformedInner) }
        let largest = parts.headers &+ min(parts.segmentPayload, parts.payload)
        if largest > outer.limit, packet.dontFragment {
            return unsafe answerTooBig(bytes, packet, limit: outer.limit, at: now)
        }
        guard fitsDatagram(largest &- header.length, outer) else { return drops.count(.tooBig) }
        var outer = outer
        outer.dontFragment =
            unsafe packet.dontFragment && largest <= associations.elements[outer.slot].tunnelMTU
        // Octets between what stays in front and the upper layer's header.
        let between = parts.networkHeader &- header.length
        var index = 0
        var offset = 0
        repeat {
            let size = min(parts.segmentPayload, parts.payload &- offset)
            let length = parts.headers &- header.length &+ size
            // One that finds no place is counted, as are those behind it.
            if let target = unsafe beginKept(length, outer, at: now) {
                if outer.prefix > 0 {
                    unsafe writeKeptHeader(
                        bytes,
                        before: target,
                        packet,
                        header,
                        outer,
                        length: length,
                        index: index
                    )
                }
                unsafe target.copyMemory(
                    from: bytes + header.length,
                    byteCount: parts.headers &- header.length
                )
                unsafe completeTransport(
                    target + between,
                    from: bytes,
                    packet,
                    parts,
                    offset: offset,
                    size: size
                )
            }
            index &+= 1
            offset &+= size
        } while offset < parts.payload
    }

    /// Takes a fragment of a packet that transport mode is for; the whole is protected once it is
    /// there, and may be fragmented again.
    @inline(never)
    mutating func assemble(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        at now: UInt64
    ) {
        let outcome = unsafe assembly.add(bytes, packet, at: now)
        let abandoned = assembly.takeAbandoned()
        if abandoned > 0 { drops.count(.unsupportedHeader, abandoned) }
        switch outcome {
        case .kept: return
        case .refused: drops.count(.unsupportedHeader)
        case .whole(let place, let byteCount):
            unsafe protectAssembled(
                assembly.frame(place),
                byteCount: byteCount,
                device: packet.device,
                at: now
            )
            assembly.release(place)
        }
    }

    private mutating func protectAssembled(
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        device: UInt16,
        at now: UInt64
    ) {
        let inner = unsafe innerPacket(of: frame, byteCount: byteCount, device: device)
        guard let packet = inner, !packet.isFragment else { return drops.count(.malformedInner) }
        let decision = decide(packet)
        guard decision.kind == .protect,
            unsafe associations.elements[Int(decision.slot)].carriage.isTransport
        else { return drops.count(.unsupportedHeader) }
        let bytes = unsafe frame + OffloadHeader.length
        let header = unsafe TransportHeader(bytes, packet)
        guard
            var outer = unsafe transportFields(bytes, packet, header, slot: Int(decision.slot))
        else { return drops.count(.unsupportedHeader) }
        outer.dontFragment = false
        unsafe writeTransport(bytes, packet, OffloadHeader(frame), header, outer, at: now)
    }
}
