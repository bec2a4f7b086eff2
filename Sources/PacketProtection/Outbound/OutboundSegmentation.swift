// Superpackets of the TUN device (TSO, USO), cut into packets as a network card would.
extension OutboundProcessor {
    /// The parts of a superpacket.
    struct Superpacket {
        var networkHeader: Int
        var headers: Int
        var payload: Int
        var segmentPayload: Int
        /// The pseudo-header's sum without the length.
        var pseudoSum: UInt64
    }

    // Apart, so that what a single packet takes stays small enough to be one function.
    @inline(never)
    mutating func protectSegments(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ offload: OffloadHeader,
        _ outer: Outer,
        at now: UInt64
    ) {
        let isUDP = offload.type == OffloadHeader.typeUDP
        guard
            let parts = unsafe superpacket(bytes, packet, offload, transportHeader: isUDP ? 8 : nil)
        else { return drops.count(.malformedInner) }
        if parts.headers &+ min(parts.segmentPayload, parts.payload) > outer.limit {
            if packet.dontFragment {
                return unsafe answerTooBig(bytes, packet, limit: outer.limit, at: now)
            }
            return unsafe protectOversizeSegments(bytes, packet, parts, outer, at: now)
        }
        var index = 0
        var offset = 0
        repeat {
            let size = min(parts.segmentPayload, parts.payload &- offset)
            // One that finds no place is counted, as are those behind it.
            if let target = unsafe begin(parts.headers &+ size, outer, at: now) {
                unsafe writeSegment(
                    bytes,
                    to: target,
                    packet,
                    parts,
                    index: index,
                    offset: offset,
                    size: size
                )
            }
            index &+= 1
            offset &+= size
        } while offset < parts.payload
    }

    /// Checks an offload request against the packet; nil when they do not fit each other.
    @inline(__always)
    func superpacket(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ offload: OffloadHeader,
        transportHeader: Int?
    ) -> Superpacket? {
        guard offload.segmentPayload > 0, !packet.isFragment else { return nil }
        let network = packet.headerLength
        let transport: Int
        if let transportHeader {
            guard packet.ipProtocol == 17 else { return nil }
            transport = transportHeader
        } else {
            let type = packet.isV4 ? OffloadHeader.typeTCPv4 : OffloadHeader.typeTCPv6
            guard offload.type == type, packet.ipProtocol == 6,
                network &+ 20 <= packet.totalLength
            else { return nil }
            transport = Int(unsafe bytes.read8(network &+ 12) >> 4) &* 4
            guard transport >= 20 else { return nil }
        }
        let headers = network &+ transport
        guard headers <= packet.totalLength else { return nil }
        return unsafe Superpacket(
            networkHeader: network,
            headers: headers,
            payload: packet.totalLength &- headers,
            segmentPayload: offload.segmentPayload,
            pseudoSum: InternetChecksum.pseudoHeaderSum(
                bytes,
                isV4: packet.isV4,
                ipProtocol: packet.ipProtocol,
                length: 0
            )
        )
    }

    /// Writes one segment with its own headers.
    @inline(__always)
    private func writeSegment(
        _ bytes: UnsafeMutableRawPointer,
        to target: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ parts: Superpacket,
        index: Int,
        offset: Int,
        size: Int
    ) {
        let network = parts.networkHeader
        unsafe target.copyMemory(from: bytes, byteCount: parts.headers)
        if packet.isV4 {
            unsafe target.write16(UInt16(parts.headers &+ size), 2)
            unsafe target.write16(bytes.read16(4) &+ UInt16(truncatingIfNeeded: index), 4)
            unsafe InternetChecksum.setHeaderChecksum(target, headerLength: network)
        } else {
            unsafe target.write16(UInt16(parts.headers &+ size &- 40), 4)
        }
        unsafe completeTransport(
            target + network,
            from: bytes,
            packet,
            parts,
            offset: offset,
            size: size
        )
    }

    /// Completes the upper layer's header of a segment, which is a copy of the superpacket's, and
    /// puts its payload behind it.
    @inline(__always)
    func completeTransport(
        _ transport: UnsafeMutableRawPointer,
        from bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ parts: Superpacket,
        offset: Int,
        size: Int
    ) {
        let network = parts.networkHeader
        let checksumOffset: Int
        if packet.ipProtocol == 6 {
            checksumOffset = 16
            unsafe transport.write32(
                bytes.read32(network &+ 4) &+ UInt32(truncatingIfNeeded: offset),
                4
            )
            var flags = unsafe transport.read8(13)
            // RFC 3168 §6.1.2: CWR marks one segment; FIN and PSH belong to the last.
            if offset > 0 { flags &= ~0x80 }
            if offset &+ size < parts.payload { flags &= ~0x09 }
            unsafe transport.write8(flags, 13)
        } else {
            checksumOffset = 6
            unsafe transport.write16(UInt16(parts.headers &- network &+ size), 4)
        }
        unsafe transport.writeNative16(0, checksumOffset)
        let length = parts.headers &- network &+ size
        let sum =
            unsafe parts.pseudoSum
            &+ UInt64(UInt16(truncatingIfNeeded: length).bigEndian)
            &+ InternetChecksum.headerSum(transport, parts.headers &- network)
            &+ InternetChecksum.copyAndSum(
                from: bytes + (parts.headers &+ offset),
                to: transport + (parts.headers &- network),
                size
            )
        unsafe transport.writeNative16(
            OutboundProcessor.transmitted(~InternetChecksum.fold(sum), packet.ipProtocol),
            checksumOffset
        )
    }

    /// IPv4 segments that may be fragmented and have to be.
    @inline(never)
    private mutating func protectOversizeSegments(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ parts: Superpacket,
        _ outer: Outer,
        at now: UInt64
    ) {
        var index = 0
        var offset = 0
        repeat {
            let size = min(parts.segmentPayload, parts.payload - offset)
            unsafe writeSegment(
                bytes,
                to: scratch,
                packet,
                parts,
                index: index,
                offset: offset,
                size: size
            )
            unsafe protectFragments(
                scratch,
                totalLength: parts.headers + size,
                headerLength: parts.networkHeader,
                outer,
                at: now
            )
            index += 1
            offset += size
        } while offset < parts.payload
    }
}
