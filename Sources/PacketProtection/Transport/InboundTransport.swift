internal import IPsecPrimitives

// One packet on its way in by transport mode: behind the header that it came with (RFC 4303
// §3.1.1, RFC 4301 §5.2).
extension InboundProcessor {
    /// Rebuilds a packet from what an ESP packet held and from the header that it came with, and
    /// hands it on.
    @inline(never)
    mutating func deliverTransport(
        _ payload: UnsafeMutableRawPointer,
        available: Int,
        nextHeader: UInt8,
        _ buffer: Buffer,
        _ association: UnsafeMutablePointer<InboundSA>
    ) {
        guard nextHeader != InboundProcessor.nextHeaderNone else { return drops.count(.dummy) }
        if nextHeader == CompressionHeader.ipProtocol,
            unsafe association.pointee.compressionIndex != 0
        {
            return unsafe deliverTransportCompressed(
                payload,
                available: available,
                buffer,
                association
            )
        }
        let isV4 = buffer.local.address.version == .v4
        let header = isV4 ? 20 : 40
        guard available <= InboundProcessor.largestPacket &- header else {
            return drops.count(.malformedInner)
        }
        unsafe writeHeader(isV4: isV4, payload: available, nextHeader, buffer, association)
        unsafe (scratch + header).copyMemory(from: payload, byteCount: available)
        let inner = unsafe InnerPacket(
            scratch,
            available: header &+ available,
            device: association.pointee.device
        )
        guard let packet = inner else { return drops.count(.malformedInner) }
        unsafe association.pointee.ends.mendChecksum(scratch, packet)
        unsafe passTransport(scratch, packet, association)
    }

    /// IPv4's total length and IPv6's payload length have 16 bits; the same limit serves both.
    static let largestPacket = 65_535
    /// RFC 1122 §3.2.1.7 leaves it open; what the kernel gives packets of its own.
    private static let defaultHopLimit: UInt8 = 64

    private func writeHeader(
        isV4: Bool,
        payload: Int,
        _ nextHeader: UInt8,
        _ buffer: Buffer,
        _ association: UnsafeMutablePointer<InboundSA>
    ) {
        // Through UDP and TCP the outer addresses are what NATs make of them at the moment, and nothing
        // protects them; the packet is between the ends that were negotiated.
        let source =
            buffer.carrier == .esp
            ? buffer.source.address.bits : unsafe association.pointee.ends.source
        let destination =
            buffer.carrier == .esp
            ? buffer.local.address.bits : unsafe association.pointee.ends.destination
        let hopLimit =
            buffer.hopLimit == 0 ? InboundProcessor.defaultHopLimit : buffer.hopLimit
        if isV4 {
            unsafe scratch.write32(
                0x4500_0000 | UInt32(buffer.trafficClass) << 16 | UInt32(20 &+ payload),
                0
            )
            // RFC 6864 §4.1: an atomic packet needs no identification.
            unsafe scratch.write32(0x4000, 4)
            unsafe scratch.write32(UInt32(hopLimit) << 24 | UInt32(nextHeader) << 16, 8)
            unsafe scratch.write32(UInt32(truncatingIfNeeded: source), 12)
            unsafe scratch.write32(UInt32(truncatingIfNeeded: destination), 16)
            unsafe InternetChecksum.setHeaderChecksum(scratch, headerLength: 20)
        } else {
            unsafe scratch.write32(0x6000_0000 | UInt32(buffer.trafficClass) << 20, 0)
            unsafe scratch.write32(
                UInt32(payload) << 16 | UInt32(nextHeader) << 8 | UInt32(hopLimit),
                4
            )
            unsafe scratch.write128(source, 8)
            unsafe scratch.write128(destination, 24)
        }
    }

    /// The checks that every packet of transport mode passes, and its way out.
    mutating func passTransport(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ association: UnsafeMutablePointer<InboundSA>
    ) {
        // RFC 4301 §5.2 step 4: what comes out of an SA must match its selectors.
        if unsafe !association.pointee.selectors.matchesInbound(packet) {
            guard unsafe isAdmittedApart(bytes, packet, association) else { return }
        }
        unsafe SegmentSizeClamp.apply(
            bytes,
            packet,
            limit: packet.isV4
                ? association.pointee.segmentSizeV4 : association.pointee.segmentSizeV6,
            isChecksumPartial: false
        )
        unsafe handOn(bytes, packet)
    }
}
