/// Puts TCP segments of one flow that follow one another together into a superpacket, as GRO
/// does, so that the TUN device takes many in one write.
///
/// Every segment's checksum is verified first: a superpacket's is made anew by whoever cuts it,
/// which would hide damage. All other packets pass singly, in order within their flow.
@safe struct TCPCoalescer: ~Copyable {
    private struct Flow {
        /// Where the virtio_net_hdr lies in the output.
        var offset: Int
        var reservedEnd: Int
        /// Octets of the packet so far.
        var length: Int
        var headers: Int
        var networkHeader: Int
        var segmentPayload: Int
        var segments: Int
        var nextSequence: UInt32
        /// Whether nothing may follow: a short segment was the last.
        var isComplete: Bool
        var isV4: Bool
        var hasPush: Bool
        var device: UInt16
        var ports: UInt32
        var source: UInt128
        var destination: UInt128
    }

    /// A segment that may go into a superpacket.
    private struct Segment {
        var headers: Int
        var payload: Int
        var sequence: UInt32
        var ports: UInt32
        var hasPush: Bool
    }

    private static let flowCount = 8
    /// IPv4's total length and IPv6's payload length have 16 bits; the same limit serves both.
    private static let maximumOctets = 65_535

    var output: DeviceOutput
    private let flows: UnsafeMutablePointer<Flow>
    private var openCount = 0
    private let isEnabled: Bool

    init(octets: Int, writes: Int, isEnabled: Bool) {
        output = DeviceOutput(octets: octets, writes: writes)
        unsafe flows = .allocate(capacity: TCPCoalescer.flowCount)
        self.isEnabled = isEnabled
    }

    deinit { unsafe flows.deallocate() }

    /// Whether packets of so many octets find room, and the flows that are open do too.
    func hasRoom(_ octets: Int, writes: Int = 1) -> Bool {
        output.free >= octets + OffloadHeader.length
            && output.freeWrites >= writes + TCPCoalescer.flowCount
    }

    /// Takes one packet; false where there is no room.
    ///
    /// - Parameter pending: octets of packets that are still to come in this batch, whose room in
    ///   the output must not be taken.
    @inline(__always)
    mutating func add(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        pending: Int
    ) -> Bool {
        guard isEnabled, packet.ipProtocol == 6, !packet.isFragment else {
            return unsafe writeSingly(bytes, packet)
        }
        return unsafe addTCP(bytes, packet, pending: pending)
    }

    private mutating func addTCP(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        pending: Int
    ) -> Bool {
        let ports = UInt32(packet.sourcePort) << 16 | UInt32(packet.destinationPort)
        let open = find(packet, ports)
        guard let segment = unsafe segment(bytes, packet, ports) else {
            if open >= 0 { close(open) }
            return unsafe writeSingly(bytes, packet)
        }
        if open >= 0 {
            if unsafe append(bytes, packet, segment, to: open) { return true }
            close(open)
        }
        return unsafe begin(bytes, packet, segment, pending: pending)
    }

    @inline(__always)
    private func find(_ packet: InnerPacket, _ ports: UInt32) -> Int {
        var index = 0
        while index < openCount {
            if unsafe flows[index].ports == ports,
                unsafe flows[index].source == packet.source,
                unsafe flows[index].destination == packet.destination,
                unsafe flows[index].isV4 == packet.isV4,
                unsafe flows[index].device == packet.device
            {
                return index
            }
            index &+= 1
        }
        return -1
    }

