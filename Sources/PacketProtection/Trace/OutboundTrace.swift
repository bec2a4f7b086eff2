package import IPsecPrimitives

// The outbound path while somebody looks: the same functions, and what each packet changed.
extension OutboundProcessor {
    /// Whether reads should be taken by `processTraced`.
    package var isTraced: Bool { traces.isOn }

    /// As `processRead`, and tells what became of the packet.
    @inline(never)
    package mutating func processTraced(
        byteCount: Int,
        device: DeviceNumber = .shared,
        at now: Instant
    ) {
        if staged.count > 0 { processStaged(at: now.nanoseconds) }
        trace(byteCount: byteCount, device: device, heldFor: 0, at: now)
    }

    /// As `takeHandedOver`, and tells what became of the packet.
    @inline(never)
    package mutating func takeHandedOverTraced(_ packet: HandOverRing.Packet, at now: Instant) {
        if staged.count > 0 { processStaged(at: now.nanoseconds) }
        let device = DeviceNumber(rawValue: unsafe packet.record.device)
        var record = unsafe beginTrace(
            packet.bytes,
            byteCount: packet.byteCount,
            device: device,
            at: now
        )
        let before = changes
        unsafe takeHandedOver(packet, at: now)
        endTrace(&record, before, at: now)
    }

    /// Takes what lies in the read buffer.
    @inline(never)
    mutating func trace(byteCount: Int, device: DeviceNumber, heldFor: UInt64, at now: Instant) {
        var record = unsafe beginTrace(
            readArea + 6,
            byteCount: byteCount,
            device: device,
            at: now
        )
        record.heldFor = heldFor
        let before = changes
        processRead(byteCount: byteCount, device: device, at: now)
        endTrace(&record, before, at: now)
    }

    /// Takes what waited for its turn and lies in the read buffer.
    @inline(never)
    mutating func traceDeparting(
        byteCount: Int,
        device: DeviceNumber,
        since: UInt64,
        at now: Instant
    ) {
        let frame = unsafe readArea + 6
        var record = unsafe beginTrace(frame, byteCount: byteCount, device: device, at: now)
        record.heldFor = now.nanoseconds > since ? now.nanoseconds - since : 0
        let before = changes
        unsafe processNow(
            frame,
            byteCount: byteCount,
            device: device.rawValue,
            at: now.nanoseconds
        )
        endTrace(&record, before, at: now)
    }

    /// Tells that what waited for its turn and lies in the read buffer does not go.
    @inline(never)
    mutating func traceQueueDrop(
        byteCount: Int,
        device: DeviceNumber,
        since: UInt64,
        _ reason: DropReason,
        at now: Instant
    ) {
        let frame = unsafe readArea + 6
        var record = unsafe beginTrace(frame, byteCount: byteCount, device: device, at: now)
        record.heldFor = now.nanoseconds > since ? now.nanoseconds - since : 0
        record.reason = reason
        record.outcome = .dropped
        offer(&record, 0..<0)
    }

    /// What a packet may change besides the counters of drops.
    private struct Changes {
        var jobs: Int
        var held: Int
        var handedOver: Int
        /// In trains, and for their turn.
        var queued: Int
        var waiting: Int
    }

    private var changes: Changes {
        Changes(
            jobs: batch.jobCount,
            held: held.entries.count,
            handedOver: handOver.packets,
            queued: packetsQueued,
            waiting: traffic.frameCount
        )
    }

    private mutating func beginTrace(
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        device: DeviceNumber,
        at now: Instant
    ) -> TraceRecord {
        var record = TraceRecord(.outbound, at: now.nanoseconds)
        record.device = device.rawValue
        record.innerOctets = UInt32(truncatingIfNeeded: max(byteCount - OffloadHeader.length, 0))
        let inner = unsafe innerPacket(
            of: frame,
            byteCount: byteCount,
            device: device.rawValue
        )
        if let packet = inner {
            record.take(packet)
            describe(decide(packet), in: &record)
        }
        unsafe traces.keep(
            frame + OffloadHeader.length,
            inner?.totalLength ?? Int(record.innerOctets)
        )
        traces.mark(drops)
        return record
    }

    private mutating func endTrace(
        _ record: inout TraceRecord,
        _ before: Changes,
        at now: Instant
    ) {
        if staged.count > 0 { processStaged(at: now.nanoseconds) }
        if isCompressing { flushCompression() }
        // What leaves is captured as it leaves.
        if traces.isCapturing { seal(at: now) }
        record.reason = traces.reason(drops)
        if record.reason != nil {
            record.outcome = .dropped
        } else if batch.jobCount > before.jobs {
            record.outcome = .sealed
        } else if held.entries.count > before.held {
            record.outcome = .held
        } else if packetsQueued != before.queued {
            record.outcome = .queued
        } else {
            // The worker that it was given to tells of it, and of what waits for its turn is told when
            // it leaves.
            guard handOver.packets == before.handedOver, traffic.frameCount <= before.waiting
            else { return }
            record.outcome = .gathered
        }
        offer(&record, before.jobs..<batch.jobCount)
    }

