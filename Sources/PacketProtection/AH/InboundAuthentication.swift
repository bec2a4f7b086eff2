internal import CPacketCipher
internal import IPsecCrypto
package import IPsecPrimitives

// AH on its way in (RFC 4302 §3.4).
extension InboundProcessor {
    /// The headers before AH and the octets that count, read from a packet that may be anything.
    private struct Envelope {
        /// Octets before AH.
        var header: Int
        /// Octets of the whole packet by its own account.
        var total: Int
        var isV4: Bool
        var trafficClass: UInt8
        var hopLimit: UInt8
        var source: IPAddress
        var destination: IPAddress

        /// RFC 8200 §4.1 has four kinds of extension header before AH, one of them twice.
        private static let maximumExtensions = 6

        init?(_ bytes: UnsafeMutableRawPointer, available: Int) {
            guard available >= 20 else { return nil }
            isV4 = unsafe bytes.read8(0) >> 4 == 4
            var kind: UInt8
            if isV4 {
                header = Int(unsafe bytes.read8(0) & 15) * 4
                total = Int(unsafe bytes.read16(2))
                // RFC 4302 §3.4.1: a fragment "MUST" be discarded. Nothing protects what says that it is
                // one, and what is one shows selectors no ports.
                guard header >= 20, unsafe bytes.read16(6) & 0x3fff == 0 else { return nil }
                kind = unsafe bytes.read8(9)
                trafficClass = unsafe bytes.read8(1)
                hopLimit = unsafe bytes.read8(8)
                source = .v4(IPv4Address(bits: unsafe bytes.read32(12)))
                destination = .v4(IPv4Address(bits: unsafe bytes.read32(16)))
            } else {
                guard unsafe bytes.read8(0) >> 4 == 6, available >= 40 else { return nil }
                header = 40
                total = 40 + Int(unsafe bytes.read16(4))
                kind = unsafe bytes.read8(6)
                trafficClass = UInt8(truncatingIfNeeded: unsafe bytes.read16(0) >> 4)
                hopLimit = unsafe bytes.read8(7)
                source = .v6(IPv6Address(bits: unsafe bytes.read128(8)))
                destination = .v6(IPv6Address(bits: unsafe bytes.read128(24)))
            }
            guard total <= available else { return nil }
            var steps = 0
            while kind != OutboundProcessor.protocolAH {
                guard !isV4, kind == 0 || kind == 43 || kind == 60, header + 8 <= total,
                    steps < Envelope.maximumExtensions
                else { return nil }
                kind = unsafe bytes.read8(header)
                header += (Int(unsafe bytes.read8(header + 1)) + 1) * 8
                steps += 1
            }
            guard header + PacketAuthenticator.fixedLength <= total,
                header <= CoveredHeader.maximumOctets
            else { return nil }
        }
    }

    /// Takes one IP packet whose protocol is AH, with its own header.
    package mutating func receiveAH(
        _ bytes: UnsafeMutableRawPointer,
        byteCount: Int,
        at now: Instant
    ) {
        guard bufferCount < maximumJobs else { return drops.count(.batchOverflow) }
        guard let envelope = unsafe Envelope(bytes, available: byteCount) else {
            return drops.count(.malformedAH)
        }
        unsafe buffers[bufferCount] = Buffer(
            source: Endpoint(address: envelope.source, port: 0),
            local: Endpoint(address: envelope.destination, port: 0),
            trafficClass: envelope.trafficClass,
            carrier: .esp,
            hopLimit: envelope.hopLimit
        )
        bufferCount &+= 1
        unsafe enqueueAuthenticated(bytes + envelope.header, envelope)
    }

    private mutating func enqueueAuthenticated(
        _ header: UnsafeMutableRawPointer,
        _ envelope: Envelope
    ) {
        let slot = spis.find(unsafe header.read32(4))
        guard slot >= 0,
            unsafe associations.elements[slot].carriage.isAuthenticationHeader
        else { return drops.count(.unknownSPI) }
        let association = unsafe associations.elements + slot
        let length = InboundProcessor.authenticationLength(unsafe header.read8(1))
        let least = unsafe PacketAuthenticator.fixedLength &+ association.pointee.icvLength
        let rest = envelope.total &- envelope.header &- length
        // RFC 4302 §3.3.3.2.1 forbids more padding than alignment needs; Linux may align to eight
        // octets over IPv4 too.
        guard length >= least, length &- least < 8, rest >= 0, envelope.isV4 || length & 7 == 0
        else { return drops.count(.malformedAH) }
        guard let number = unsafe admitted(header.read32(8), association) else { return }
        guard jobCount < maximumJobs, maximumOctets &- octets >= envelope.total else {
            return drops.count(.batchOverflow)
        }
        unsafe jobs[jobCount] = cygnet_packet_job(
            esp: header.assumingMemoryBound(to: UInt8.self),
            body_length: UInt32(rest),
            sequence_high: association.pointee.isExtended
                ? UInt32(truncatingIfNeeded: number >> 32) : 0,
            status: 0
        )
        if unsafe association.pointee.compressionIndex != 0 {
            unsafe makeRoom(for: rest, association)
        }
        unsafe arrivals[jobCount] = Arrival(
            slot: slot,
            sequence: number,
            buffer: bufferCount &- 1,
            prefix: envelope.header
        )
        jobCount &+= 1
        octets &+= envelope.total
    }

