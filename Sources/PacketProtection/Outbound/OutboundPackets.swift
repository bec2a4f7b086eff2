internal import CPacketCipher
internal import IPsecPrimitives

// One packet through the outbound path: policy, SA, headers (RFC 4301 §5.1).
extension OutboundProcessor {
    /// What the outer header takes from the inner one and from the SA, and what must fit.
    ///
    /// Three words, which travel in registers: more would be put together in memory and copied there.
    struct Outer {
        let slot: Int
        /// The largest inner packet in octets.
        let limit: Int
        /// From the lowest octet: next header, traffic class, hop limit, Don't Fragment; then the
        /// prefix in the upper half.
        private var fields: UInt64

        /// - Parameters:
        ///   - hopLimit: 0 in tunnel mode: the system's own.
        ///   - prefix: octets of IP header that are to be left room for before ESP or AH.
        @inline(__always)
        init(
            slot: Int,
            nextHeader: UInt8,
            trafficClass: UInt8,
            dontFragment: Bool,
            limit: Int,
            hopLimit: UInt8 = 0,
            prefix: Int = 0
        ) {
            self.slot = slot
            self.limit = limit
            fields =
                UInt64(nextHeader) | UInt64(trafficClass) << 8 | UInt64(hopLimit) << 16
                | (dontFragment ? 1 << 24 : 0) | UInt64(UInt32(truncatingIfNeeded: prefix)) << 32
        }

        /// The same around something else.
        func carrying(_ nextHeader: UInt8) -> Outer {
            var result = self
            result.fields = fields & ~0xFF | UInt64(nextHeader)
            return result
        }

        var nextHeader: UInt8 { UInt8(truncatingIfNeeded: fields) }
        var trafficClass: UInt8 { UInt8(truncatingIfNeeded: fields >> 8) }
        var hopLimit: UInt8 { UInt8(truncatingIfNeeded: fields >> 16) }
        var prefix: Int { Int(truncatingIfNeeded: fields >> 32) }
        var dontFragment: Bool {
            get { fields & 1 << 24 != 0 }
            set { fields = newValue ? fields | 1 << 24 : fields & ~(1 << 24) }
        }
    }

    /// RFC 4303 §2.6: the protocol number of the inner packet in tunnel mode.
    static let nextHeaderV4: UInt8 = 4
    static let nextHeaderV6: UInt8 = 41

    @inline(__always)
    func innerPacket(
        of frame: UnsafeMutableRawPointer,
        byteCount: Int,
        device: UInt16
    ) -> InnerPacket? {
        guard byteCount > OffloadHeader.length, byteCount <= OutboundProcessor.readOctets
        else { return nil }
        return unsafe InnerPacket(
            frame + OffloadHeader.length,
            available: byteCount &- OffloadHeader.length,
            device: device
        )
    }

    /// Takes one frame, a virtio_net_hdr and a packet, whereever it lies.
    @inline(__always)
    mutating func process(
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        device: UInt16,
        at now: UInt64
    ) {
        if isShaping {
            let isTaken = unsafe queue(frame, byteCount: byteCount, device: device, at: now)
            if isTaken { return }
        }
        unsafe processNow(frame, byteCount: byteCount, device: device, at: now)
    }

    /// As `process`, for what waits for nobody.
    @inline(__always)
    mutating func processNow(
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        device: UInt16,
        at now: UInt64
    ) {
        guard let packet = unsafe innerPacket(of: frame, byteCount: byteCount, device: device)
        else { return drops.count(.malformedInner) }
        if packet.isFragment {
            let isTaken = unsafe takeFragment(frame, byteCount: byteCount, packet, at: now)
            if isTaken { return }
        }
        let decision = decide(packet)
        switch decision.kind {
        case .protect:
            keys.prefetch(Int(decision.slot))
            unsafe protect(
                frame + OffloadHeader.length,
                packet,
                OffloadHeader(frame),
                slot: Int(decision.slot),
                at: now
            )
        case .acquire:
            unsafe hold(
                frame,
                byteCount: byteCount,
                packet,
                policy: Int(decision.policy),
                at: now
            )
        case .handOver, .discard, .bypass, .noPolicy, .routedIntoItself:
            unsafe turnAway(frame, byteCount: byteCount, packet, decision, at: now)
        }
    }

