internal import CPacketCipher
internal import IPsecCrypto
package import IPsecPrimitives

// One packet through the inbound path: SPI, replay, cipher, padding, selectors (RFC 4301 §5.2,
// RFC 4303 §3.4).
extension InboundProcessor {
    /// RFC 4303 §2.6: no next header, cover traffic.
    static let nextHeaderNone: UInt8 = 59

    /// Takes the payload of one UDP receive: datagrams of `segmentSize` octets behind one another
    /// (UDP_GRO), the last may be shorter.
    package mutating func receiveUDP(
        _ bytes: UnsafeMutableRawPointer,
        byteCount: Int,
        segmentSize: Int,
        from source: Endpoint,
        to local: Endpoint,
        trafficClass: UInt8,
        hopLimit: UInt8 = 0,
        at now: Instant
    ) {
        guard byteCount > 0 else { return drops.count(.malformedESP) }
        guard bufferCount < maximumJobs else { return drops.count(.batchOverflow) }
        let size = segmentSize > 0 ? segmentSize : byteCount
        unsafe buffers[bufferCount] = Buffer(
            source: source,
            local: local,
            trafficClass: trafficClass,
            carrier: .udp,
            hopLimit: hopLimit
        )
        bufferCount &+= 1
        var offset = 0
        while offset < byteCount {
            let count = min(size, byteCount &- offset)
            let datagram = unsafe bytes + offset
            offset &+= count
            if count >= 4, unsafe datagram.read32(0) != 0 {
                unsafe enqueue(datagram, count, at: now)
            } else if count > 4 {
                unsafe takeControl(datagram, count)
            } else {
                // RFC 3948 §2.3: a keepalive is one octet 0xff; other shards are no better.
                let isKeepalive = unsafe count == 1 && datagram.read8(0) == 0xff
                drops.count(isKeepalive ? .keepalive : .malformedESP)
            }
        }
    }

    /// Takes one ESP packet, without the outer IP header.
    package mutating func receiveESP(
        _ bytes: UnsafeMutableRawPointer,
        byteCount: Int,
        from source: IPAddress,
        to local: IPAddress,
        trafficClass: UInt8,
        hopLimit: UInt8 = 0,
        at now: Instant
    ) {
        guard bufferCount < maximumJobs else { return drops.count(.batchOverflow) }
        unsafe buffers[bufferCount] = Buffer(
            source: Endpoint(address: source, port: 0),
            local: Endpoint(address: local, port: 0),
            trafficClass: trafficClass,
            carrier: .esp,
            hopLimit: hopLimit
        )
        bufferCount &+= 1
        unsafe enqueue(bytes, byteCount, at: now)
    }

    /// RFC 3948 §2.2: four octets of zero where an SPI would be mean IKE.
    @inline(never)
    private mutating func takeControl(_ datagram: UnsafeMutableRawPointer, _ count: Int) {
        guard controlCount < maximumJobs else { return drops.count(.batchOverflow) }
        let buffer = unsafe buffers[bufferCount - 1]
        unsafe (control + controlCount).initialize(
            to: ControlDatagram(
                bytes: UnsafeRawBufferPointer(start: datagram + 4, count: count - 4),
                source: buffer.source,
                local: buffer.local
            )
        )
        controlCount += 1
    }

    /// Opens the batch; `deviceWrites` and `controlDatagrams` are then complete.
    package mutating func open(at now: Instant) {
        openJobs(at: now)
        coalescer.flush()
    }

    mutating func openJobs(at now: Instant) {
        openedAt = now.nanoseconds
        var first = 0
        while first < jobCount {
            let slot = unsafe arrivals[first].slot
            var end = first &+ 1
            while end < jobCount, unsafe arrivals[end].slot == slot { end &+= 1 }
            switch unsafe associations.elements[slot].transform {
            case .cipher(let cipher):
                let job = unsafe jobs + first
                unsafe cipher._withUnsafeGuaranteedRef {
                    unsafe $0.open(job, count: end &- first)
                }
            case .authenticator(let authenticator):
                unsafe authenticator._withUnsafeGuaranteedRef {
                    verify(first, count: end &- first, $0)
                }
            case .spread(let cipher):
                unsafe open(first, count: end &- first, cipher)
            }
            while first < end {
                octets &-= Int(unsafe jobs[first].body_length)
                unsafe finish(first, associations.elements + slot, at: now.nanoseconds)
                first &+= 1
            }
        }
        jobCount = 0
    }

    private func open(_ first: Int, count: Int, _ cipher: Unmanaged<SpreadCipher>) {
        let job = unsafe jobs + first
        if let desk = unsafe handOver.desk {
            unsafe desk._withUnsafeGuaranteedRef { unsafe $0.open(job, count: count, cipher) }
        } else {
            unsafe cipher._withUnsafeGuaranteedRef { unsafe $0.own.open(job, count: count) }
        }
    }

    /// What follows once the cipher has had its say.
    @inline(__always)
    private mutating func finish(
        _ index: Int,
        _ association: UnsafeMutablePointer<InboundSA>,
        at now: UInt64
    ) {
        let job = unsafe jobs[index]
        let arrival = unsafe arrivals[index]
        guard unsafe job.status == 0 else { return unsafe reject(job, association) }
        let wasNewest = unsafe arrival.sequence > association.pointee.window.highest
        // Another copy may have come in the same batch.
        guard unsafe association.pointee.window.accept(arrival.sequence) else {
            unsafe association.pointee.replayDrops &+= 1
            return drops.count(.replayed)
        }
        let body = unsafe Int(job.body_length)
        guard unsafe account(association, body, at: now) else { return }
        let buffer = unsafe buffers + arrival.buffer
        if unsafe !association.pointee.isMobile
            || association.pointee.expects(buffer.pointee.source, buffer.pointee.local)
        {
            unsafe association.pointee.lastUse = now
        }
        if unsafe association.pointee.carriage.isAuthenticationHeader {
            return unsafe finishAuthenticated(index, association)
        }
        if unsafe association.pointee.followsPeer, wasNewest,
            unsafe buffer.pointee.carrier == .udp,
            unsafe association.pointee.seenPeer != buffer.pointee.source
        {
            unsafe follow(buffer.pointee.source, association, slot: arrival.slot, at: now)
        }
        unsafe finishEncapsulated(job, buffer, sequence: arrival.sequence, association)
    }

