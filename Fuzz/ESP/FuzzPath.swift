internal import CPacketCipher
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

/// The sanitizer's own calls: a read buffer is far longer than what was read into it.
@_silgen_name("__asan_poison_memory_region")
private func poison(_ start: UnsafeRawPointer, _ count: Int)
@_silgen_name("__asan_unpoison_memory_region")
private func unpoison(_ start: UnsafeRawPointer, _ count: Int)

/// Both directions of one gateway, used again for every input: what one leaves behind is removed
/// before the next.
final class FuzzPath {
    private var outbound: OutboundProcessor
    private var inbound: InboundProcessor
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var tunnel: FuzzTunnel?

    init() {
        var configuration = PacketPathConfiguration()
        configuration.maximumSAs = 4
        configuration.flowCacheEntries = 16
        configuration.errorSourceV6 = IPv6Address("fd00:1::1")
        outbound = OutboundProcessor(configuration)
        inbound = InboundProcessor(configuration)
    }

    /// Installs the tunnel; every packet from now on is its first.
    func begin(_ tunnel: FuzzTunnel) {
        self.tunnel = tunnel
        // Old enough for every limit on rates to have room again.
        now = now + .seconds(60)
        outbound.apply(.removeSA(FuzzTunnel.identifier), at: now)
        inbound.apply(.removeSA(FuzzTunnel.identifier), at: now)
        outbound.apply(tunnel.policies, at: now)
        outbound.apply(tunnel.outbound, at: now)
        inbound.apply(tunnel.inbound, at: now)
        _ = outbound.takeEvents()
        _ = inbound.takeEvents()
    }

    // MARK: From the network

    func receiveDatagrams(_ bytes: [UInt8], segmentSize: Int) {
        let size = segmentSize > 0 ? segmentSize : max(bytes.count, 1)
        let count = (bytes.count + size - 1) / size
        unsafe receive([bytes], octets: bytes.count, packets: count) { area in
            unsafe inbound.receiveUDP(
                area.baseAddress!,
                byteCount: area.count,
                segmentSize: segmentSize,
                from: Endpoint(address: FuzzTunnel.far, port: 4500),
                to: Endpoint(address: FuzzTunnel.near, port: 4500),
                trafficClass: bytes.first ?? 0,
                at: now
            )
        }
    }

    func receivePackets(_ packets: [[UInt8]]) {
        let octets = packets.reduce(0) { $0 + $1.count }
        unsafe receive(packets, octets: octets, packets: packets.count) { area in
            unsafe inbound.receiveESP(
                area.baseAddress!,
                byteCount: area.count,
                from: FuzzTunnel.far,
                to: FuzzTunnel.near,
                trafficClass: UInt8(truncatingIfNeeded: area.count),
                at: now
            )
        }
    }

    /// Seals bodies with the SA's keys, as a peer could, and receives them.
    func receiveSealed(_ bodies: [SealedBody]) {
        guard let tunnel else { return }
        let cipher = tunnel.cipher(.seal)
        var number = 0
        receivePackets(
            bodies.map { body in
                number = max(number + body.step, 1)
                return seal(body.bytes, number: UInt32(number), cipher)
            }
        )
        let drops = inbound.snapshot()
        precondition(drops.dropCount(.authenticationFailed) == refusedBefore)
    }

