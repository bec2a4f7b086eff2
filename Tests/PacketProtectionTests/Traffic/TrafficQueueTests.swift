internal import IPsecPrimitives
internal import Testing

@testable import PacketProtection

/// What waits: how much, how long, and what becomes of it.
@Suite("Queues of traffic") struct TrafficQueueTests {
    private func frames(_ link: ShapedLink, _ frames: [[UInt8]]) -> [[UInt8]] {
        let source = frames.flatMap { link.far.receive(link.near.send([$0])) }
        var result = source
        while let next = link.near.outbound.nextDeparture(at: link.near.now) {
            link.near.now = next
            var isMore = true
            while isMore {
                isMore = link.near.outbound.takeDeparting(at: link.near.now)
                result += link.far.receive(link.near.flush())
            }
        }
        return result
    }

    /// Superpackets and whole packets, of both IP versions.
    private func mixture(_ version: IPVersion) -> [[UInt8]] {
        let (near, far) = TestHosts.pair(version)
        let options: [UInt8] = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]
        let datagram = TestPackets.udp(from: near, to: far, payload: pattern(9000), isPartial: true)
        let network = version == .v4 ? 20 : 40
        return [
            // FIN, PSH, ACK, CWR
            TestPackets.tso(
                from: near,
                to: far,
                sequence: 0xffff_f000,
                flags: 0x99,
                payload: pattern(30_001),
                segmentPayload: 1300,
                options: options
            ),
            TestPackets.plain(TestPackets.tcp(from: near, to: far, payload: pattern(900))),
            TestPackets.offload(
                datagram,
                type: 5,
                segmentPayload: 1000,
                headers: network + 8,
                checksumStart: network,
                checksumOffset: 6
            ),
            TestPackets.tso(
                from: near,
                to: far,
                flags: 0x18,
                payload: pattern(700),
                segmentPayload: 1300
            ),
        ]
    }

    @Test(
        "A superpacket that leaves in parts arrives as one that leaves at once",
        arguments: [4 * megabit, 30 * megabit, 10_000 * megabit],
        [IPVersion.v4, .v6]
    )
    func partsOfSuperpackets(rate: UInt64, version: IPVersion) throws {
        let patient = [TrafficClass(patience: .seconds(10))]
        let shaped = try ShapedLink(.one(rate: rate, patient))
        let plain = try ShapedLink(TrafficPlan())
        let wanted = plain.far.receive(plain.near.send(mixture(version)))
        // A queue of the lowest rate holds one after the other.
        var arrived: [[UInt8]] = []
        for frame in mixture(version) { arrived += frames(shaped, [frame]) }
        #expect(wanted.count == 24 + 1 + 9 + 1)
        #expect(arrived == wanted)
        let counts = shaped.counts[0]
        #expect(counts.sentPackets == 35 && counts.waitingPackets == 0)
        #expect(counts.waitingOctets == 0)
    }

    @Test("A flood takes no more than its queue holds, and gives all of it back")
    func memoryIsBounded() throws {
        let link = try ShapedLink(.one(rate: 4 * megabit, [.to(1), TrafficClass()]))
        link.sources = [
            ShapedLink.Source(port: 1, octets: 1400, interval: 20_000, until: second / 4)
        ]
        link.run(until: second / 4)
        // 200 ms of 4 Mbit/s, and a packet more at most.
        #expect(link.counts[0].waitingOctets <= 100_000)
        #expect(link.counts[0].waitingOctets > 90_000)
        #expect(link.counts[0].droppedFull > 10_000)
        link.run(until: 2 * second)
        #expect(link.counts[0].waitingPackets == 0)
        #expect(link.freeBlocks == FramePool.capacity)
        #expect(link.nextDeparture == nil)
        let counts = link.counts[0]
        let all = counts.sentPackets + counts.droppedFull + counts.droppedDelay
        #expect(all + counts.droppedExpired == UInt64(link.sources[0].sent))
        #expect(link.departed.count == Int(counts.sentPackets))
    }

    @Test("Many who wait leave memory for one who does not")
    func memoryIsShared() throws {
        let link = try ShapedLink(
            .one(
                rate: 1000 * megabit,
                [.to(1, priority: 1), .to(2, patience: .seconds(10)), TrafficClass()]
            )
        )
        let (near, far) = TestHosts.pair(.v4)
        let flood = TestPackets.plain(
            TestPackets.udp(
                from: near,
                to: Endpoint(address: far.address, port: 2),
                payload: pattern(100)
            )
        )
        for _ in 0..<FramePool.capacity { link.near.send([flood]) }
        #expect(link.counts[1].droppedFull > 0)
        #expect(link.freeBlocks > FramePool.capacity / 3)
        let call = TestPackets.plain(
            TestPackets.udp(
                from: near,
                to: Endpoint(address: far.address, port: 1),
                payload: pattern(100)
            )
        )
        for _ in 0..<100 { link.near.send([call]) }
        #expect(link.counts[0].droppedFull == 0 && link.counts[0].waitingPackets == 100)
    }

    @Test("A queue that stands loses a packet now and then, one that empties loses none")
    func standingQueues() throws {
        for (load, isStanding) in [(UInt64(11), true), (9, false)] {
            let patient = [TrafficClass(patience: .seconds(5))]
            let link = try ShapedLink(.one(rate: 10 * megabit, patient))
            // 1000 octets become 1062 on the wire.
            let interval = 1062 * 8 * 10 * second / (load * 10 * megabit)
            link.sources = [ShapedLink.Source(port: 1, octets: 1000, interval: interval)]
            link.run(until: 4 * second)
            #expect((link.counts[0].droppedDelay > 0) == isStanding, "\(load)")
            #expect(link.counts[0].droppedFull == 0)
        }
    }

    @Test("Another plan keeps what waits where the class stays, and drops the rest")
    func plansChange() throws {
        let link = try ShapedLink(.one(rate: megabit, [.to(1), TrafficClass()]))
        link.sources = [
            ShapedLink.Source(port: 1, octets: 1000, interval: 100_000, until: millisecond)
        ]
        link.run(until: millisecond)
        let waiting = link.counts[0].waitingPackets
        #expect(waiting >= 8)
        let classes = [TrafficClass.to(1, weight: 3), TrafficClass()]
        link.near.apply(.setTraffic(.one(rate: 100 * megabit, classes)))
        #expect(link.counts[0].waitingPackets == waiting)
        link.run(until: 5 * millisecond)
        #expect(link.counts[0].waitingPackets == 0 && link.departed.count == 10)
        link.near.apply(.setTraffic(.one(rate: 64_000)))
        link.sources[0].until = 8 * millisecond
        link.sources[0].from = 6 * millisecond
        link.sources[0].sent = 0
        link.run(until: 8 * millisecond)
        let left = link.counts[0].waitingPackets
        #expect(left > 1)
        link.near.apply(.setTraffic(TrafficPlan()))
        #expect(link.near.outboundDrops(.classExpired) == UInt64(left))
        #expect(!link.isShaping)
        #expect(link.freeBlocks == FramePool.capacity)
        // Nothing waits any more.
        let (near, far) = TestHosts.pair(.v4)
        let packet = TestPackets.plain(TestPackets.udp(from: near, to: far, payload: pattern(50)))
        #expect(link.near.send([packet]).count == 1)
    }

    @Test("Fragments behind the first are of its class")
    func fragmentsFollowTheFirst() throws {
        let link = try ShapedLink(.one(rate: 64_000, [.to(443, priority: 1), TrafficClass()]))
        let (near, far) = TestHosts.pair(.v4)
        let packet = TestPackets.udp(
            from: near,
            to: far,
            payload: pattern(2000),
            dontFragment: false
        )
        for fragment in TestPackets.fragments(of: packet, octets: 800) {
            link.near.send([TestPackets.plain(fragment)])
        }
        #expect(link.counts[0].waitingPackets == 3 && link.counts[1].waitingPackets == 0)
    }

    @Test("Fragments have the mark of the first, though the firewall saw its ports alone")
    func fragmentsHaveTheMarkOfTheFirst() throws {
        var rule = TrafficRule()
        rule.marks = 1 << 1
        let classes = [TrafficClass(rules: [rule]), TrafficClass()]
        let link = try ShapedLink(.one(rate: 64_000, classes))
        let (near, far) = TestHosts.pair(.v4)
        let packet = TestPackets.udp(
            from: near,
            to: far,
            payload: pattern(2000),
            dontFragment: false
        )
        for (number, fragment) in TestPackets.fragments(of: packet, octets: 800).enumerated() {
            link.near.outbound.begin(mark: number == 0 ? 1 : 0, at: link.near.now)
            link.near.send([TestPackets.plain(fragment)])
        }
        #expect(link.counts[0].waitingPackets == 3 && link.counts[1].waitingPackets == 0)
    }

    @Test("What is too big is told its sender at once, and takes none of the rate")
    func tooBig() throws {
        let link = try ShapedLink(.one(rate: 64_000))
        let (near, far) = TestHosts.pair(.v4)
        let packet = TestPackets.udp(from: near, to: far, payload: pattern(3000))
        #expect(link.near.send([TestPackets.plain(packet)]).isEmpty)
        #expect(link.near.errors.count == 1 && link.counts[0].waitingPackets == 0)
    }

    @Test("What waits while its SA goes, waits for another")
    func theSAGoes() throws {
        let link = try ShapedLink(.one(rate: megabit, [TrafficClass(patience: .seconds(5))]))
        link.sources = [
            ShapedLink.Source(port: 1, octets: 1000, interval: 100_000, until: millisecond)
        ]
        link.run(until: millisecond)
        let sent = link.departed.count
        link.near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        link.run(until: second)
        #expect(link.departed.count == sent)
        #expect(link.heldPackets == 10 - sent)
    }
}

extension ShapedLink {
    /// Of the memory for what waits.
    fileprivate var freeBlocks: Int { near.outbound.traffic.pool.freeCount }
    fileprivate var isShaping: Bool { near.outbound.isShaping }
    fileprivate var heldPackets: Int { near.outbound.snapshot().heldPackets }
}
