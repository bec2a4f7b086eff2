internal import AllocationCounting
internal import IPsecPrimitives
internal import PacketProtection

/// What the packet path asks the allocator for in steady state, as the optimiser leaves it: nothing.
enum AllocationCase {
    struct Line {
        var benchmark: String
        var packets: Int
        var allocations: Int

        var json: String {
            """
            {"benchmark": "\(benchmark)", "parameters": {"packets": \(packets)}, \
            "value": \(allocations), "unit": "allocations", "reference": null, "ratio": null}
            """
        }

        var text: String { "\(benchmark): \(allocations) allocations in \(packets) packets" }
    }

    private static let warmUp = 20
    private static let batches = 200

    /// Both directions of each suite with each kind of traffic, and packets that wait for their turn.
    static func run() throws -> [Line] {
        var lines: [Line] = []
        for tunnel in BenchmarkTunnel.all {
            for traffic in BenchmarkTraffic.all {
                let path = try PacketPathCase(tunnel, traffic)
                _ = path.run(batches: warmUp)
                let before = allocation_count()
                let packets = path.run(batches: batches) * batches
                let allocations = Int(allocation_count() - before)
                let name = "\(traffic.name)-\(tunnel.name)-\(traffic.payloadOctets)"
                lines.append(
                    Line(
                        benchmark: "esp-allocations-\(name)",
                        packets: packets,
                        allocations: allocations
                    )
                )
            }
        }
        for traffic in BenchmarkTraffic.all {
            let shaped = try ShapedCase(BenchmarkTunnel.all[0], traffic)
            _ = shaped.run(batches: warmUp)
            let before = allocation_count()
            let packets = shaped.run(batches: batches)
            let allocations = Int(allocation_count() - before)
            lines.append(
                Line(
                    benchmark: "esp-allocations-shaped-\(traffic.name)-\(traffic.payloadOctets)",
                    packets: packets,
                    allocations: allocations
                )
            )
        }
        return lines
    }
}

/// Packets of one tunnel that wait for their turn: a class has a rate below the tunnel's, and the tunnel one
/// below the gateway's.
private final class ShapedCase {
    private let traffic: BenchmarkTraffic
    private var outbound: OutboundProcessor
    private var now = Instant(nanoseconds: 1_000_000_000)

    /// Bits a second.
    private static let rate: UInt64 = 1_000_000_000
    private static let step = Duration.microseconds(100)

    init(_ tunnel: BenchmarkTunnel, _ traffic: BenchmarkTraffic) throws {
        self.traffic = traffic
        outbound = try tunnel.outboundProcessor(nil, at: now)
        var toPort = TrafficRule()
        toPort.ports = [5001...5001]
        let classes = [
            TrafficClass(priority: 1, ceiling: ShapedCase.rate / 2, rules: [toPort]),
            TrafficClass(weight: 2),
        ]
        let plan = TrafficPlan(
            rate: ShapedCase.rate * 2,
            shapers: [
                TrafficShaper(
                    identifier: 1,
                    policies: [BenchmarkTunnel.policy],
                    rate: ShapedCase.rate,
                    classes: classes
                )
            ]
        )
        outbound.apply(.setTraffic(plan), at: now)
    }

    /// Reads so many batches and has them leave; returns how many packets left.
    func run(batches: Int) -> Int {
        var packets = 0
        for _ in 0..<batches {
            for _ in 0..<traffic.reads {
                // Where frames wait, what leaves passes through the read buffer again.
                unsafe outbound.readBuffer.copyBytes(from: traffic.frame)
                outbound.processRead(byteCount: traffic.frame.count, at: now)
            }
            outbound.seal(at: now)
            packets += takeSealed()
            while outbound.nextDeparture(at: now) != nil {
                now = now + ShapedCase.step
                var isMore = true
                while isMore {
                    isMore = outbound.takeDeparting(at: now)
                    outbound.seal(at: now)
                    packets += takeSealed()
                }
            }
        }
        // What drops all of it asks for nothing either.
        precondition(packets >= batches * traffic.packetsPerBatch / 2)
        return packets
    }

    private func takeSealed() -> Int {
        var packets = 0
        for index in unsafe outbound.runs.indices { packets += unsafe outbound.runs[index].count }
        outbound.reset()
        return packets
    }
}
