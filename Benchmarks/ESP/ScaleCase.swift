internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

/// What a packet costs among very many SAs and policies, each packet at random of another SA, beside
/// what it costs with one of each; and what it costs to have that many.
@safe struct ScaleCase: ~Copyable {
    private static let octets = 576
    private static let packetsPerBatch = 64
    private static let batchesPerRound = 400
    private static let rounds = 15

    private var random = SeededRandomSource(seed: 1)
    private let received: UnsafeMutableRawPointer
    private let datagramOctets = 1024
    private let frame: [UInt8]
    private var pairs: [Int] = []

    static func run(_ numbers: [String]) throws -> [ScaleMeasurement] {
        let pairs = numbers.first.flatMap { Int($0) } ?? 500_000
        let policies = numbers.dropFirst().first.flatMap { Int($0) } ?? 100_000
        var scale = ScaleCase()
        return try scale.measure(pairs: pairs, policies: policies)
    }

    private init() {
        frame = BenchmarkTraffic.single(octets: ScaleCase.octets).frame
        unsafe received = .allocate(
            byteCount: datagramOctets * ScaleCase.packetsPerBatch,
            alignment: 64
        )
    }

    deinit { unsafe received.deallocate() }

    private mutating func measure(pairs: Int, policies: Int) throws -> [ScaleMeasurement] {
        var lines: [ScaleMeasurement] = []
        func line(_ name: String, _ value: Double, _ unit: String, reference: Double? = nil) {
            lines.append(
                ScaleMeasurement(
                    benchmark: name,
                    pairs: pairs,
                    policies: policies,
                    value: value,
                    reference: reference,
                    unit: unit
                )
            )
        }
        var one = ScaleGateways(pairs: 1, policies: 1)
        try fill(&one)
        var many = ScaleGateways(pairs: pairs, policies: policies)
        let costs = try fill(&many)
        line("policies-made-ready", costs.making, "s")
        line("policies-adopted-with-sas-in-place", costs.adopting, "s")
        line("policy-memory", Double(costs.policyOctets) / Double(policies), "octets/policy")
        line("sa-pair-memory", Double(costs.pairOctets) / Double(pairs), "octets/pair")
        line("sas-installed", Double(2 * pairs) / costs.installing, "SAs/s")
        line("ciphers-made", Double(2 * pairs) / costs.ciphers, "SAs/s")
        // Each flow once, as it has been in a gateway that is up for a while; and those among them
        // that are new cost this much.
        line("seal-new-flows", newFlows(&many), "ns/packet")
        var (sealMany, sealOne) = ([Double](), [Double]())
        var (openMany, openOne) = ([Double](), [Double]())
        for round in 0...ScaleCase.rounds {
            let (seal, open) = roundTimes(&many)
            let (sealReference, openReference) = roundTimes(&one)
            // The first warms up.
            guard round > 0 else { continue }
            sealMany.append(seal)
            sealOne.append(sealReference)
            openMany.append(open)
            openOne.append(openReference)
        }
        let middle = ScaleCase.rounds / 2
        line(
            "seal-at-random",
            sealMany.sorted()[middle],
            "ns/packet",
            reference: sealOne.sorted()[middle]
        )
        line(
            "open-at-random",
            openMany.sorted()[middle],
            "ns/packet",
            reference: openOne.sorted()[middle]
        )
        let removing = ProcessorTime.measure {
            for pair in 0..<pairs {
                let identifier = SAIdentifier(rawValue: UInt32(pair + 1))
                many.outbound.apply(.removeSA(identifier), at: ScaleGateways.now)
                many.inbound.apply(.removeSA(identifier), at: ScaleGateways.now)
            }
        }
        line("sas-removed", Double(2 * pairs) / removing, "SAs/s")
        return lines
    }

    private struct Costs {
        var making = 0.0
        var adopting = 0.0
        var ciphers = 0.0
        var installing = 0.0
        var policyOctets = 0
        var pairOctets = 0
    }

    /// Seconds.
    @discardableResult
    private func fill(_ gateways: inout ScaleGateways) throws -> Costs {
        var costs = Costs()
        let entries = gateways.entries
        var compiled = CompiledPolicies([])
        costs.making = ProcessorTime.measure { compiled = CompiledPolicies(entries) }
        costs.policyOctets = compiled.memoryOctets
        gateways.outbound.apply(.adoptPolicies(compiled), at: ScaleGateways.now)
        let before = ProcessMemory.residentOctets
        let step = 1000
        for first in stride(from: 0, to: gateways.pairs, by: step) {
            let range = first..<min(first + step, gateways.pairs)
            var sending: [OutboundSAParameters] = []
            var receiving: [InboundSAParameters] = []
            costs.ciphers += try ProcessorTime.measure {
                sending = try range.map { try gateways.outboundParameters($0) }
                receiving = try range.map { try gateways.inboundParameters($0) }
            }
            costs.installing += ProcessorTime.measure {
                for parameters in sending {
                    gateways.outbound.apply(.installOutbound(parameters), at: ScaleGateways.now)
                }
                for parameters in receiving {
                    gateways.inbound.apply(.installInbound(parameters), at: ScaleGateways.now)
                }
            }
        }
        costs.pairOctets = ProcessMemory.residentOctets - before
        costs.adopting = ProcessorTime.measure {
            gateways.outbound.apply(.adoptPolicies(compiled), at: ScaleGateways.now)
        }
        _ = gateways.outbound.takeEvents()
        return costs
    }