    /// Protects a packet by an SA that something else than its own selectors has found.
    @inline(never)
    mutating func protectApart(
        _ frame: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        slot: Int,
        at now: UInt64
    ) {
        unsafe protect(
            frame + OffloadHeader.length,
            packet,
            OffloadHeader(frame),
            slot: slot,
            at: now
        )
    }

    @inline(__always)
    mutating func decide(_ packet: InnerPacket) -> FlowDecision {
        if let known = cache.find(packet) {
            let decision = known.decision
            if !decision.hangsOnSAs
                || (unsafe database.policies[Int(decision.policy)].generation)
                    == known.policyGeneration
            {
                return decision
            }
            return remember(packet, choose(packet, policy: decision.policy))
        }
        return remember(packet, search(packet))
    }

    @inline(never)
    private mutating func remember(
        _ packet: InnerPacket,
        _ decision: FlowDecision
    ) -> FlowDecision {
        cache.remember(
            packet,
            decision,
            policyGeneration: decision.policy < 0
                ? 0 : unsafe database.policies[Int(decision.policy)].generation
        )
        return decision
    }

    @inline(never)
    func search(_ packet: InnerPacket) -> FlowDecision {
        if packet.device != DeviceNumber.shared.rawValue { return searchOwn(packet) }
        guard let entry = database.lookUp(PolicyQuery(outbound: packet)) else {
            return FlowDecision(kind: .noPolicy, policy: -1, slot: -1)
        }
        switch entry.action {
        case .discard: return FlowDecision(kind: .discard, policy: entry.policy, slot: -1)
        case .bypass: return FlowDecision(kind: .bypass, policy: entry.policy, slot: -1)
        case .protect: return choose(packet, policy: entry.policy)
        }
    }

    /// What is read from a device that has a policy for itself.
    @inline(never)
    private func searchOwn(_ packet: InnerPacket) -> FlowDecision {
        let place = devices.lookUp(packet).map { database.index(of: $0) } ?? -1
        guard place >= 0 else { return FlowDecision(kind: .noPolicy, policy: -1, slot: -1) }
        return choose(packet, policy: Int32(place))
    }

    /// RFC 7296 §2.9: an SA may have been narrowed to less than the policy.
    @inline(never)
    private func choose(_ packet: InnerPacket, policy: Int32) -> FlowDecision {
        let slot = unsafe usable.select(
            PolicyQuery(outbound: packet),
            codePoint: packet.codePoint,
            policy: Int(policy),
            associations.elements,
            database
        )
        if slot < 0, let home = homeElsewhere(policy) {
            return FlowDecision(kind: .handOver, policy: policy, slot: home)
        }
        var kind = slot < 0 ? FlowDecision.Kind.acquire : .protect
        if packet.device != DeviceNumber.shared.rawValue {
            if slot >= 0 {
                let isOwn = unsafe associations.elements[Int(slot)].path.carries(packet)
                if isOwn { kind = .routedIntoItself }
            } else if packet.isForWholeLink,
                unsafe database.policies[Int(policy)].usableSAs > 0
            {
                // A peer that agreed to less than the device could send it has said so: what
                // neighbours send all of a link is not worth asking for more.
                kind = .noPolicy
            }
        }
        return FlowDecision(kind: kind, policy: policy, slot: slot)
    }

    /// The worker that has the SAs of a policy, if that is another one; what has no SA waits there,
    /// and there alone is asked for one.
    func homeElsewhere(_ policy: Int32) -> Int32? {
        guard handOver.place.count > 1 else { return nil }
        let identifier = unsafe database.policies[Int(policy)].identifier
        let home = handOver.place.home(of: PolicyIdentifier(rawValue: identifier))
        return home == handOver.place.index ? nil : Int32(home)
    }

