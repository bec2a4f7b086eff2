internal import IPsecCrypto
internal import IPsecPrimitives
import PacketProtection
import Testing

@Suite("Trains of equal packets (IP-TFS)")
struct TrainTests {
    /// 1000 octets a millisecond.
    private static let rate: UInt64 = 8_000_000

    private func train(_ change: (inout TrainParameters) -> Void = { _ in }) -> TrainParameters {
        var parameters = TrainParameters(bitsPerSecond: TrainTests.rate)
        parameters.packetOctets = 1000
        change(&parameters)
        return parameters
    }

    private func gateways(
        _ tunnel: TestTunnel = TestTunnel(carriage: .espAggregated),
        _ change: (inout TrainParameters) -> Void = { _ in },
        outbound: (inout OutboundSAParameters) -> Void = { _ in }
    ) throws -> (TestGateway, TestGateway) {
        try tunnel.gateways(outbound: {
            $0.train = train(change)
            outbound(&$0)
        })
    }

    private func frame(_ octets: Int, seed: UInt64 = 1, isV4: Bool = true) -> [UInt8] {
        let (near, far) = TestHosts.pair(isV4 ? .v4 : .v6)
        return TestPackets.plain(
            TestPackets.udp(from: near, to: far, payload: pattern(octets, seed: seed))
        )
    }

    private struct Departure: Equatable {
        var time: UInt64
        var octets: [Int]
        var marks: [UInt8]
    }

    /// Lets time pass in steps; what leaves, and when.
    private func pass(
        _ near: TestGateway,
        to far: TestGateway?,
        steps: Int,
        of step: Duration = .microseconds(250),
        _ load: (Int) -> [[UInt8]] = { _ in [] }
    ) -> (departures: [Departure], arrived: [[UInt8]]) {
        var departures: [Departure] = []
        var arrived: [[UInt8]] = []
        for index in 0..<steps {
            let direct = near.send(load(index))
            #expect(direct.isEmpty, "a packet left beside the train")
            near.now = near.now + step
            far?.now = near.now
            let runs = near.serveTimers()
            if !runs.isEmpty {
                departures.append(
                    Departure(
                        time: near.now.nanoseconds,
                        octets: runs.flatMap(\.datagrams).map(\.count),
                        marks: runs.map(\.trafficClass)
                    )
                )
            }
            if let far {
                arrived += far.receive(runs)
                arrived += far.giveUp()
            }
        }
        return (departures, arrived)
    }

    @Test(arguments: TestSuites.all, [Encapsulation.udp, .esp])
    func everythingArrivesAndTheWireShowsNothing(
        suite: CipherSuite,
        encapsulation: Encapsulation
    ) throws {
        let tunnel = TestTunnel(
            suite: suite,
            encapsulation: encapsulation,
            carriage: .espAggregated
        )
        let (near, far) = try gateways(tunnel)
        var frames: [[UInt8]] = []
        let (loaded, arrived) = pass(near, to: far, steps: 2000) { index in
            guard index % 3 == 0, index < 1500 else { return [] }
            let new = frame(
                [10, 1300, 90, 400][index / 3 % 4],
                seed: UInt64(index),
                isV4: index % 2 == 0
            )
            frames.append(new)
            return [new]
        }
        #expect(arrived == frames)
        let (other, _) = try gateways(tunnel)
        let (idle, _) = pass(other, to: nil, steps: 2000)
        #expect(loaded == idle)
        let sizes = Set(loaded.flatMap(\.octets))
        #expect(sizes.count == 1)
        let outer = try #require(sizes.first) + (encapsulation == .udp ? 28 : 20)
        #expect(outer <= 1000 && outer > 1000 - 16)
        // The rate, from the octets that leave; the first packet leaves at once.
        let packets = loaded.flatMap(\.octets).count
        let exact = Double(TrainTests.rate) * 0.5 / Double(outer * 8)
        #expect(abs(Double(packets) - exact) <= 2)
        #expect(Set(loaded.flatMap(\.marks)) == [0])
    }

    @Test func superpacketsAndMarksGoInside() throws {
        let (near, far) = try gateways(
            TestTunnel(carriage: .espAggregated),
            { $0.queueDelay = .seconds(1) }
        )
        let (source, target) = TestHosts.pair(.v4)
        let data = pattern(20_000)
        let superpacket = TestPackets.tso(
            from: source,
            to: target,
            payload: data,
            segmentPayload: 1300
        )
        let (departures, arrived) = pass(near, to: far, steps: 400) { $0 == 0 ? [superpacket] : [] }
        #expect(arrived.reduce(0) { $0 + $1.count } > 20_000)
        #expect(Set(departures.flatMap(\.marks)) == [0])
        #expect(far.inbound.snapshot().associations[0].flow?.unpacking?.packets == 16)
    }

