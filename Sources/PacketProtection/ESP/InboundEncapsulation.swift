internal import CPacketCipher
internal import IPsecPrimitives

// ESP on its way in (RFC 4303 §3.4).
extension InboundProcessor {
    @inline(__always)
    mutating func enqueue(
        _ esp: UnsafeMutableRawPointer,
        _ count: Int,
        at now: Instant
    ) {
        guard count >= 8 else { return drops.count(.malformedESP) }
        let slot = spis.find(unsafe esp.read32(0))
        guard slot >= 0 else { return unsafe reportUnknown(esp, count, at: now) }
        let association = unsafe associations.elements + slot
        guard unsafe !association.pointee.carriage.isAuthenticationHeader else {
            return unsafe reportUnknown(esp, count, at: now)
        }
        let overhead =
            unsafe TunnelMTU.headerLength &+ association.pointee.ivLength
            &+ association.pointee.icvLength
        let body = count &- overhead
        guard body >= 2, unsafe body & association.pointee.blockMask == 0 else {
            return drops.count(.malformedESP)
        }
        guard let number = unsafe admitted(esp.read32(4), association) else { return }
        guard jobCount < maximumJobs, maximumOctets &- octets >= count else {
            return drops.count(.batchOverflow)
        }
        unsafe jobs[jobCount] = cygnet_packet_job(
            esp: esp.assumingMemoryBound(to: UInt8.self),
            body_length: UInt32(body),
            sequence_high: association.pointee.isExtended
                ? UInt32(truncatingIfNeeded: number >> 32) : 0,
            status: 0
        )
        if unsafe association.pointee.mayGrow { unsafe makeRoom(for: body, association) }
        keys.prefetch(slot)
        unsafe arrivals[jobCount] = Arrival(
            slot: slot,
            sequence: number,
            buffer: bufferCount &- 1
        )
        jobCount &+= 1
        octets &+= count
    }

    /// What comes out of it may be longer than what came.
    @inline(never)
    mutating func makeRoom(
        for body: Int,
        _ association: UnsafeMutablePointer<InboundSA>
    ) {
        switch unsafe association.pointee.carriage {
        case .espAggregated:
            // Each of the shortest packets that may be in it gets a header for the device.
            growthOctets &+= body / 2
            growthWrites &+= body / 20
        case .espTransport:
            // It gets its own IP header back as well.
            growthOctets &+= 40 &+ OffloadHeader.length
        default: break
        }
        if unsafe association.pointee.compressionIndex != 0 {
            growthOctets &+= InboundProcessor.decompressionRoom
        }
    }

    @inline(never)
    private mutating func reportUnknown(
        _ esp: UnsafeMutableRawPointer,
        _ count: Int,
        at now: Instant
    ) {
        if unsafe passOn(esp, count) { return }
        let spi = unsafe esp.read32(0)
        drops.count(.unknownSPI)
        // RFC 9329 §6.1: along a TCP connection it is the connection that is doubted.
        guard unsafe buffers[bufferCount - 1].carrier != .tcp,
            unknownLimit.allows(atNanoseconds: now.nanoseconds)
        else { return }
        let source = unsafe buffers[bufferCount - 1].source
        events.post(.unknownSPI(SPI(rawValue: spi), from: source))
    }

    /// What follows once a packet of ESP is authentic, new and within the SA's life.
    @inline(__always)
    mutating func finishEncapsulated(
        _ job: cygnet_packet_job,
        _ buffer: UnsafePointer<Buffer>,
        sequence: UInt64,
        _ association: UnsafeMutablePointer<InboundSA>
    ) {
        let body = unsafe Int(job.body_length)
        let inner =
            unsafe UnsafeMutableRawPointer(job.esp)
            + (TunnelMTU.headerLength &+ association.pointee.ivLength)
        let padding = Int(unsafe inner.read8(body &- 2))
        guard unsafe hasValidPadding(inner, body: body, padding: padding) else {
            return drops.count(.badPadding)
        }
        if unsafe association.pointee.carriage != .espTunnel {
            return unsafe finishApart(
                inner,
                available: body &- 2 &- padding,
                nextHeader: inner.read8(body &- 1),
                sequence: sequence,
                buffer,
                association
            )
        }
        unsafe deliver(
            inner,
            available: body &- 2 &- padding,
            nextHeader: inner.read8(body &- 1),
            outerTrafficClass: buffer.pointee.trafficClass,
            association
        )
    }

    /// RFC 4303 §2.4: a receiver should look whether the padding counts 1, 2, 3 …
    @inline(__always)
    private func hasValidPadding(
        _ inner: UnsafeMutableRawPointer,
        body: Int,
        padding: Int
    ) -> Bool {
        guard padding &+ 2 <= body else { return false }
        let start = body &- 2 &- padding
        var index = 0
        while index < padding {
            if unsafe inner.read8(start &+ index) != UInt8(truncatingIfNeeded: index &+ 1) {
                return false
            }
            index &+= 1
        }
        return true
    }
}
