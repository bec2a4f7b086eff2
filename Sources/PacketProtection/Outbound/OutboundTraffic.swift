package import IPsecPrimitives

// Packets that wait for their turn before they are protected, so that the numbers of an SA are in the
// order in which they leave (RFC 4303 §3.3.3).
extension OutboundProcessor {
    /// Takes a frame into the queue of its class; false where it goes at once, or nowhere.
    ///
    /// What answers errors that came by an SA (RFC 4301 §6.2) is found by no policy, and does not wait.
    @inline(never)
    mutating func queue(
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        device: UInt16,
        at now: UInt64
    ) -> Bool {
        guard
            var packet = unsafe innerPacket(of: frame, byteCount: byteCount, device: device)
        else { return false }
        var mark = self.mark
        if packet.isFragment { unsafe showPorts(of: &packet, &mark, frame, at: now) }
        let decision = decide(packet)
        guard decision.kind == .protect else { return false }
        let shaper = unsafe database.policies[Int(decision.policy)].shaper
        guard shaper >= 0,
            let shape = unsafe frameShape(frame, packet, slot: Int(decision.slot))
        else { return false }
        unsafe traffic.enqueue(
            frame,
            byteCount: OffloadHeader.length + packet.totalLength,
            device: device,
            mark: mark,
            shape,
            queue: traffic.queue(of: packet, mark: mark, shaper: Int(shaper)),
            drops: drops,
            at: now
        )
        return true
    }

    /// All fragments of a packet are of the class of the first, or they would overtake each other.
    private mutating func showPorts(
        of packet: inout InnerPacket,
        _ mark: inout UInt8,
        _ frame: UnsafeMutableRawPointer,
        at now: UInt64
    ) {
        guard let part = unsafe FragmentPart(frame + OffloadHeader.length, packet) else { return }
        if packet.isLaterFragment {
            guard let first = fragments.find(packet, part, at: now) else { return }
            packet = packet.showing(first)
            mark = first.mark
        } else if packet.hasPorts {
            fragments.note(packet, part, policy: 0, mark: mark, at: now)
        }
    }

    /// What a frame will be cut into; nil for what will not pass, which is told its sender at once.
    private func frameShape(
        _ frame: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        slot: Int
    ) -> FrameShape? {
        let offload = unsafe OffloadHeader(frame)
        let mtu = unsafe associations.elements[slot].tunnelMTU
        let limit = packet.isV4 ? mtu : max(mtu, 1280)
        guard offload.type != OffloadHeader.typeNone else {
            if packet.totalLength > limit, packet.dontFragment { return nil }
            return FrameShape(octets: outerOctets(packet.totalLength, limit, packet, slot: slot))
        }
        let isUDP = offload.type == OffloadHeader.typeUDP
        let parts = unsafe superpacket(
            frame + OffloadHeader.length,
            packet,
            offload,
            transportHeader: isUDP ? 8 : nil
        )
        guard let parts else { return nil }
        let largest = parts.headers + min(parts.segmentPayload, parts.payload)
        if largest > limit, packet.dontFragment { return nil }
        let segments = max((parts.payload + parts.segmentPayload - 1) / parts.segmentPayload, 1)
        let last = parts.payload - (segments - 1) * parts.segmentPayload
        var shape = FrameShape(octets: outerOctets(largest, limit, packet, slot: slot))
        shape.segments = segments
        shape.lastOctets = outerOctets(parts.headers + last, limit, packet, slot: slot)
        shape.headers = parts.headers
        shape.segmentPayload = parts.segmentPayload
        return shape
    }

