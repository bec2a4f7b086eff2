internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct CommandTests {
    private let frame = TestPackets.plain(
        TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(40))
    )

    private func spi(_ runs: [SentRun]) -> UInt32 {
        runs[0].datagrams[0][..<4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    @Test func aSuccessorIsMadeBeforeTheOldOneBreaks() throws {
        let old = TestTunnel()
        var new = TestTunnel()
        new.identifier = 2
        new.spi = 0x2000_0002
        let (near, far) = try old.gateways()
        far.apply(.installInbound(try new.inbound()))
        var waiting = try new.outbound()
        waiting.isActive = false
        near.apply(.installOutbound(waiting))
        let first = near.send([frame])
        #expect(spi(first) == old.spi)
        near.apply(.activateOutbound(SAIdentifier(rawValue: 2)))
        let second = near.send([frame])
        #expect(spi(second) == new.spi)
        near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        let third = near.send([frame])
        #expect(far.receive(first + second + third).count == 3)
        // Back to the old one, if the new one goes.
        near.apply(.installOutbound(try old.outbound()))
        near.apply(.activateOutbound(SAIdentifier(rawValue: 2)))
        #expect(spi(near.send([frame])) == new.spi)
        near.apply(.removeSA(SAIdentifier(rawValue: 2)))
        #expect(spi(near.send([frame])) == old.spi)
    }

    @Test func removedSAsCarryNothing() throws {
        let (near, far) = try TestTunnel().gateways()
        let runs = near.send([frame])
        near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        far.apply(.removeSA(SAIdentifier(rawValue: 1)))
        #expect(near.send([frame]) == [])
        #expect(near.outbound.snapshot().heldPackets == 1)
        #expect(far.receive(runs) == [])
        #expect(far.inboundDrops(.unknownSPI) == 1)
        #expect(
            far.inbound.takeEvents() == [
                .unknownSPI(SPI(rawValue: 0x1000_0001), from: TestTunnel().path.local)
            ]
        )
        #expect(far.inbound.snapshot().associations == [])
    }

    @Test func unknownSPIsAreToldSparingly() throws {
        let far = TestGateway()
        let run = SentRun(
            datagrams: Array(repeating: pattern(100), count: 50),
            segmentSize: 100,
            trafficClass: 0,
            dontFragment: true,
            path: TestTunnel().path
        )
        #expect(far.receive([run]) == [])
        #expect(far.inbound.takeEvents().count == 4)
        #expect(far.inboundDrops(.unknownSPI) == 50)
    }

    @Test func theTablesHoldWhatTheyPromise() throws {
        var configuration = PacketPathConfiguration()
        configuration.maximumSAs = 50
        let gateway = TestGateway(configuration)
        gateway.apply(TestTunnel.everything)
        var random = SeededRandomSource(seed: 3)
        var live: [UInt32: UInt32] = [:]
        for identifier: UInt32 in 1...400 {
            var tunnel = TestTunnel()
            tunnel.identifier = identifier
            // Few values, so that they collide in the table.
            tunnel.spi = 0x100 + random.next32() % 200
            let isDuplicate = live.values.contains(tunnel.spi)
            gateway.apply(.installInbound(try tunnel.inbound()))
            gateway.apply(.installOutbound(try tunnel.outbound()))
            let events = gateway.inbound.takeEvents()
            if isDuplicate {
                #expect(events == [.commandFailed(SAIdentifier(rawValue: identifier), .duplicate)])
            } else if live.count == 50 {
                #expect(events == [.commandFailed(SAIdentifier(rawValue: identifier), .tooManySAs)])
            } else {
                #expect(events == [])
                live[identifier] = tunnel.spi
            }
            if live.count > 45, random.next32() % 2 == 0 {
                let victim = live.keys.sorted()[Int(random.next32() % 20)]
                gateway.apply(.removeSA(SAIdentifier(rawValue: victim)))
                live[victim] = nil
            }
            let known = Set(gateway.inbound.snapshot().associations.map(\.spi.rawValue))
            #expect(known == Set(live.values))
            let runs = live.values.sorted().map { spi in
                SentRun(
                    datagrams: [TestPackets.bytes32(spi) + pattern(60)],
                    segmentSize: 64,
                    trafficClass: 0,
                    dontFragment: true,
                    path: TestTunnel().path
                )
            }
            let before = gateway.inboundDrops(.unknownSPI)
            _ = gateway.receive(runs)
            #expect(gateway.inboundDrops(.unknownSPI) == before)
        }
    }

    @Test func aPeerBehindANATIsFollowed() throws {
        let moved = Endpoint(address: IPAddress("203.0.113.7")!, port: 61_234)
        for follows in [true, false] {
            let (near, far) = try TestTunnel().gateways(inbound: { $0.followsPeer = follows })
            let late = near.send([frame])
            #expect(far.receive(near.send([frame])) == [frame])
            #expect(far.inbound.takeEvents() == [.firstPacketReceived(SAIdentifier(rawValue: 1))])
            // Neither an old packet nor a forgery moves anybody.
            #expect(far.receive(late, from: moved) == [frame])
            var forged = near.send([frame])
            forged[0].datagrams[0][30] ^= 1
            #expect(far.receive(forged, from: moved) == [])
            #expect(far.inbound.takeEvents() == [])
            #expect(far.receive(near.send([frame, frame]), from: moved).count == 2)
            let wanted: [PacketPathEvent] =
                follows ? [.peerEndpointChanged(SAIdentifier(rawValue: 1), moved)] : []
            #expect(far.inbound.takeEvents() == wanted)
            #expect(far.receive(near.send([frame]), from: moved).count == 1)
            #expect(far.inbound.takeEvents() == [])
        }
    }

    // RFC 4555 §3.12.
    @Test func aMobilePeerIsHeardByTheRightPathAlone() throws {
        let moved = Endpoint(address: IPAddress("203.0.113.7")!, port: 61_234)
        for isMobile in [true, false] {
            let (near, far) = try TestTunnel().gateways(inbound: { $0.isMobile = isMobile })
            func heard() -> Instant? { far.inbound.snapshot().associations.first?.lastUse }
            #expect(heard() == nil)
            #expect(far.receive(near.send([frame]), from: moved) == [frame])
            #expect(heard() == (isMobile ? nil : far.now))
            #expect(far.receive(near.send([frame])) == [frame])
            #expect(heard() == far.now)
            let path = TestTunnel().path
            let before = far.now
            far.now = far.now + .seconds(1)
            // The near end still sends to where the far end was.
            var elsewhere = path
            swap(&elsewhere.local, &elsewhere.remote)
            elsewhere.local.address = IPAddress("203.0.113.9")!
            far.apply(.updatePath(SAIdentifier(rawValue: 1), elsewhere))
            #expect(far.receive(near.send([frame])) == [frame])
            #expect(heard() == (isMobile ? before : far.now))
        }
    }

    @Test func aQueryIsAnsweredByBothDirections() throws {
        let (near, _) = try TestTunnel().gateways()
        near.apply(.query(token: 5))
        #expect(near.outbound.takeEvents() == [.snapshot(token: 5, near.outbound.snapshot())])
        #expect(near.inbound.takeEvents() == [.snapshot(token: 5, near.inbound.snapshot())])
    }

    @Test func aCommandWithinABatchSealsItFirst() throws {
        let (near, far) = try TestTunnel().gateways()
        unsafe near.outbound.readBuffer.copyBytes(from: frame)
        near.outbound.processRead(byteCount: frame.count, at: near.now)
        near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        let runs = near.send([])
        #expect(far.receive(runs) == [frame])
    }

    @Test func controlDatagramsAndKeepalivesAreToldApart() throws {
        let (near, far) = try TestTunnel().gateways()
        let message = pattern(200)
        func run(_ datagrams: [[UInt8]], _ size: Int) -> SentRun {
            SentRun(
                datagrams: datagrams,
                segmentSize: size,
                trafficClass: 0,
                dontFragment: true,
                path: TestTunnel().path
            )
        }
        let marked = [0, 0, 0, 0] + message
        let frames = far.receive(
            [
                run([marked, marked, [0, 0, 0, 0, 9]], 204), run([[0xff]], 1),
                run([[0, 0, 0, 0]], 4), run([[0xfe]], 1),
            ]
                + near.send([frame])
        )
        #expect(frames == [frame])
        #expect(far.control.map(\.0) == [message, message, [9]])
        #expect(far.control.allSatisfy { $0.1 == TestTunnel().path.local })
        #expect(far.inboundDrops(.keepalive) == 1)
        #expect(far.inboundDrops(.malformedESP) == 2)
    }
}