    private func seal(_ body: [UInt8], number: UInt32, _ cipher: PacketCipher) -> [UInt8] {
        var packet = [FuzzTunnel.spi, number].flatMap { value in
            (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
        }
        packet += Array(repeating: 0, count: cipher.ivLength) + body
        packet += Array(repeating: 0, count: cipher.icvLength)
        unsafe packet.withUnsafeMutableBufferPointer { bytes in
            var job = unsafe cygnet_packet_job(
                esp: bytes.baseAddress,
                body_length: UInt32(body.count),
                sequence_high: 0,
                status: 0
            )
            unsafe cipher.seal(&job, count: 1)
            precondition(unsafe job.status == 0)
        }
        return packet
    }

    private var refusedBefore: UInt64 = 0

    /// Receives buffers that end where their memory does, opens the batch, and judges the result.
    private func receive(
        _ buffers: [[UInt8]],
        octets: Int,
        packets: Int,
        _ take: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        let before = inbound.snapshot()
        refusedBefore = before.dropCount(.authenticationFailed)
        var areas = unsafe [UnsafeMutableRawBufferPointer]()
        defer { unsafe areas.forEach { unsafe $0.deallocate() } }
        for bytes in buffers {
            let area = UnsafeMutableRawBufferPointer.allocate(
                byteCount: bytes.count,
                alignment: 1
            )
            unsafe area.copyBytes(from: bytes)
            unsafe areas.append(area)
            unsafe take(area)
        }
        inbound.open(at: now)
        if tunnel?.isTrain == true { giveUp() }
        let frames = unsafe inbound.deviceWrites.map { write in
            unsafe DeviceFrame(
                UnsafeRawBufferPointer(
                    start: inbound.deviceBytes + write.offset,
                    count: write.byteCount
                )
            )
        }
        let control = unsafe inbound.controlDatagrams
        for index in 0..<control.count {
            // Reading every octet is what finds one that is not ours.
            precondition(unsafe Array(control[index].bytes).count <= octets - 4)
        }
        let after = inbound.snapshot()
        let dropped = after.drops.reduce(0, +) - before.drops.reduce(0, +)
        let delivered = frames.reduce(0) { $0 + $1.packets }
        let accounted = Int(dropped) + control.count + delivered
        if tunnel?.isTrain == true {
            // Several packets in one, or one in several; none is shorter than its header.
            precondition(delivered <= octets / 20, "packets were made up")
        } else {
            precondition(accounted == packets, "a packet was lost or made up")
        }
        precondition(frames.reduce(0) { $0 + $1.packet.count } <= octets)
        if let tunnel, tunnel.isNarrow {
            precondition(frames.allSatisfy(\.isWithinNarrowSelectors))
        }
        inbound.reset()
    }

    /// Waits until nothing is waited for any more.
    private func giveUp() {
        while inbound.nextDue < .max {
            now = Instant(nanoseconds: max(now.nanoseconds, inbound.nextDue))
            inbound.giveUpDue(at: now)
        }
        inbound.open(at: now)
    }

    // MARK: From the device

    func readDevice(_ frames: [[UInt8]]) {
        guard let tunnel else { return }
        for frame in frames {
            let area = unsafe outbound.readBuffer
            let count = min(frame.count, area.count)
            unsafe area.copyBytes(from: frame.prefix(count))
            let rest = unsafe UnsafeRawPointer(area.baseAddress! + count)
            unsafe poison(rest, area.count - count)
            outbound.processRead(byteCount: count, at: now)
            unsafe unpoison(rest, area.count - count)
            if !outbound.hasRoom { pass(tunnel) }
        }
        pass(tunnel)
    }

    /// Seals the batch, judges it, and has the other end open it.
    private func pass(_ tunnel: FuzzTunnel) {
        outbound.seal(at: now)
        var datagrams: [[UInt8]] = []
        for index in unsafe outbound.runs.indices {
            let run = unsafe outbound.runs[index]
            let encapsulation = tunnel.isUDP ? 8 : 0
            let outer = 20 + encapsulation + run.segmentSize
            precondition(!run.dontFragment || outer <= tunnel.linkMTU, "longer than the link")
            precondition(run.byteCount <= run.segmentSize * run.count)
            precondition(run.byteCount > run.segmentSize * (run.count - 1))
            for datagram in 0..<run.count {
                let offset = datagram * run.segmentSize
                let bytes = unsafe UnsafeRawBufferPointer(
                    start: outbound.datagrams + run.offset + offset,
                    count: min(run.segmentSize, run.byteCount - offset)
                )
                datagrams.append(unsafe Array(bytes))
            }
        }
        for index in unsafe outbound.deviceWrites.indices {
            let write = unsafe outbound.deviceWrites[index]
            let bytes = unsafe UnsafeRawBufferPointer(
                start: outbound.deviceBytes + write.offset,
                count: write.byteCount
            )
            precondition(unsafe DeviceFrame(bytes).packets == 1)
        }
        outbound.reset()
        let before = inbound.snapshot()
        receivePackets(datagrams)
        let after = inbound.snapshot()
        // ECN may be dropped, as `receivePackets` marks at will; nothing else may be.
        for reason in DropReason.allCases where reason != .congestionMark {
            // Of a packet whose first fragment was dropped here the rest is of no use there.
            let apart: [DropReason] = [.selectorMismatch, .fragmentBeforeFirst]
            guard !tunnel.isNarrow || !apart.contains(reason) else { continue }
            precondition(
                after.dropCount(reason) == before.dropCount(reason),
                "the other end drops what was sealed: \(reason)"
            )
        }
    }
}