    /// The parts of a packet that may be put together with others; nil for one that may not:
    /// with IP options, with flags other than ACK and PSH, or without data.
    @inline(__always)
    private func segment(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ ports: UInt32
    ) -> Segment? {
        let network = packet.headerLength
        // An IPv6 packet may be longer than there is room for by 40 octets.
        guard network == (packet.isV4 ? 20 : 40), network &+ 20 <= packet.totalLength,
            packet.totalLength <= TCPCoalescer.maximumOctets
        else { return nil }
        let word = unsafe bytes.read16(network &+ 12)
        let headers = network &+ Int(word >> 12) &* 4
        // Reserved bits and all flags but PSH must be as in a plain ACK.
        guard word & 0x0ff7 == 0x0010, headers >= network &+ 20, headers < packet.totalLength
        else { return nil }
        return Segment(
            headers: headers,
            payload: packet.totalLength &- headers,
            sequence: unsafe bytes.read32(network &+ 4),
            ports: ports,
            hasPush: word & 0x0008 != 0
        )
    }

    /// Whether the segment continues the flow; it was then taken.
    @inline(__always)
    private mutating func append(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ segment: Segment,
        to index: Int
    ) -> Bool {
        let flow = unsafe flows + index
        guard unsafe !flow.pointee.isComplete,
            unsafe flow.pointee.nextSequence == segment.sequence,
            unsafe flow.pointee.headers == segment.headers,
            unsafe segment.payload <= flow.pointee.segmentPayload,
            unsafe flow.pointee.length &+ segment.payload <= TCPCoalescer.maximumOctets,
            unsafe flow.pointee.offset &+ OffloadHeader.length &+ flow.pointee.length
                &+ segment.payload <= flow.pointee.reservedEnd
        else { return false }
        let first = unsafe output.slab + (flow.pointee.offset &+ OffloadHeader.length)
        guard unsafe hasEqualHeaders(first, bytes, flow.pointee) else { return false }
        let end = unsafe first + flow.pointee.length
        guard unsafe copyVerified(bytes, packet, segment, payloadTo: end) else { return false }
        unsafe flow.pointee.length &+= segment.payload
        unsafe flow.pointee.segments &+= 1
        unsafe flow.pointee.nextSequence &+= UInt32(segment.payload)
        if segment.hasPush { unsafe flow.pointee.hasPush = true }
        unsafe flow.pointee.isComplete = segment.payload < flow.pointee.segmentPayload
        return true
    }

    /// Whether nothing but lengths, identification, sequence number, PSH and checksums differ.
    @inline(__always)
    private func hasEqualHeaders(
        _ first: UnsafeMutableRawPointer,
        _ second: UnsafeMutableRawPointer,
        _ flow: Flow
    ) -> Bool {
        if flow.isV4 {
            // Version, header length, TOS; flags; TTL.
            guard unsafe first.read16(0) == second.read16(0),
                unsafe first.read16(6) == second.read16(6),
                unsafe first.read8(8) == second.read8(8)
            else { return false }
        } else {
            // Version, traffic class, flow label; hop limit.
            guard unsafe first.read32(0) == second.read32(0),
                unsafe first.read8(7) == second.read8(7)
            else { return false }
        }
        let network = flow.networkHeader
        // Acknowledgement and window; the flags were looked at.
        guard unsafe first.read32(network &+ 8) == second.read32(network &+ 8),
            unsafe first.read16(network &+ 14) == second.read16(network &+ 14)
        else { return false }
        var offset = network &+ 20
        while offset < flow.headers {
            guard unsafe first.read32(offset) == second.read32(offset) else { return false }
            offset &+= 4
        }
        return true
    }

    /// Copies a segment's payload; false when one of its checksums is wrong.
    @inline(__always)
    private func copyVerified(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ segment: Segment,
        payloadTo target: UnsafeMutableRawPointer
    ) -> Bool {
        let network = packet.headerLength
        if packet.isV4, unsafe !InternetChecksum.isHeaderValid(bytes, headerLength: network) {
            return false
        }
        let sum =
            unsafe InternetChecksum.pseudoHeaderSum(
                bytes,
                isV4: packet.isV4,
                ipProtocol: 6,
                length: packet.totalLength &- network
            )
            &+ InternetChecksum.headerSum(bytes + network, segment.headers &- network)
            &+ InternetChecksum.copyAndSum(
                from: bytes + segment.headers,
                to: target,
                segment.payload
            )
        return InternetChecksum.fold(sum) == 0xffff
    }

