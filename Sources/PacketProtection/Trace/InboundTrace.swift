internal import CPacketCipher
internal import IPsecCrypto
package import IPsecPrimitives

// The inbound path while somebody looks: the same functions, one packet at a time, and what each
// changed.
extension InboundProcessor {
    /// Whether packets should be taken by the functions here.
    package var isTraced: Bool { traces.isOn }

    /// As `receiveUDP`, for one datagram, and tells of it where it goes no further.
    @inline(never)
    package mutating func receiveUDPTraced(
        _ bytes: UnsafeMutableRawPointer,
        byteCount: Int,
        from source: Endpoint,
        to local: Endpoint,
        trafficClass: UInt8,
        hopLimit: UInt8 = 0,
        at now: Instant
    ) {
        let state = beginArrival()
        unsafe traces.keep(bytes, byteCount)
        let spi = byteCount >= 4 ? unsafe bytes.read32(0) : 0
        unsafe receiveUDP(
            bytes,
            byteCount: byteCount,
            segmentSize: 0,
            from: source,
            to: local,
            trafficClass: trafficClass,
            hopLimit: hopLimit,
            at: now
        )
        var record = arrival(spi, octets: byteCount, at: now)
        record.setPath(.udp, local: local, remote: source)
        endArrival(&record, state)
    }

    /// As `takeHandedOver`.
    @inline(never)
    package mutating func takeHandedOverTraced(_ packet: HandOverRing.Packet, at now: Instant) {
        if unsafe packet.record.kind == .streamed {
            return unsafe receiveStreamedTraced(
                packet.bytes,
                byteCount: packet.byteCount,
                from: packet.record.source,
                to: packet.record.local,
                at: now
            )
        }
        unsafe receiveUDPTraced(
            packet.bytes,
            byteCount: packet.byteCount,
            from: packet.record.source,
            to: packet.record.local,
            trafficClass: packet.record.trafficClass,
            hopLimit: packet.record.hopLimit,
            at: now
        )
    }

    /// As `receiveStreamed`.
    @inline(never)
    package mutating func receiveStreamedTraced(
        _ bytes: UnsafeMutableRawPointer,
        byteCount: Int,
        from source: Endpoint,
        to local: Endpoint,
        at now: Instant
    ) {
        let state = beginArrival()
        unsafe traces.keep(bytes, byteCount)
        let spi = byteCount >= 4 ? unsafe bytes.read32(0) : 0
        unsafe receiveStreamed(bytes, byteCount: byteCount, from: source, to: local, at: now)
        var record = arrival(spi, octets: byteCount, at: now)
        record.setPath(.tcp, local: local, remote: source)
        endArrival(&record, state)
    }

    /// As `receiveESP`.
    @inline(never)
    package mutating func receiveESPTraced(
        _ bytes: UnsafeMutableRawPointer,
        byteCount: Int,
        from source: IPAddress,
        to local: IPAddress,
        trafficClass: UInt8,
        hopLimit: UInt8 = 0,
        at now: Instant
    ) {
        let state = beginArrival()
        unsafe traces.keep(bytes, byteCount)
        let spi = byteCount >= 4 ? unsafe bytes.read32(0) : 0
        unsafe receiveESP(
            bytes,
            byteCount: byteCount,
            from: source,
            to: local,
            trafficClass: trafficClass,
            hopLimit: hopLimit,
            at: now
        )
        var record = arrival(spi, octets: byteCount, at: now)
        record.setPath(
            .esp,
            local: Endpoint(address: local, port: 0),
            remote: Endpoint(address: source, port: 0)
        )
        endArrival(&record, state)
    }

    /// As `receiveAH`.
    @inline(never)
    package mutating func receiveAHTraced(
        _ bytes: UnsafeMutableRawPointer,
        byteCount: Int,
        at now: Instant
    ) {
        let state = beginArrival()
        unsafe traces.keep(bytes, byteCount)
        unsafe receiveAH(bytes, byteCount: byteCount, at: now)
        var record = arrival(0, octets: byteCount, at: now)
        record.isAuthenticationHeader = true
        record.hasOuterHeader = true
        if bufferCount > state.buffers {
            let buffer = unsafe buffers[bufferCount - 1]
            record.setPath(.esp, local: buffer.local, remote: buffer.source)
        }
        endArrival(&record, state)
    }

    private struct State {
        var jobs: Int
        var controls: Int
        var buffers: Int
    }

    private mutating func beginArrival() -> State {
        traces.mark(drops)
        return State(jobs: jobCount, controls: controlCount, buffers: bufferCount)
    }

    private func arrival(_ spi: UInt32, octets: Int, at now: Instant) -> TraceRecord {
        var record = TraceRecord(.inbound, at: now.nanoseconds)
        record.spi = spi
        record.datagrams = 1
        record.outerOctets = UInt32(truncatingIfNeeded: octets)
        let slot = spis.find(spi)
        if slot >= 0 { unsafe describe(associations.elements + slot, in: &record) }
        return record
    }

    private func describe(
        _ association: UnsafeMutablePointer<InboundSA>,
        in record: inout TraceRecord
    ) {
        record.hasSA = true
        record.association = unsafe association.pointee.identifier
        record.spi = unsafe association.pointee.spi
        record.hasPolicy = true
        record.policy = unsafe association.pointee.policy
        record.device = unsafe association.pointee.device
        record.isAuthenticationHeader =
            unsafe association.pointee.carriage.isAuthenticationHeader
        record.isTransport = unsafe association.pointee.carriage.isTransport
    }