    /// Octets of the outer packets that carry an inner one of `length`, more than one where it exceeds
    /// `limit`.
    private func outerOctets(_ length: Int, _ limit: Int, _ packet: InnerPacket, slot: Int) -> Int {
        if length > limit {
            let whole = length / limit
            let rest = length - whole * limit
            return whole * outerOctets(limit, limit, packet, slot: slot)
                + (rest > 0 ? outerOctets(rest + 20, max(limit, rest + 20), packet, slot: slot) : 0)
        }
        let association = unsafe associations.elements + slot
        // In transport mode the packet's own header is the outer one.
        let isTransport = unsafe association.pointee.carriage.isTransport
        let inner = isTransport ? max(length - (packet.isV4 ? 20 : 40), 0) : length
        let outer =
            unsafe association.pointee.path.headerLength + association.pointee.bodyOffset
        if unsafe association.pointee.authenticationLength > 0 { return outer + inner }
        let mask = unsafe association.pointee.blockMask
        return outer + (inner + 2 + mask) & ~mask + (unsafe association.pointee.icvLength)
    }

    // MARK: Leaving

    /// Takes what may leave now into the batch, as much as fits. Overwrites `readBuffer`.
    ///
    /// - Returns: whether the batch is full, so that there may be more.
    package mutating func takeDeparting(at now: Instant) -> Bool {
        if staged.count > 0 { processStaged(at: now.nanoseconds) }
        while hasRoom {
            guard let departure = traffic.next(at: now.nanoseconds) else { return false }
            depart(departure, at: now)
            traffic.finish(departure)
        }
        return true
    }

    /// When `takeDeparting` has something to do, at the soonest; nil while nothing waits.
    package func nextDeparture(at now: Instant) -> Instant? {
        traffic.nextTime(at: now.nanoseconds).map { Instant(nanoseconds: $0) }
    }

    private mutating func depart(_ departure: Departure, at now: Instant) {
        // For the case that its SA is gone, and it is held.
        mark = departure.mark
        let device = DeviceNumber(rawValue: departure.device)
        if let reason = departure.reason {
            drops.count(reason, departure.segments.count)
            guard traces.isOn else { return }
            let byteCount = gather(departure)
            traceQueueDrop(
                byteCount: byteCount,
                device: device,
                since: departure.since,
                reason,
                at: now
            )
            return
        }
        if traces.isOn {
            let byteCount = gather(departure)
            traceDeparting(byteCount: byteCount, device: device, since: departure.since, at: now)
            return
        }
        if departure.segmentPayload == 0, FramePool.blocks(for: departure.byteCount) == 1 {
            unsafe processDeparting(
                traffic.pool.frame(departure.frame),
                byteCount: departure.byteCount,
                device: departure.device,
                at: now.nanoseconds
            )
        } else {
            let byteCount = gather(departure)
            unsafe processDeparting(
                readArea + 6,
                byteCount: byteCount,
                device: departure.device,
                at: now.nanoseconds
            )
        }
    }

    @inline(never)
    private mutating func processDeparting(
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        device: UInt16,
        at now: UInt64
    ) {
        unsafe processNow(frame, byteCount: byteCount, device: device, at: now)
    }

    /// Puts what leaves into the read buffer, as a frame of its own.
    ///
    /// - Returns: its octets.
    private func gather(_ departure: Departure) -> Int {
        let frame = unsafe readArea + 6
        guard departure.segmentPayload > 0 else {
            unsafe traffic.pool.copy(departure.frame, 0..<departure.byteCount, to: frame)
            return departure.byteCount
        }
        let headers = OffloadHeader.length + departure.headers
        let payload = departure.byteCount - headers
        let start = departure.segments.lowerBound * departure.segmentPayload
        let end = min(departure.segments.upperBound * departure.segmentPayload, payload)
        unsafe traffic.pool.copy(departure.frame, 0..<headers, to: frame)
        unsafe traffic.pool.copy(
            departure.frame,
            headers + start..<headers + end,
            to: frame + headers
        )
        unsafe SuperpacketPart.complete(
            frame + OffloadHeader.length,
            headers: departure.headers,
            offset: start,
            size: end - start,
            index: departure.segments.lowerBound,
            isLast: end == payload
        )
        return headers + end - start
    }
}