    private func describe(_ decision: FlowDecision, in record: inout TraceRecord) {
        if decision.policy >= 0 {
            record.hasPolicy = true
            record.policy = unsafe database.policies[Int(decision.policy)].identifier
        }
        guard decision.kind == .protect else { return }
        describe(slot: Int(decision.slot), in: &record)
    }

    private func describe(slot: Int, in record: inout TraceRecord) {
        let association = unsafe associations.elements + slot
        record.hasSA = true
        record.association = unsafe association.pointee.identifier
        // What is no packet's own decision goes by the SA's: a fragment by that of the first.
        record.hasPolicy = true
        record.policy = unsafe association.pointee.policy
        record.spi = unsafe association.pointee.spi
        record.limit = UInt32(
            truncatingIfNeeded: unsafe max(association.pointee.tunnelMTU, 0)
        )
        record.isAuthenticationHeader =
            unsafe association.pointee.carriage.isAuthenticationHeader
        record.isTransport = unsafe association.pointee.carriage.isTransport
        record.take(unsafe association.pointee.path)
    }

    private mutating func offer(_ record: inout TraceRecord, _ jobs: Range<Int>) {
        if !jobs.isEmpty {
            record.datagrams = UInt16(truncatingIfNeeded: jobs.count)
            // A packet that was put together may go by another SA than its last fragment would.
            describe(slot: batch.slot(ofJob: jobs.lowerBound), in: &record)
            var octets = 0
            for job in jobs { octets += unsafe datagram(job).octets.count }
            let last = unsafe datagram(jobs.upperBound - 1)
            record.outerOctets = UInt32(truncatingIfNeeded: octets)
            record.sequence = unsafe last.sequence
            record.hasOuterHeader = unsafe last.hasHeader
        }
        let decided = record
        let inner = unsafe traces.kept
        // What takes the datagrams reads the batch alone.
        var taps: [TraceTap] = []
        unsafe traces.offer(decided, inner: inner) { taps.append($0) }
        for tap in taps {
            for job in jobs {
                let sent = unsafe datagram(job)
                var one = decided
                one.outcome = .datagram
                one.datagrams = 1
                one.outerOctets = UInt32(truncatingIfNeeded: unsafe sent.octets.count)
                one.sequence = unsafe sent.sequence
                one.hasOuterHeader = unsafe sent.hasHeader
                unsafe TraceNotes.hand(
                    one,
                    sent.octets,
                    upTo: tap.filter.captureOctets,
                    to: tap.sink
                )
            }
        }
    }

    @unsafe private struct SentDatagram {
        var octets: UnsafeRawBufferPointer
        var sequence: UInt64
        var hasHeader: Bool
    }

    private func datagram(_ job: Int) -> SentDatagram {
        let association = unsafe associations.elements + batch.slot(ofJob: job)
        let place = unsafe batch.place(ofJob: job)
        let icv =
            unsafe association.pointee.carriage.isAuthenticationHeader
            ? 0 : association.pointee.icvLength
        let count = unsafe place.prefix + association.pointee.bodyOffset + place.bodyLength + icv
        let header = unsafe place.start + place.prefix
        let isAH = unsafe association.pointee.carriage.isAuthenticationHeader
        let low = unsafe header.read32(isAH ? 8 : 4)
        return unsafe SentDatagram(
            octets: UnsafeRawBufferPointer(start: place.start, count: count),
            sequence: UInt64(place.sequenceHigh) << 32 | UInt64(low),
            hasHeader: place.prefix > 0
        )
    }

    /// Tells that a packet which waited will not go.
    @inline(never)
    mutating func traceHeldDrop(_ index: Int, _ reason: DropReason, at now: Instant) {
        guard traces.isOn else { return }
        let entry = held.entries[index]
        // The buffer is free between reads.
        let frame = unsafe readArea + 6
        unsafe held.copy(index, to: frame)
        var record = TraceRecord(.outbound, at: now.nanoseconds)
        record.device = entry.device
        record.hasPolicy = true
        record.policy = entry.policy
        record.reason = reason
        record.heldFor = now.nanoseconds > entry.since ? now.nanoseconds - entry.since : 0
        let inner = unsafe innerPacket(
            of: frame,
            byteCount: entry.byteCount,
            device: entry.device
        )
        if let packet = inner { record.take(packet) }
        unsafe traces.keep(
            frame + OffloadHeader.length,
            inner?.totalLength ?? 0
        )
        offer(&record, 0..<0)
    }
}
