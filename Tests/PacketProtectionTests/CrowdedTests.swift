internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// A gateway with so many SAs that packets wait for their SA's memory in a stage: nothing else about
/// them differs.
@Suite struct CrowdedTests {
    private static func crowded() -> PacketPathConfiguration {
        var configuration = PacketPathConfiguration()
        // Any SA is one too many.
        configuration.crowdedSAs = 0
        configuration.flowCacheEntries = 2
        return configuration
    }

    private static func small(_ index: Int, to far: Endpoint = TestHosts.farV4) -> [UInt8] {
        TestPackets.plain(
            TestPackets.udp(
                from: TestHosts.nearV4,
                to: far,
                payload: pattern(20 + index % 300, seed: UInt64(index + 1))
            )
        )
    }

    @Test(arguments: [1, 15, 16, 17, 100]) func packetsComeOutInTheirOrder(count: Int) throws {
        let (near, far) = try TestTunnel().gateways(Self.crowded())
        let frames = (0..<count).map { Self.small($0) }
        #expect(far.receive(near.send(frames)) == frames)
        #expect(near.outbound.snapshot().drops.allSatisfy { $0 == 0 })
    }

    @Test func aLargePacketDoesNotOvertakeSmallOnes() throws {
        let (near, far) = try TestTunnel().gateways(Self.crowded())
        let large = TestPackets.tso(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: pattern(20_000),
            segmentPayload: 1300
        )
        let runs = near.send([Self.small(1), large, Self.small(2)])
        let sizes = runs.flatMap(\.datagrams).map(\.count)
        #expect(sizes.count == 18)
        #expect(sizes[0] < 200 && sizes[17] < 200 && sizes[1] > 1000)
        #expect(far.receive(runs).count == 3)
    }

    @Test func aCommandWithinABatchConcernsOnlyWhatComesBehind() throws {
        let (near, far) = try TestTunnel().gateways(Self.crowded())
        let frame = Self.small(1)
        unsafe near.outbound.readBuffer.copyBytes(from: frame)
        near.outbound.processRead(byteCount: frame.count, at: near.now)
        near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        #expect(far.receive(near.send([])) == [frame])
    }

    @Test func whatIsReadWhileThereIsRoomFits() throws {
        var configuration = Self.crowded()
        configuration.slabOctets = PacketPathConfiguration.minimumSlabOctets
        let (near, _) = try TestTunnel().gateways(configuration)
        let frame = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(1400))
        )
        let large = TestPackets.tso(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: pattern(64_000),
            segmentPayload: 536
        )
        var reads = 0
        while near.outbound.hasRoom {
            unsafe near.outbound.readBuffer.copyBytes(from: frame)
            near.outbound.processRead(byteCount: frame.count, at: near.now)
            reads += 1
            // The stage is never full here: the largest read must find room behind what waits.
            if reads % 16 == 15, near.outbound.hasRoom {
                unsafe near.outbound.readBuffer.copyBytes(from: large)
                near.outbound.processRead(byteCount: large.count, at: near.now)
            }
        }
        #expect(reads > 10)
        near.outbound.seal(at: near.now)
        #expect(near.outboundDrops(.batchOverflow) == 0)
    }

    @Test func whatIsHeldIsReleasedBehindWhatWasRead() throws {
        let near = TestGateway(Self.crowded())
        near.apply(TestTunnel.everything)
        #expect(near.send([Self.small(1)]) == [])
        near.apply(.installOutbound(try TestTunnel().outbound()))
        let frame = Self.small(2)
        unsafe near.outbound.readBuffer.copyBytes(from: frame)
        near.outbound.processRead(byteCount: frame.count, at: near.now)
        let datagrams = near.release().flatMap(\.datagrams)
        #expect(datagrams.map { $0[7] } == [1, 2])
    }

    /// An announcement changes nothing, whether what it tells of comes or not.
    @Test func announcementsAreOnlyHints() throws {
        let (near, far) = try TestTunnel().gateways(Self.crowded())
        let frames = (0..<80).map { Self.small($0) }
        let runs = near.send(frames)
        let isCrowded = far.inbound.isCrowded
        #expect(isCrowded)
        for datagram in runs.flatMap(\.datagrams) + [[1, 2, 3], pattern(40)] {
            var bytes = datagram
            unsafe bytes.withUnsafeMutableBytes {
                unsafe far.inbound.announce($0.baseAddress!, byteCount: $0.count)
            }
        }
        far.inbound.prepareAnnounced()
        #expect(far.receive(runs) == frames)
        #expect(far.inbound.snapshot().drops.allSatisfy { $0 == 0 })
    }

    /// The cache of flows grows with the SAs, and then still knows whom a flow belongs to.
    @Test func manySAsHaveTheirFlows() throws {
        let gateway = TestGateway(Self.crowded())
        gateway.apply(TestTunnel.everything)
        let hosts = (1...40).map { Endpoint(address: IPAddress("10.2.0.\($0)")!, port: 9) }
        for (index, host) in hosts.enumerated() {
            var tunnel = TestTunnel()
            tunnel.identifier = UInt32(index + 1)
            tunnel.spi = UInt32(0x1000 + index)
            tunnel.selectors = [
                SelectorPair(
                    local: .everything(.v4),
                    remote: TrafficSelector(address: host.address)
                )
            ]
            gateway.apply(.installOutbound(try tunnel.outbound()))
        }
        for _ in 0..<3 {
            let runs = gateway.send(hosts.map { Self.small(7, to: $0) })
            let spis = runs.flatMap(\.datagrams).map { $0[3] }
            #expect(spis == (0..<40).map { UInt8($0) })
        }
    }
}