    @Test func aFixedDSCPIsTheTrains() throws {
        let (near, _) = try gateways(outbound: { $0.dscp = .fixed(46) })
        let (departures, _) = pass(near, to: nil, steps: 20)
        #expect(Set(departures.flatMap(\.marks)) == [46 << 2])
    }

    @Test func theQueueIsBoundedAndCounted() throws {
        let (near, far) = try gateways(
            TestTunnel(carriage: .espAggregated),
            { $0.queueDelay = .milliseconds(40) }
        )
        // 40 ms of the rate are 40,000 octets.
        let (_, arrived) = pass(near, to: far, steps: 600) { index in
            index < 100 ? [frame(1172, seed: UInt64(index))] : []
        }
        let refused = near.outboundDrops(.trainQueueFull)
        #expect(refused > 0 && arrived.count + Int(refused) == 100)
        let counts = try #require(near.outbound.snapshot().associations[0].flow?.train)
        #expect(counts.refused == refused && counts.waitingPackets == 0)
        #expect(counts.packets == UInt64(arrived.count))
        #expect(counts.longestDelay <= 45_000_000 && counts.longestDelay > 30_000_000)
    }

    @Test func aPacketMayBeLongerThanTheTrainsPackets() throws {
        let (near, far) = try gateways()
        let long = frame(8000)
        let (_, arrived) = pass(near, to: far, steps: 80) { $0 == 0 ? [long] : [] }
        #expect(arrived == [long])
    }

    @Test func withoutFragmentsWhatDoesNotFitIsAnswered() throws {
        let (near, far) = try gateways(
            TestTunnel(carriage: .espAggregated),
            { $0.peerTakesFragments = false }
        )
        let (_, arrived) = pass(near, to: far, steps: 40) {
            $0 < 5 ? [frame(700, seed: UInt64($0))] : []
        }
        #expect(arrived.count == 5)
        var long = Array(frame(1200).dropFirst(10))
        long[6] |= 0x40
        near.send([TestPackets.plain(TestPackets.identified(long, 1))])
        #expect(near.errors.count == 1 && near.outboundDrops(.tooBig) == 1)
    }

    // MARK: Loss

    @Test func lossCostsWhatWasInIt() throws {
        let (near, far) = try gateways()
        var arrived: [[UInt8]] = []
        var frames: [[UInt8]] = []
        for index in 0..<400 {
            let new = frame(300, seed: UInt64(index))
            frames.append(new)
            near.send([new])
            near.now = near.now + .milliseconds(1)
            far.now = near.now
            var runs = near.serveTimers()
            if index % 10 == 3 { runs = [] }
            arrived += far.receive(runs)
            arrived += far.giveUp()
        }
        let places = arrived.map { frames.firstIndex(of: $0) }
        #expect(!places.contains(nil))
        #expect(zip(places, places.dropFirst()).allSatisfy { $0! < $1! })
        #expect(arrived.count > 250 && arrived.count < 390)
        let unpacking = try #require(far.inbound.snapshot().associations[0].flow?.unpacking)
        #expect(unpacking.missing >= 39 && unpacking.missing <= 41)
        #expect(far.inboundDrops(.trainIncomplete) == unpacking.incomplete)
    }

    @Test func whatIsMissingIsGivenUpByTheClock() throws {
        let (near, far) = try gateways()
        far.now = near.now
        _ = far.receive(near.serveTimers())
        near.now = near.now + .milliseconds(1)
        _ = near.serveTimers()
        near.send([frame(100)])
        near.now = near.now + .milliseconds(1)
        far.now = near.now
        #expect(far.receive(near.serveTimers()) == [])
        #expect(far.inbound.nextDue == far.now.nanoseconds + 20_000_000)
        far.now = far.now + .milliseconds(20)
        #expect(far.giveUp() == [frame(100)])
        #expect(far.inbound.nextDue == .max)
    }