    /// The inner packet's own checks, and its way out.
    @inline(never)
    mutating func deliver(
        _ inner: UnsafeMutableRawPointer,
        available: Int,
        nextHeader: UInt8,
        outerTrafficClass: UInt8,
        _ association: UnsafeMutablePointer<InboundSA>
    ) {
        let isV4 = nextHeader == OutboundProcessor.nextHeaderV4
        guard isV4 || nextHeader == OutboundProcessor.nextHeaderV6 else {
            if nextHeader == CompressionHeader.ipProtocol {
                return unsafe deliverCompressed(
                    inner,
                    available: available,
                    outerTrafficClass: outerTrafficClass,
                    association
                )
            }
            let isDummy = nextHeader == InboundProcessor.nextHeaderNone
            return drops.count(isDummy ? .dummy : .unexpectedNextHeader)
        }
        // RFC 4303 §2.7: octets behind the inner packet's own length are TFC padding.
        let parsed = unsafe InnerPacket(
            inner,
            available: available,
            device: association.pointee.device
        )
        guard var packet = parsed, packet.isV4 == isV4 else { return drops.count(.malformedInner) }
        // RFC 4301 §5.2 step 4: what comes out of an SA must match its selectors.
        if unsafe !association.pointee.selectors.matchesInbound(packet) {
            guard unsafe isAdmittedApart(inner, packet, association) else { return }
        }
        let field = packet.trafficClass & 3
        guard let ecn = ExplicitCongestion.decapsulated(inner: field, outer: outerTrafficClass)
        else { return drops.count(.congestionMark) }
        if ecn != field {
            unsafe ExplicitCongestion.set(ecn, in: inner, isV4: isV4)
            packet.trafficClass = packet.trafficClass & ~3 | ecn
        }
        unsafe SegmentSizeClamp.apply(
            inner,
            packet,
            limit: isV4 ? association.pointee.segmentSizeV4 : association.pointee.segmentSizeV6,
            isChecksumPartial: false
        )
        unsafe handOn(inner, packet)
    }

    /// Hands a packet on to its device; one that finds no room is counted.
    @inline(__always)
    mutating func handOn(_ bytes: UnsafeMutableRawPointer, _ packet: InnerPacket) {
        let isTaken = unsafe coalescer.add(bytes, packet, pending: octets &+ growthOctets)
        if !isTaken { drops.count(.batchOverflow) }
    }

    @inline(never)
    private mutating func reject(
        _ job: cygnet_packet_job,
        _ association: UnsafeMutablePointer<InboundSA>
    ) {
        if unsafe job.status == CYGNET_PACKET_AUTHENTICATION_FAILED.rawValue {
            unsafe association.pointee.authenticationFailures &+= 1
            drops.count(.authenticationFailed)
        } else {
            let isAH = unsafe association.pointee.carriage.isAuthenticationHeader
            drops.count(isAH ? .malformedAH : .malformedESP)
        }
    }
}

// Where the peers of SAs are that are followed (RFC 7296 §2.23): control is told of moves, though not of
// each where somebody moves all the time.
extension InboundProcessor {
    /// A peer that has just been told of waits for so long until the next move is, in nanoseconds.
    private static let reportInterval: UInt64 = 500_000_000

    /// The newest packet of an SA came from another place than the one before.
    @inline(never)
    mutating func follow(
        _ peer: Endpoint,
        _ association: UnsafeMutablePointer<InboundSA>,
        slot: Int,
        at now: UInt64
    ) {
        unsafe association.pointee.seenPeer = peer
        // What waits is looked at in its time, with what was seen last.
        guard unsafe !association.pointee.hasUntoldMove,
            unsafe !isTold(association, at: now)
        else { return }
        unsafe association.pointee.hasUntoldMove = true
        movedSlots.append(slot)
        moveDue = unsafe min(moveDue, association.pointee.nextReport)
    }

    /// Tells control where a peer is, if it may be told by now; whether nothing is left to tell.
    private mutating func isTold(
        _ association: UnsafeMutablePointer<InboundSA>,
        at now: UInt64
    ) -> Bool {
        let peer = unsafe association.pointee.seenPeer
        guard unsafe peer != association.pointee.reportedPeer else { return true }
        guard unsafe association.pointee.nextReport <= now else { return false }
        unsafe association.pointee.nextReport = now &+ InboundProcessor.reportInterval
        let isPosted = events.post(
            .peerEndpointChanged(
                SAIdentifier(rawValue: unsafe association.pointee.identifier),
                peer
            )
        )
        if isPosted { unsafe association.pointee.reportedPeer = peer }
        return isPosted
    }

    /// Tells of the moves that had to wait.
    mutating func tellMoves(at now: UInt64) {
        moveDue = .max
        var kept = 0
        for index in movedSlots.indices {
            let slot = movedSlots[index]
            let association = unsafe associations.elements + slot
            if unsafe isTold(association, at: now) {
                unsafe association.pointee.hasUntoldMove = false
                continue
            }
            moveDue = unsafe min(moveDue, association.pointee.nextReport)
            movedSlots[kept] = slot
            kept += 1
        }
        movedSlots.removeLast(movedSlots.count - kept)
    }
}