    /// Begins a superpacket with a segment, or writes it singly where that cannot be.
    private mutating func begin(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ segment: Segment,
        pending: Int
    ) -> Bool {
        if openCount == TCPCoalescer.flowCount { close(0) }
        guard output.free - pending >= TCPCoalescer.maximumOctets + 2 * OffloadHeader.length,
            let offset = output.reserve(TCPCoalescer.maximumOctets, besides: openCount)
        else { return unsafe writeSingly(bytes, packet) }
        let start = offset + OffloadHeader.length
        let reservedEnd = start + TCPCoalescer.maximumOctets
        let target = unsafe output.slab + start
        unsafe target.copyMemory(from: bytes, byteCount: segment.headers)
        guard
            unsafe copyVerified(bytes, packet, segment, payloadTo: target + segment.headers)
        else {
            output.shrink(reservedEnd: reservedEnd, to: offset)
            return unsafe writeSingly(bytes, packet)
        }
        unsafe (flows + openCount).initialize(
            to: Flow(
                offset: offset,
                reservedEnd: reservedEnd,
                length: packet.totalLength,
                headers: segment.headers,
                networkHeader: packet.headerLength,
                segmentPayload: segment.payload,
                segments: 1,
                nextSequence: segment.sequence &+ UInt32(segment.payload),
                isComplete: false,
                isV4: packet.isV4,
                hasPush: segment.hasPush,
                device: packet.device,
                ports: segment.ports,
                source: packet.source,
                destination: packet.destination
            )
        )
        openCount += 1
        return true
    }

    /// Hands a superpacket over to the device.
    private mutating func close(_ index: Int) {
        let flow = unsafe flows[index]
        let frame = unsafe output.slab + flow.offset
        unsafe OffloadHeader.writePlain(frame)
        if flow.segments > 1 {
            let packet = unsafe frame + OffloadHeader.length
            let network = flow.networkHeader
            unsafe OffloadHeader.writeTCP(
                frame,
                isV4: flow.isV4,
                networkHeader: network,
                tcpHeader: flow.headers - network,
                segmentPayload: flow.segmentPayload
            )
            if flow.isV4 {
                unsafe packet.write16(UInt16(flow.length), 2)
                unsafe InternetChecksum.setHeaderChecksum(packet, headerLength: 20)
            } else {
                unsafe packet.write16(UInt16(flow.length - 40), 4)
            }
            if flow.hasPush {
                unsafe packet.write8(packet.read8(network + 13) | 0x08, network + 13)
            }
            // What the device completes: the pseudo-header's sum, not inverted.
            let sum = unsafe InternetChecksum.pseudoHeaderSum(
                packet,
                isV4: flow.isV4,
                ipProtocol: 6,
                length: flow.length - network
            )
            unsafe packet.writeNative16(InternetChecksum.fold(sum), network + 16)
        }
        output.commit(flow.offset, octets: flow.length, device: flow.device)
        output.shrink(
            reservedEnd: flow.reservedEnd,
            to: flow.offset + OffloadHeader.length + flow.length
        )
        openCount -= 1
        var next = index
        while next < openCount {
            unsafe flows[next] = flows[next + 1]
            next += 1
        }
    }

    @inline(__always)
    private mutating func writeSingly(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket
    ) -> Bool {
        guard let offset = output.reserve(packet.totalLength, besides: openCount) else {
            return false
        }
        let frame = unsafe output.slab + offset
        unsafe OffloadHeader.writePlain(frame)
        unsafe (frame + OffloadHeader.length).copyMemory(
            from: bytes,
            byteCount: packet.totalLength
        )
        output.commit(offset, octets: packet.totalLength, device: packet.device)
        return true
    }

    /// Hands over all that is open: the end of a batch.
    mutating func flush() {
        while openCount > 0 { close(0) }
    }
}