    @inline(__always)
    private mutating func protect(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ offload: OffloadHeader,
        slot: Int,
        at now: UInt64
    ) {
        let association = unsafe associations.elements + slot
        unsafe SegmentSizeClamp.apply(
            bytes,
            packet,
            limit: packet.isV4
                ? association.pointee.segmentSizeV4 : association.pointee.segmentSizeV6,
            isChecksumPartial: offload.needsChecksum
        )
        if unsafe association.pointee.carriage.isTransport {
            return unsafe protectTransport(bytes, packet, offload, slot: slot, at: now)
        }
        let outer = unsafe outerFields(association, packet, slot: slot)
        if offload.type != OffloadHeader.typeNone {
            return unsafe protectSegments(bytes, packet, offload, outer, at: now)
        }
        if offload.needsChecksum,
            offload.checksumStart < 20
                || offload.checksumStart &+ offload.checksumOffset &+ 2 > packet.totalLength
        {
            return drops.count(.malformedInner)
        }
        if packet.totalLength > outer.limit {
            return unsafe protectOversize(bytes, packet, offload, outer, at: now)
        }
        guard let target = unsafe begin(packet.totalLength, outer, at: now) else { return }
        if offload.needsChecksum {
            unsafe finishChecksum(from: bytes, to: target, packet, offload)
        } else {
            unsafe target.copyMemory(from: bytes, byteCount: packet.totalLength)
        }
    }

    @inline(__always)
    private func outerFields(
        _ association: UnsafeMutablePointer<OutboundSA>,
        _ packet: InnerPacket,
        slot: Int
    ) -> Outer {
        let mtu = unsafe association.pointee.tunnelMTU
        var dontFragment: Bool
        switch unsafe association.pointee.dontFragment {
        case .copy: dontFragment = packet.dontFragment
        case .set: dontFragment = true
        case .clear: dontFragment = false
        }
        // RFC 2473 §7.1: an IPv6 packet of up to 1280 octets must pass; if it does not fit, the
        // outer packet is fragmented.
        let limit = packet.isV4 ? mtu : max(mtu, 1280)
        if packet.totalLength > mtu, !packet.isV4 { dontFragment = false }
        return unsafe Outer(
            slot: slot,
            nextHeader: packet.isV4
                ? OutboundProcessor.nextHeaderV4 : OutboundProcessor.nextHeaderV6,
            trafficClass: association.pointee.dscpIsFixed
                ? ExplicitCongestion.encapsulated(
                    packet.trafficClass,
                    dscp: association.pointee.fixedDSCP
                )
                : packet.trafficClass,
            dontFragment: dontFragment,
            limit: limit
        )
    }

    /// Copies a packet and finishes the checksum that the kernel left to the device.
    /// Precondition: the checksum lies within the packet.
    @inline(__always)
    private func finishChecksum(
        from bytes: UnsafeMutableRawPointer,
        to target: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ offload: OffloadHeader
    ) {
        let start = offload.checksumStart
        unsafe target.copyMemory(from: bytes, byteCount: start)
        let sum = unsafe InternetChecksum.copyAndSum(
            from: bytes + start,
            to: target + start,
            packet.totalLength &- start
        )
        unsafe target.writeNative16(
            OutboundProcessor.transmitted(~InternetChecksum.fold(sum), packet.ipProtocol),
            start &+ offload.checksumOffset
        )
    }

    /// RFC 768: a UDP checksum of zero means none, so that zero is sent as its other form.
    @inline(__always)
    static func transmitted(_ checksum: UInt16, _ ipProtocol: UInt8) -> UInt16 {
        checksum == 0 && ipProtocol == 17 ? 0xffff : checksum
    }

    /// Takes a place in the batch for an inner packet, with what protects it around it, and counts it
    /// on the SA; nil when the packet must be dropped, which is counted.
    @inline(__always)
    mutating func begin(
        _ length: Int,
        _ outer: Outer,
        at now: UInt64
    ) -> UnsafeMutableRawPointer? {
        if isCompressing { flushCompression() }
        if unsafe !associations.elements[outer.slot].isPlain {
            return unsafe beginApart(length, outer, at: now)
        }
        return unsafe beginEncapsulated(length, outer, at: now)
    }
}
