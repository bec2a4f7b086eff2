internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct LifetimeTests {
    private let identifier = SAIdentifier(rawValue: 1)
    /// 62 octets of packet and 2 of trailer: the cipher works on 64.
    private let frame = TestPackets.plain(
        TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(34))
    )

    private func sent(_ gateway: TestGateway, _ count: Int) -> Int {
        gateway.send(Array(repeating: frame, count: count)).flatMap(\.datagrams).count
    }

    @Test func numbersNeverWrap() throws {
        let (near, far) = try TestTunnel().gateways(
            outbound: { $0.initialSequence = 0xffff_fffa },
            inbound: { $0.initialSequence = 0xffff_fff0 }
        )
        let runs = near.send(Array(repeating: frame, count: 9))
        let numbers = runs.flatMap(\.datagrams).map { $0[4..<8].reduce(0) { $0 << 8 | UInt32($1) } }
        #expect(numbers == [0xffff_fffb, 0xffff_fffc, 0xffff_fffd, 0xffff_fffe, 0xffff_ffff])
        #expect(far.receive(runs).count == 5)
        #expect(near.outboundDrops(.sequenceExhausted) == 4)
        #expect(
            near.outbound.takeEvents() == [
                .softLifetimeReached(identifier), .hardLifetimeReached(identifier),
            ]
        )
        #expect(sent(near, 3) == 0)
        #expect(near.outbound.takeEvents() == [])
    }

    @Test func extendedNumbersNeverWrapEither() throws {
        let (near, _) = try TestTunnel(isExtendedSequence: true).gateways(
            outbound: { $0.initialSequence = .max - 2 })
        #expect(sent(near, 5) == 2)
        #expect(near.outboundDrops(.sequenceExhausted) == 3)
    }

    @Test func theSoftLimitOfNumbersComesAnEighthEarly() throws {
        let soft = UInt64(UInt32.max) - UInt64(UInt32.max) / 8
        let (near, _) = try TestTunnel().gateways(outbound: { $0.initialSequence = soft - 2 })
        #expect(sent(near, 1) == 1)
        #expect(near.outbound.takeEvents() == [])
        #expect(sent(near, 1) == 1)
        #expect(near.outbound.takeEvents() == [.softLifetimeReached(identifier)])
    }

    @Test func limitsOfPacketsAreExact() throws {
        let lifetime = SALifetime(softPackets: 3, hardPackets: 5)
        let (near, far) = try TestTunnel().gateways(
            outbound: { $0.lifetime = lifetime })
        #expect(sent(near, 2) == 2)
        #expect(near.outbound.takeEvents() == [])
        #expect(sent(near, 1) == 1)
        #expect(near.outbound.takeEvents() == [.softLifetimeReached(identifier)])
        #expect(sent(near, 4) == 2)
        #expect(near.outbound.takeEvents() == [.hardLifetimeReached(identifier)])
        #expect(near.outboundDrops(.lifetimeExceeded) == 2)
        _ = far
    }

    @Test func limitsOfOctetsAreExact() throws {
        let lifetime = SALifetime(softOctets: 129, hardOctets: 320)
        let (near, _) = try TestTunnel().gateways(outbound: { $0.lifetime = lifetime })
        #expect(sent(near, 2) == 2)
        #expect(near.outbound.takeEvents() == [])
        #expect(sent(near, 1) == 1)
        #expect(near.outbound.takeEvents() == [.softLifetimeReached(identifier)])
        #expect(sent(near, 4) == 2)
        #expect(near.outbound.snapshot().associations[0].octets == 320)
        #expect(near.outbound.takeEvents() == [.hardLifetimeReached(identifier)])
        // Behind the hard limit nothing goes, however short.
        let empty = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: [])
        )
        #expect(near.send([empty]) == [])
    }

    @Test func limitsHoldInboundToo() throws {
        let lifetime = SALifetime(
            softOctets: 128,
            hardOctets: 256,
            softPackets: 100,
            hardPackets: 3
        )
        let (near, far) = try TestTunnel().gateways(inbound: { $0.lifetime = lifetime })
        #expect(far.receive(near.send([frame])).count == 1)
        #expect(far.inbound.takeEvents() == [.firstPacketReceived(identifier)])
        #expect(far.receive(near.send(Array(repeating: frame, count: 4))).count == 2)
        #expect(
            far.inbound.takeEvents() == [
                .softLifetimeReached(identifier), .hardLifetimeReached(identifier),
            ]
        )
        #expect(far.inboundDrops(.lifetimeExceeded) == 2)
    }

    /// Events have a queue of bounded length, which somebody else may have filled.
    @Test func whatFoundNoRoomIsToldLater() throws {
        let lifetime = SALifetime(softPackets: 2, hardPackets: 3)
        let (near, far) = try TestTunnel().gateways(
            outbound: { $0.lifetime = lifetime },
            inbound: { $0.lifetime = lifetime }
        )
        func fill() {
            for _ in 0..<2000 {
                near.apply(.query(token: 1))
                far.apply(.query(token: 1))
            }
        }
        func told(_ gateway: TestGateway) -> [PacketPathEvent] {
            (gateway.outbound.takeEvents() + gateway.inbound.takeEvents()).filter {
                if case .snapshot = $0 { false } else { true }
            }
        }
        fill()
        #expect(far.receive(near.send([frame])).count == 1)
        #expect(told(near) == [] && told(far) == [])
        fill()
        #expect(far.receive(near.send([frame])).count == 1)
        #expect(told(near) == [] && told(far) == [])
        let last = near.send([frame])
        #expect(told(near) == [.softLifetimeReached(identifier)])
        #expect(far.receive(last).count == 1)
        #expect(
            told(far) == [.firstPacketReceived(identifier), .softLifetimeReached(identifier)]
        )
        fill()
        #expect(sent(near, 2) == 0)
        #expect(told(near) == [])
        #expect(sent(near, 2) == 0)
        #expect(told(near) == [.hardLifetimeReached(identifier)])
        #expect(sent(near, 1) == 0)
        #expect(told(near) == [])
        #expect(near.outboundDrops(.lifetimeExceeded) == 5)
    }

    /// Whether it was told or not.
    @Test func anSAAtItsEndCarriesNothingHoweverShort() throws {
        let (near, _) = try TestTunnel().gateways(outbound: { $0.lifetime.hardOctets = 100 })
        for _ in 0..<2000 { near.apply(.query(token: 1)) }
        #expect(sent(near, 2) == 1)
        let empty = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: [])
        )
        #expect(near.send([empty]) == [])
    }

    @Test func anAcquireThatFoundNoRoomIsToldWithTheNextPacket() throws {
        let near = TestGateway()
        near.apply(TestTunnel.everything)
        for _ in 0..<2000 { near.apply(.query(token: 1)) }
        near.send([frame])
        _ = near.outbound.takeEvents()
        near.send([frame])
        #expect(near.outbound.takeEvents().count == 1)
    }

    @Test func whatIsNotTakenStaysInItsOrder() throws {
        let near = TestGateway()
        for token: UInt64 in 1...5 { near.apply(.query(token: token)) }
        var tokens: [UInt64] = []
        func take(_ event: PacketPathEvent, upTo count: Int) -> Bool {
            guard tokens.count < count, case .snapshot(let token, _) = event else { return false }
            tokens.append(token)
            return true
        }
        near.outbound.giveEvents { take($0, upTo: 2) }
        #expect(tokens == [1, 2] && near.outbound.hasEvents)
        near.outbound.giveEvents { take($0, upTo: 2) }
        near.outbound.giveEvents { take($0, upTo: 9) }
        #expect(tokens == [1, 2, 3, 4, 5] && !near.outbound.hasEvents)
    }

    @Test func aSuperpacketStopsAtTheLimit() throws {
        let (near, far) = try TestTunnel().gateways(outbound: { $0.lifetime.hardPackets = 7 })
        let superpacket = TestPackets.tso(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: pattern(20_000),
            segmentPayload: 1000
        )
        let runs = near.send([superpacket])
        #expect(runs.flatMap(\.datagrams).count == 7)
        #expect(near.outboundDrops(.lifetimeExceeded) == 13)
        #expect(far.receive(runs)[0].count == 50 + 7000)
    }
}
