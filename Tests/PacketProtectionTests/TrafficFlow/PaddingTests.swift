internal import IPsecCrypto
internal import IPsecPrimitives
import PacketProtection
import Testing

@Suite("Padding and dummy packets")
struct PaddingTests {
    private func frame(_ octets: Int, isV4: Bool = true) -> [UInt8] {
        let (near, far) = TestHosts.pair(isV4 ? .v4 : .v6)
        return TestPackets.plain(TestPackets.udp(from: near, to: far, payload: pattern(octets)))
    }

    @Test(arguments: TestSuites.all)
    func allPacketsHaveTheLengthOfTheLargest(suite: CipherSuite) throws {
        let (near, far) = try TestTunnel(suite: suite).gateways(outbound: {
            $0.padding = .tunnelMTU
        })
        let frames = [frame(0), frame(1), frame(700), frame(1300), frame(40, isV4: false)]
        let runs = near.send(frames)
        let lengths = Set(runs.flatMap(\.datagrams).map(\.count))
        #expect(lengths.count == 1)
        // As long as the path allows: not a block more fits.
        let outer = try #require(lengths.first) + 28
        #expect(outer <= 1500 && outer > 1500 - 16)
        #expect(far.receive(runs) == frames)
        let counts = try #require(near.outbound.snapshot().associations[0].flow)
        #expect(counts.paddingOctets > 0 && counts.dummies == 0)
    }

    @Test func longerOnesStayAsTheyAre() throws {
        let (near, far) = try TestTunnel().gateways(outbound: { $0.padding = .octets(600) })
        let frames = [frame(0), frame(500), frame(572), frame(573), frame(1200)]
        let runs = near.send(frames)
        let lengths = runs.flatMap(\.datagrams).map(\.count)
        #expect(Set(lengths[...2]).count == 1)
        #expect(lengths[3] >= lengths[2] && lengths[4] > lengths[3])
        #expect(far.receive(runs) == frames)
    }

    @Test func segmentsArePaddedToo() throws {
        let (near, far) = try TestTunnel().gateways(outbound: { $0.padding = .tunnelMTU })
        let (source, target) = TestHosts.pair(.v4)
        let frame = TestPackets.tso(
            from: source,
            to: target,
            payload: pattern(5000),
            segmentPayload: 1000
        )
        let runs = near.send([frame])
        #expect(Set(runs.flatMap(\.datagrams).map(\.count)).count == 1)
        #expect(far.receive(runs).reduce(0) { $0 + $1.count } > 5000)
    }

    @Test func thePaddingFollowsThePath() throws {
        let (near, _) = try TestTunnel().gateways(outbound: { $0.padding = .tunnelMTU })
        near.apply(.setLinkMTU(SAIdentifier(rawValue: 1), octets: 1300))
        let length = near.send([frame(5)])[0].datagrams[0].count
        #expect(length + 28 <= 1300 && length + 28 > 1280)
    }

    /// What the cipher had sealed there before must not leave by the padding.
    @Test func paddingIsZero() throws {
        var tunnel = TestTunnel()
        tunnel.suite = try #require(
            CipherSuite(encryption: .encryption(.null), integrity: .hmacSHA256_128)
        )
        let (near, _) = try tunnel.gateways(outbound: { $0.padding = .octets(1000) })
        near.send([frame(1300)])
        let sealed = near.send([frame(100)])[0].datagrams[0]
        let padding = sealed[(8 + 128)..<(8 + 1000)]
        #expect(padding.allSatisfy { $0 == 0 })
    }

    // MARK: Dummies

    private func pass(_ gateway: TestGateway, milliseconds: Int) -> [SentRun] {
        var runs: [SentRun] = []
        for _ in 0..<milliseconds {
            gateway.now = gateway.now + .milliseconds(1)
            runs += gateway.serveTimers()
        }
        return runs
    }

    @Test func aSilentTunnelSendsDummies() throws {
        let (near, far) = try TestTunnel().gateways(outbound: {
            $0.padding = .tunnelMTU
            $0.dummiesPerSecond = 20
        })
        let runs = pass(near, milliseconds: 1000)
        let datagrams = runs.flatMap(\.datagrams)
        #expect(datagrams.count == 20)
        let real = near.send([frame(5)])
        #expect(Set((datagrams + real.flatMap(\.datagrams)).map(\.count)).count == 1)
        #expect(far.receive(runs) == [])
        #expect(far.inboundDrops(.dummy) == 20)
        #expect(far.receive(real).count == 1)
        #expect(near.outbound.snapshot().associations[0].flow?.dummies == 20)
    }

    @Test func trafficTakesTheirPlace() throws {
        let (near, _) = try TestTunnel().gateways(outbound: { $0.dummiesPerSecond = 10 })
        var dummies = 0
        for round in 0..<20 {
            if round % 2 == 0 { near.send([frame(100)]) }
            dummies += pass(near, milliseconds: 100).flatMap(\.datagrams).count
        }
        #expect(dummies == 10)
    }

    @Test func noClockIsWatchedWithoutThem() throws {
        let (near, far) = try TestTunnel().gateways(outbound: { $0.padding = .tunnelMTU })
        _ = far.receive(near.send([frame(5)]))
        #expect(near.outbound.nextDue == .max && far.inbound.nextDue == .max)
    }

    @Test func anSAThatIsGoneSendsNone() throws {
        let (near, _) = try TestTunnel().gateways(outbound: { $0.dummiesPerSecond = 1000 })
        #expect(!pass(near, milliseconds: 10).isEmpty)
        near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        #expect(pass(near, milliseconds: 10).isEmpty)
        #expect(near.outbound.nextDue == .max)
    }

    @Test func oneThatWaitsForItsPeerSendsNone() throws {
        let (near, _) = try TestTunnel().gateways(outbound: {
            $0.dummiesPerSecond = 1000
            $0.isActive = false
        })
        #expect(pass(near, milliseconds: 10).isEmpty)
        near.apply(.activateOutbound(SAIdentifier(rawValue: 1)))
        #expect(!pass(near, milliseconds: 10).isEmpty)
    }

    @Test func aHardLifetimeEndsThem() throws {
        let (near, _) = try TestTunnel().gateways(outbound: {
            $0.dummiesPerSecond = 1000
            $0.lifetime = SALifetime(
                softOctets: .max,
                hardOctets: .max,
                softPackets: .max,
                hardPackets: 5
            )
        })
        #expect(pass(near, milliseconds: 100).flatMap(\.datagrams).count == 5)
        #expect(near.outboundDrops(.lifetimeExceeded) == 1)
    }
}
