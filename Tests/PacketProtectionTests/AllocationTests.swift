internal import AllocationCounting
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// Once the tables are filled, a packet costs no allocation.
@Suite(.enabled(if: allocation_count() >= 0, "a sanitizer has its own allocator"))
struct AllocationTests {
    private static let packetsPerBatch = 45

    private final class Something {
        var value = 1
    }

    private func allocations(_ body: () -> Void) -> Int {
        let before = allocation_count()
        body()
        return Int(allocation_count() - before)
    }

    @Test func theCounterSeesWhatOtherTestsMustNot() {
        var kept: [Any] = []
        kept.reserveCapacity(8)
        #expect(allocations { kept.append(Something()) } >= 1)
        #expect(allocations { kept.append(Array(repeating: kept.count, count: 100)) } >= 1)
        #expect(
            allocations {
                let block = UnsafeMutableRawPointer.allocate(byteCount: 3000, alignment: 64)
                unsafe block.deallocate()
            } >= 1
        )
        #expect(allocations {} == 0)
        #expect(kept.count == 2)
    }

    /// Superpackets and single packets, of both kinds of inner protocol.
    private var frames: [[UInt8]] {
        let (near, far) = TestHosts.pair(.v4)
        return [
            TestPackets.tso(
                from: near,
                to: far,
                payload: pattern(1300 * 40),
                segmentPayload: 1300
            ),
            TestPackets.plain(TestPackets.udp(from: near, to: far, payload: pattern(36))),
            TestPackets.plain(
                TestPackets.udp(from: near, to: far, payload: [UInt8](repeating: 7, count: 900))
            ),
            TestPackets.plain(TestPackets.udp(from: near, to: far, payload: pattern(1300))),
            TestPackets.plain(TestPackets.tcp(from: near, to: far, payload: pattern(1300))),
            TestPackets.plain(
                TestPackets.udp(from: TestHosts.nearV6, to: TestHosts.farV6, payload: pattern(900))
            ),
        ]
    }

    @Test(arguments: TestSuites.all, PacketCipherBackEnd.available)
    func sealingAndOpeningAllocateNothing(
        suite: CipherSuite,
        backEnd: PacketCipherBackEnd
    ) throws {
        let gateways = try TestTunnel(suite: suite, backEnd: backEnd).gateways()
        try expectNoAllocations(gateways)
    }

    /// Nor does a packet that is compressed.
    @Test func compressingAllocatesNothing() throws {
        let gateways = try TestTunnel().gateways(
            outbound: { $0.compressionIndex = 7 },
            inbound: { $0.compressionIndex = 7 }
        )
        try expectNoAllocations(gateways)
    }

    private func expectNoAllocations(_ gateways: (TestGateway, TestGateway)) throws {
        let (near, far) = gateways
        let frames = frames
        let path = TestTunnel().path
        var datagrams = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
        defer { unsafe datagrams.deallocate() }
        var segments: [(offset: Int, count: Int, segmentSize: Int)] = []
        segments.reserveCapacity(64)
        var (sealing, opening, packets) = (0, 0, 0)
        for round in 0..<20 {
            let sealed = allocations { seal(frames, near) }
            unsafe take(near, into: &datagrams, &segments)
            let opened = allocations { unsafe open(datagrams, segments, path, far) }
            unsafe packets += far.inbound.deviceWrites.count
            far.inbound.reset()
            // The first rounds report the first packet, fill caches, and so on.
            guard round >= 2 else { continue }
            sealing += sealed
            opening += opened
        }
        #expect(sealing == 0 && opening == 0)
        let received = far.inbound.snapshot().associations[0].packets
        #expect(received == UInt64(20 * AllocationTests.packetsPerBatch))
        #expect(packets > 0)
    }

    private func seal(_ frames: [[UInt8]], _ gateway: TestGateway) {
        // Unoptimised, a loop over an array allocates; one over numbers does not.
        for index in 0..<frames.count {
            let frame = frames[index]
            unsafe frame.withUnsafeBytes { bytes in
                unsafe gateway.outbound.readBuffer.copyMemory(from: bytes)
            }
            gateway.outbound.processRead(byteCount: frame.count, at: gateway.now)
        }
        gateway.outbound.seal(at: gateway.now)
    }

    /// Copies what was sealed, as the network would.
    private func take(
        _ gateway: TestGateway,
        into datagrams: inout UnsafeMutableRawBufferPointer,
        _ segments: inout [(offset: Int, count: Int, segmentSize: Int)]
    ) {
        segments.removeAll(keepingCapacity: true)
        var end = 0
        for index in unsafe gateway.outbound.runs.indices {
            let run = unsafe gateway.outbound.runs[index]
            let bytes = unsafe UnsafeRawBufferPointer(
                start: gateway.outbound.datagrams + run.offset,
                count: run.byteCount
            )
            unsafe UnsafeMutableRawBufferPointer(rebasing: datagrams[end...]).copyMemory(
                from: bytes
            )
            segments.append((end, run.byteCount, run.segmentSize))
            end += run.byteCount
        }
        gateway.outbound.reset()
    }

    private func open(
        _ datagrams: UnsafeMutableRawBufferPointer,
        _ segments: [(offset: Int, count: Int, segmentSize: Int)],
        _ path: OuterPath,
        _ gateway: TestGateway
    ) {
        for index in 0..<segments.count {
            let segment = segments[index]
            unsafe gateway.inbound.receiveUDP(
                datagrams.baseAddress! + segment.offset,
                byteCount: segment.count,
                segmentSize: segment.segmentSize,
                from: path.local,
                to: path.remote,
                trafficClass: 0,
                at: gateway.now
            )
        }
        gateway.inbound.open(at: gateway.now)
    }
}