    /// Tells of a packet that is not in the batch; what was given to another worker is that one's to
    /// tell of.
    private mutating func endArrival(_ record: inout TraceRecord, _ state: State) {
        guard jobCount == state.jobs else { return }
        record.reason = traces.reason(drops)
        if record.reason == nil {
            guard controlCount > state.controls else { return }
            record.outcome = .control
            record.hasSA = false
            record.hasPolicy = false
            record.spi = 0
        }
        unsafe offer(
            record,
            datagram: traces.kept,
            inner: UnsafeRawBufferPointer(start: nil, count: 0)
        )
    }

    private mutating func offer(
        _ record: TraceRecord,
        datagram: UnsafeRawBufferPointer,
        inner: UnsafeRawBufferPointer
    ) {
        var taps: [TraceTap] = []
        unsafe traces.offer(record, inner: inner) { taps.append($0) }
        var arrived = record
        arrived.outcome = .datagram
        for tap in taps {
            unsafe TraceNotes.hand(
                arrived,
                datagram,
                upTo: tap.filter.captureOctets,
                to: tap.sink
            )
        }
    }

    /// As `open`, and tells what became of each packet.
    @inline(never)
    package mutating func openTraced(at now: Instant) {
        let count = jobCount
        for index in 0..<count {
            unsafe jobs[0] = jobs[index]
            unsafe arrivals[0] = arrivals[index]
            jobCount = 1
            openOne(at: now)
        }
        jobCount = 0
        coalescer.flush()
    }

    private mutating func openOne(at now: Instant) {
        let arrival = unsafe arrivals[0]
        let association = unsafe associations.elements + arrival.slot
        let buffer = unsafe buffers[arrival.buffer]
        let isAH = unsafe association.pointee.carriage.isAuthenticationHeader
        let esp = unsafe UnsafeMutableRawPointer(jobs[0].esp!)
        let body = Int(unsafe jobs[0].body_length)
        // Of AH; in transport mode the IP header takes its place when it is opened.
        let header = isAH ? InboundProcessor.authenticationLength(unsafe esp.read8(1)) : 0
        let front =
            isAH
            ? arrival.prefix + header
            : unsafe TunnelMTU.headerLength + association.pointee.ivLength
        let behind = isAH ? 0 : unsafe association.pointee.icvLength
        var record = TraceRecord(.inbound, at: now.nanoseconds)
        unsafe describe(association, in: &record)
        record.datagrams = 1
        record.sequence = arrival.sequence
        record.outerOctets = UInt32(truncatingIfNeeded: front + body + behind)
        record.hasOuterHeader = arrival.prefix > 0
        record.setPath(buffer.carrier, local: buffer.local, remote: buffer.source)
        // Before it is opened where it lies.
        unsafe traces.keep(esp - arrival.prefix, front + body + behind)
        traces.mark(drops)
        openJobs(at: now)
        record.reason = traces.reason(drops)
        record.outcome = record.reason == nil ? .opened : .dropped
        let inner = unsafe innerOctets(
            record,
            esp,
            prefix: arrival.prefix,
            header: header,
            body: body,
            association
        )
        if let bytes = inner.baseAddress {
            let packet = unsafe InnerPacket(
                UnsafeMutableRawPointer(mutating: bytes),
                available: inner.count,
                device: record.device
            )
            if let packet { record.take(packet) }
        }
        let length = record.hasInner ? Int(record.innerOctets) : 0
        unsafe offer(
            record,
            datagram: traces.kept,
            inner: UnsafeRawBufferPointer(rebasing: inner.prefix(length))
        )
    }

    /// The inner packet as it was handed on, or would have been; nothing where it was not authentic.
    private func innerOctets(
        _ record: TraceRecord,
        _ esp: UnsafeMutableRawPointer,
        prefix: Int,
        header: Int,
        body: Int,
        _ association: UnsafeMutablePointer<InboundSA>
    ) -> UnsafeRawBufferPointer {
        let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        guard unsafe jobs[0].status == 0 else { return unsafe nothing }
        let isTransport = unsafe association.pointee.carriage.isTransport
        let isWhole = record.outcome == .opened || record.reason == .selectorMismatch
        if unsafe association.pointee.carriage.isAuthenticationHeader {
            guard isTransport else {
                return unsafe UnsafeRawBufferPointer(start: esp + header, count: body)
            }
            guard isWhole else { return unsafe nothing }
            return unsafe UnsafeRawBufferPointer(
                start: esp + header - prefix,
                count: prefix + body
            )
        }
        if isTransport {
            guard isWhole else { return unsafe nothing }
            return unsafe UnsafeRawBufferPointer(
                start: scratch,
                count: InboundProcessor.receiveOctets
            )
        }
        let inner = unsafe esp + (TunnelMTU.headerLength + association.pointee.ivLength)
        let padding = Int(unsafe inner.read8(body - 2))
        if unsafe inner.read8(body - 1) == CompressionHeader.ipProtocol {
            guard isWhole, let result = unsafe decompression?.result else { return unsafe nothing }
            return unsafe UnsafeRawBufferPointer(start: result, count: decompressedLength)
        }
        return unsafe UnsafeRawBufferPointer(start: inner, count: max(body - 2 - padding, 0))
    }
}
