internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// How often control is told where a peer is that is followed.
@Suite struct PeerMoveTests {
    private let identifier = SAIdentifier(rawValue: 1)
    private let frame = TestPackets.plain(
        TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(40))
    )
    private let places = (1...3).map {
        Endpoint(address: IPAddress("203.0.113.\($0)")!, port: 61_000)
    }

    private func gateways() throws -> (TestGateway, TestGateway) {
        let (near, far) = try TestTunnel().gateways(inbound: { $0.followsPeer = true })
        _ = far.receive(near.send([frame]))
        #expect(far.inbound.takeEvents() == [.firstPacketReceived(identifier)])
        return (near, far)
    }

    private func told(_ far: TestGateway) -> [Endpoint] {
        far.inbound.takeEvents().compactMap { event in
            guard case .peerEndpointChanged(identifier, let place) = event else { return nil }
            return place
        }
    }

    /// What is due by the clock, as the worker does it.
    private func serveTimers(_ far: TestGateway) {
        if far.inbound.nextDue <= far.now.nanoseconds { far.inbound.giveUpDue(at: far.now) }
    }

    @Test func aPeerThatMovesWithEveryPacketIsToldOfSeldom() throws {
        let (near, far) = try gateways()
        var events: [Endpoint] = []
        for number in 0..<2000 {
            far.now = far.now + .milliseconds(1)
            serveTimers(far)
            #expect(far.receive(near.send([frame]), from: places[number % 2]) == [frame])
            events += told(far)
        }
        #expect((1...5).contains(events.count))
        #expect(zip(events, events.dropFirst()).allSatisfy { $0 != $1 })
    }

    @Test func theLastPlaceIsToldThoughNothingMoreComesFromThere() throws {
        let (near, far) = try gateways()
        for place in places { _ = far.receive(near.send([frame]), from: place) }
        #expect(told(far) == [places[0]])
        // Control does what it was told.
        var path = try TestTunnel().inbound().path
        path.remote = places[0]
        far.apply(.updatePath(identifier, path))
        let due = far.inbound.nextDue
        #expect(due > far.now.nanoseconds && due < far.now.nanoseconds + second)
        far.now = Instant(nanoseconds: due)
        serveTimers(far)
        #expect(told(far) == [places[2]])
        #expect(far.inbound.nextDue == .max)
        // There it stays.
        far.now = far.now + .seconds(1)
        _ = far.receive(near.send([frame]), from: places[2])
        #expect(told(far) == [] && far.inbound.nextDue == .max)
    }

    @Test func whoIsBackInTimeHasNotMoved() throws {
        let (near, far) = try gateways()
        for place in [places[0], places[1], places[0]] {
            _ = far.receive(near.send([frame]), from: place)
        }
        #expect(told(far) == [places[0]])
        far.now = far.now + .seconds(1)
        serveTimers(far)
        #expect(told(far) == [] && far.inbound.nextDue == .max)
    }

    @Test func whatControlSaysIsNewerThanAMoveThatWaits() throws {
        let (near, far) = try gateways()
        for place in places[..<2] { _ = far.receive(near.send([frame]), from: place) }
        #expect(told(far) == [places[0]])
        var path = try TestTunnel().inbound().path
        path.remote = places[2]
        far.apply(.updatePath(identifier, path))
        far.now = far.now + .seconds(1)
        serveTimers(far)
        #expect(told(far) == [])
        _ = far.receive(near.send([frame]), from: places[1])
        #expect(told(far) == [places[1]])
    }

    @Test func aMoveOfAnSAThatGoesIsForgotten() throws {
        let (near, far) = try gateways()
        for place in places[..<2] { _ = far.receive(near.send([frame]), from: place) }
        #expect(told(far) == [places[0]])
        far.apply(.removeSA(identifier))
        far.now = far.now + .seconds(1)
        serveTimers(far)
        #expect(told(far) == [] && far.inbound.nextDue == .max)
    }

    @Test func aMoveThatFoundNoRoomIsToldLater() throws {
        let (near, far) = try gateways()
        for _ in 0..<2000 { far.apply(.query(token: 1)) }
        _ = far.receive(near.send([frame]), from: places[0])
        #expect(told(far) == [])
        far.now = far.now + .seconds(1)
        serveTimers(far)
        #expect(told(far) == [places[0]])
    }
}