    /// RFC 4302 §2.2: in words of four octets, less two.
    static func authenticationLength(_ field: UInt8) -> Int { (Int(field) &+ 2) &* 4 }

    /// Verifies packets of one SA of AH and notes what became of each.
    func verify(_ first: Int, count: Int, _ authenticator: PacketAuthenticator) {
        for index in first..<first &+ count {
            let header: UnsafeMutableRawPointer = unsafe UnsafeMutableRawPointer(jobs[index].esp)
            let prefix = unsafe arrivals[index].prefix
            let packet = unsafe header - prefix
            guard
                unsafe CoveredHeader.write(
                    to: scratch,
                    from: packet,
                    length: prefix,
                    isV4: packet.read8(0) >> 4 == 4
                )
            else {
                unsafe jobs[index].status = CYGNET_PACKET_BAD_LENGTH.rawValue
                continue
            }
            let outcome = unsafe authenticator.open(
                header: scratch,
                headerLength: prefix,
                authenticationHeader: header,
                length: InboundProcessor.authenticationLength(header.read8(1)),
                payloadLength: Int(jobs[index].body_length),
                sequenceHigh: jobs[index].sequence_high
            )
            unsafe jobs[index].status =
                switch outcome {
                case .done: CYGNET_PACKET_OK.rawValue
                case .failed: CYGNET_PACKET_AUTHENTICATION_FAILED.rawValue
                case .refused: CYGNET_PACKET_LIBRARY_FAILURE.rawValue
                }
        }
    }

    /// What follows once a packet of AH is authentic, new and within the SA's life.
    @inline(never)
    mutating func finishAuthenticated(
        _ index: Int,
        _ association: UnsafeMutablePointer<InboundSA>
    ) {
        let header: UnsafeMutableRawPointer = unsafe UnsafeMutableRawPointer(jobs[index].esp)
        let body = Int(unsafe jobs[index].body_length)
        let length = InboundProcessor.authenticationLength(unsafe header.read8(1))
        let buffer = unsafe buffers[arrivals[index].buffer]
        let next = unsafe header.read8(0)
        guard unsafe association.pointee.carriage.isTransport else {
            return unsafe deliver(
                header + length,
                available: body,
                nextHeader: next,
                outerTrafficClass: buffer.trafficClass,
                association
            )
        }
        guard next != InboundProcessor.nextHeaderNone else { return drops.count(.dummy) }
        let prefix = unsafe arrivals[index].prefix
        let total = prefix &+ body
        // The packet's own header again, as it was before AH was put behind it.
        let nextOffset = unsafe InboundProcessor.nextOffset(header - prefix, prefix: prefix)
        let packet = unsafe header + length - prefix
        unsafe packet.copyMemory(from: header - prefix, byteCount: prefix)
        unsafe packet.write8(next, nextOffset)
        if unsafe packet.read8(0) >> 4 == 4 {
            unsafe packet.write16(UInt16(total), 2)
            unsafe InternetChecksum.setHeaderChecksum(packet, headerLength: prefix)
        } else {
            unsafe packet.write16(UInt16(total &- 40), 4)
        }
        let whole = unsafe InnerPacket(
            packet,
            available: total,
            device: association.pointee.device
        )
        guard let inner = whole else { return drops.count(.malformedInner) }
        unsafe passTransport(packet, inner, association)
    }

    /// Where the protocol of what follows the headers is written.
    private static func nextOffset(_ packet: UnsafeMutableRawPointer, prefix: Int) -> Int {
        if unsafe packet.read8(0) >> 4 == 4 { return 9 }
        var place = 6
        var offset = 40
        while offset < prefix {
            place = offset
            offset += (Int(unsafe packet.read8(offset + 1)) + 1) * 8
        }
        return place
    }
}