    /// Nanoseconds a packet, where each is the first of its flow.
    private mutating func newFlows(_ gateways: inout ScaleGateways) -> Double {
        var seal = 0.0
        let step = ScaleCase.packetsPerBatch
        for first in stride(from: 0, to: gateways.pairs, by: step) {
            // Far apart from one another.
            pairs = (first..<first + step).map { $0 &* 104_729 % gateways.pairs }
            seal += ProcessorTime.measure { sealBatch(&gateways) }
            gateways.outbound.reset()
        }
        return seal / Double((gateways.pairs + step - 1) / step * step) * 1e9
    }

    /// Nanoseconds a packet, to seal and to open.
    private mutating func roundTimes(_ gateways: inout ScaleGateways) -> (Double, Double) {
        var (seal, open) = (0.0, 0.0)
        for _ in 0..<ScaleCase.batchesPerRound {
            pairs.removeAll(keepingCapacity: true)
            for _ in 0..<ScaleCase.packetsPerBatch {
                pairs.append(Int(random.next32()) % gateways.pairs)
            }
            seal += ProcessorTime.measure { sealBatch(&gateways) }
            let count = takeSealed(&gateways)
            open += ProcessorTime.measure { openBatch(&gateways, count) }
            precondition(unsafe gateways.inbound.deviceWrites.count == count, "packets were lost")
            gateways.inbound.reset()
            _ = gateways.inbound.takeEvents()
        }
        let packets = Double(ScaleCase.batchesPerRound * ScaleCase.packetsPerBatch)
        return (seal / packets * 1e9, open / packets * 1e9)
    }

    private func sealBatch(_ gateways: inout ScaleGateways) {
        for index in 0..<pairs.count {
            let buffer = unsafe gateways.outbound.readBuffer
            unsafe frame.withUnsafeBytes { bytes in unsafe buffer.copyMemory(from: bytes) }
            // The destination; the header's checksum is nobody's business here.
            unsafe buffer.storeBytes(
                of: ScaleGateways.remote(pairs[index]).bigEndian,
                toByteOffset: 26,
                as: UInt32.self
            )
            gateways.outbound.processRead(byteCount: frame.count, at: ScaleGateways.now)
        }
        gateways.outbound.seal(at: ScaleGateways.now)
    }

    /// Copies what was sealed to where it is received, each datagram by itself.
    private func takeSealed(_ gateways: inout ScaleGateways) -> Int {
        var count = 0
        for index in unsafe gateways.outbound.runs.indices {
            let run = unsafe gateways.outbound.runs[index]
            for datagram in 0..<run.count {
                unsafe (received + count * datagramOctets).copyMemory(
                    from: gateways.outbound.datagrams + run.offset + datagram * run.segmentSize,
                    byteCount: run.segmentSize
                )
                count += 1
            }
        }
        precondition(count == ScaleCase.packetsPerBatch, "packets were lost")
        gateways.outbound.reset()
        return count
    }

    private func openBatch(_ gateways: inout ScaleGateways, _ count: Int) {
        // As a worker does, which receives up to 32 at once.
        for index in 0..<count where gateways.inbound.isCrowded {
            if index % 32 == 0 {
                for next in index..<min(index + 32, count) {
                    unsafe gateways.inbound.announce(
                        received + next * datagramOctets,
                        byteCount: datagramOctets
                    )
                }
                gateways.inbound.prepareAnnounced()
            }
            receive(index, &gateways)
        }
        for index in 0..<count where !gateways.inbound.isCrowded {
            receive(index, &gateways)
        }
        gateways.inbound.open(at: ScaleGateways.now)
    }

    private func receive(_ index: Int, _ gateways: inout ScaleGateways) {
        unsafe gateways.inbound.receiveUDP(
            received + index * datagramOctets,
            byteCount: frame.count - 10 + ScaleCase.overhead,
            segmentSize: 0,
            from: BenchmarkTunnel.near,
            to: BenchmarkTunnel.far,
            trafficClass: 0,
            at: ScaleGateways.now
        )
    }

    /// ESP around 576 octets by AES-GCM: header, IV, two octets of trailer, two of padding, ICV.
    private static let overhead = 8 + 8 + 4 + 16
}
