internal import CPacketCipher
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

/// Measures both directions of one suite with one kind of traffic.
///
/// Sealing begins at a frame in the read buffer and ends at runs of datagrams; opening begins at a
/// receive buffer with datagrams behind one another and ends at writes to the device: everything
/// but the system calls. The reference seals and opens as many packets of the same size, in the
/// same memory layout, with nothing else done.
@safe final class PacketPathCase {
    private let tunnel: BenchmarkTunnel
    private let traffic: BenchmarkTraffic
    private var outbound: OutboundProcessor
    private var inbound: InboundProcessor
    private let bareSeal: PacketCipher
    private let bareOpen: PacketCipher
    private let now = Instant(nanoseconds: 1_000_000_000)
    private let clock = ContinuousClock()
    /// One batch of datagrams as the network delivers them, for the path and for the bare cipher.
    private let received: UnsafeMutableRawPointer
    private let bare: UnsafeMutableRawPointer
    private let jobs: UnsafeMutablePointer<cygnet_packet_job>
    private var batchOctets = 0
    private var datagramOctets = 0

    private static let areaOctets = 1 << 17
    private static let batchesPerRound = 150

    init(
        _ tunnel: BenchmarkTunnel,
        _ traffic: BenchmarkTraffic,
        _ desk: CipherDesk? = nil
    ) throws {
        self.tunnel = tunnel
        self.traffic = traffic
        outbound = try tunnel.outboundProcessor(desk, at: now)
        inbound = try tunnel.inboundProcessor(desk, at: now)
        bareSeal = try tunnel.cipher(.seal)
        bareOpen = try tunnel.cipher(.open)
        unsafe received = .allocate(byteCount: PacketPathCase.areaOctets, alignment: 64)
        unsafe bare = .allocate(byteCount: PacketPathCase.areaOctets, alignment: 64)
        unsafe jobs = .allocate(capacity: traffic.packetsPerBatch)
    }

    deinit {
        unsafe received.deallocate()
        unsafe bare.deallocate()
        unsafe jobs.deallocate()
    }

    func measure(rounds count: Int) -> [Measurement] {
        unsafe outbound.readBuffer.copyBytes(from: traffic.frame)
        var (sealing, opening) = (Rounds(), Rounds())
        for round in 0...count {
            let (sealPath, openPath, sealBare, openBare) = roundTimes()
            // The first warms up.
            guard round > 0 else { continue }
            sealing.add(path: sealPath, bare: sealBare)
            opening.add(path: openPath, bare: openBare)
        }
        checkThatAllArrived(rounds: count + 1)
        return [("seal", sealing.medians), ("open", opening.medians)].map { name, medians in
            Measurement(
                benchmark: "esp-\(name)-\(traffic.name)-\(tunnel.name)",
                suite: tunnel.name,
                payloadOctets: traffic.payloadOctets,
                packetsPerBatch: traffic.packetsPerBatch,
                value: medians.path,
                reference: medians.bare
            )
        }
    }

    /// The path alone, so many batches sealed and opened; returns the packets of a batch.
    func run(batches: Int) -> Int {
        unsafe outbound.readBuffer.copyBytes(from: traffic.frame)
        for _ in 0..<batches {
            sealBatch()
            takeSealed()
            openBatch()
            inbound.reset()
        }
        return traffic.packetsPerBatch
    }

    /// Nanoseconds a packet. Path and bare cipher alternate batch by batch.
    private func roundTimes() -> (Double, Double, Double, Double) {
        var (sealPath, openPath) = (Duration.zero, Duration.zero)
        var (sealBare, openBare) = (Duration.zero, Duration.zero)
        for _ in 0..<PacketPathCase.batchesPerRound {
            sealPath += clock.measure { sealBatch() }
            takeSealed()
            sealBare += clock.measure {
                unsafe bareSeal.seal(jobs, count: traffic.packetsPerBatch)
            }
            unsafe bare.copyMemory(from: received, byteCount: batchOctets)
            openPath += clock.measure { openBatch() }
            inbound.reset()
            openBare += clock.measure {
                unsafe bareOpen.open(jobs, count: traffic.packetsPerBatch)
            }
            checkJobs()
        }
        let packets = Double(PacketPathCase.batchesPerRound * traffic.packetsPerBatch)
        func each(_ duration: Duration) -> Double { Double(duration.wholeNanoseconds) / packets }
        return (each(sealPath), each(openPath), each(sealBare), each(openBare))
    }

    private func sealBatch() {
        for _ in 0..<traffic.reads {
            outbound.processRead(byteCount: traffic.frame.count, at: now)
        }
        outbound.seal(at: now)
    }

    private func openBatch() {
        unsafe inbound.receiveUDP(
            received,
            byteCount: batchOctets,
            segmentSize: datagramOctets,
            from: BenchmarkTunnel.near,
            to: BenchmarkTunnel.far,
            trafficClass: 0,
            at: now
        )
        inbound.open(at: now)
    }

    /// Copies the sealed batch to where the other end receives it, and lays out the bare jobs.
    private func takeSealed() {
        batchOctets = 0
        for index in unsafe outbound.runs.indices {
            let run = unsafe outbound.runs[index]
            datagramOctets = run.segmentSize
            unsafe (received + batchOctets).copyMemory(
                from: outbound.datagrams + run.offset,
                byteCount: run.byteCount
            )
            batchOctets += run.byteCount
        }
        outbound.reset()
        precondition(batchOctets == datagramOctets * traffic.packetsPerBatch)
        unsafe bare.copyMemory(from: received, byteCount: batchOctets)
        let overhead = 8 + bareSeal.ivLength + bareSeal.icvLength
        for index in 0..<traffic.packetsPerBatch {
            let esp = unsafe bare + index * datagramOctets
            unsafe jobs[index] = cygnet_packet_job(
                esp: esp.assumingMemoryBound(to: UInt8.self),
                body_length: UInt32(datagramOctets - overhead),
                sequence_high: 0,
                status: 0
            )
        }
    }

    private func checkJobs() {
        for index in 0..<traffic.packetsPerBatch {
            precondition(unsafe jobs[index].status == 0, "the bare cipher failed")
        }
    }

    /// A path that drops is quick.
    private func checkThatAllArrived(rounds: Int) {
        let packets = rounds * PacketPathCase.batchesPerRound * traffic.packetsPerBatch
        precondition(inbound.snapshot().associations[0].packets == UInt64(packets))
        precondition(inbound.snapshot().drops.allSatisfy { $0 == 0 })
    }
}