    /// RFC 9347 §2.3.
    @Test func nothingElseComesByTheSA() throws {
        let (near, far) = try TestTunnel().gateways(inbound: { $0.carriage = .espAggregated })
        #expect(far.receive(near.send([frame(100)])) == [])
        #expect(far.inboundDrops(.unexpectedNextHeader) == 1)
        let (train, plain) = try gateways()
        let other = TestGateway()
        other.apply(.installInbound(try TestTunnel().inbound()))
        _ = plain
        #expect(other.receive(train.serveTimers()) == [])
        #expect(other.inboundDrops(.unexpectedNextHeader) == 1)
    }

    // MARK: Rekeys

    @Test func theTrainGoesOverToTheSuccessor() throws {
        let old = TestTunnel(carriage: .espAggregated)
        let new = TestTunnel(carriage: .espAggregated, identifier: 2, spi: 0x2000_0002)
        let (near, far) = try gateways(old)
        far.apply(.installInbound(try new.inbound()))
        var frames: [[UInt8]] = []
        let load: (Int) -> [[UInt8]] = { index in
            guard index % 4 == 0 else { return [] }
            frames.append(self.frame(700, seed: UInt64(frames.count)))
            return [frames[frames.count - 1]]
        }
        let before = pass(near, to: far, steps: 101, load)
        var successor = try new.outbound()
        successor.train = train()
        near.apply(.installOutbound(successor))
        near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        let after = pass(near, to: far, steps: 399) { $0 < 100 ? load($0) : [] }
        #expect(before.arrived + after.arrived == frames)
        // The same moments as without a rekey.
        let (other, _) = try gateways(old)
        let (all, _) = pass(other, to: nil, steps: 500)
        #expect(before.departures + after.departures == all)
        #expect(near.outbound.snapshot().associations.count == 1)
    }

    @Test func whereTheSuccessorGoesTheOldOneHasItAgain() throws {
        let old = TestTunnel(carriage: .espAggregated)
        let new = TestTunnel(carriage: .espAggregated, identifier: 2, spi: 0x2000_0002)
        let (near, far) = try gateways(old)
        var successor = try new.outbound()
        successor.train = train()
        near.apply(.installOutbound(successor))
        near.apply(.removeSA(SAIdentifier(rawValue: 2)))
        let (departures, arrived) = pass(near, to: far, steps: 40) { $0 == 0 ? [frame(700)] : [] }
        #expect(arrived == [frame(700)] && departures.count >= 9)
    }

    @Test func whatWaitsForATrainThatEndsIsCounted() throws {
        let (near, _) = try gateways()
        near.send([frame(100), frame(100), frame(100)])
        near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        #expect(near.outboundDrops(.trainMissing) == 3)
        #expect(near.serveTimers().isEmpty && near.outbound.nextDue == .max)
    }

    @Test func aSlowWorkerLeavesOutWhatIsLongDue() throws {
        let (near, _) = try gateways()
        _ = pass(near, to: nil, steps: 10)
        near.now = near.now + .milliseconds(500)
        let late = near.serveTimers().flatMap(\.datagrams).count
        #expect(late <= 52 && late >= 48)
        let counts = try #require(near.outbound.snapshot().associations[0].flow?.train)
        #expect(counts.leftOut >= 448 && counts.leftOut <= 452)
    }

    @Test func aTrainStopsAtTheEndOfItsSA() throws {
        let (near, _) = try gateways(outbound: {
            $0.lifetime = SALifetime(
                softOctets: .max,
                hardOctets: .max,
                softPackets: 3,
                hardPackets: 5
            )
        })
        let (departures, _) = pass(near, to: nil, steps: 100)
        #expect(departures.flatMap(\.octets).count == 5)
        #expect(near.outboundDrops(.lifetimeExceeded) == 1)
        let events = near.outbound.takeEvents()
        #expect(events.count == 2)
    }

    @Test func thePacketsFollowThePath() throws {
        let (near, far) = try gateways(
            TestTunnel(carriage: .espAggregated),
            { $0.packetOctets = nil }
        )
        let (before, _) = pass(near, to: far, steps: 40)
        near.apply(.setLinkMTU(SAIdentifier(rawValue: 1), octets: 1280))
        let (after, arrived) = pass(near, to: far, steps: 40) { $0 == 0 ? [frame(1300)] : [] }
        #expect(Set(before.flatMap(\.octets)).count == 1 && Set(after.flatMap(\.octets)).count == 1)
        #expect(before[0].octets[0] + 28 > 1490 && after[0].octets[0] + 28 <= 1280)
        #expect(arrived == [frame(1300)])
    }
}
