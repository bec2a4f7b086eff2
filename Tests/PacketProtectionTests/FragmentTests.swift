internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// Fragments in tunnel mode, between SAs that name ports (RFC 4301 §7).
@Suite struct FragmentTests {
    private static func selectors(
        _ version: IPVersion,
        _ ipProtocol: UInt8 = 17,
        local: PortRange = .any,
        remote: PortRange
    ) -> [SelectorPair] {
        let networks =
            version == .v4 ? ("10.1.0.0/16", "10.2.0.0/16") : ("fd00:1::/64", "fd00:2::/64")
        return SelectorPair.pairs(
            local: [
                TrafficSelector(
                    prefix: IPPrefix(networks.0)!,
                    ipProtocol: ipProtocol,
                    ports: local
                )!
            ],
            remote: [
                TrafficSelector(
                    prefix: IPPrefix(networks.1)!,
                    ipProtocol: ipProtocol,
                    ports: remote
                )!
            ]
        )
    }

    /// One tunnel for UDP to port 443, whose later fragments go along where both agree; behind it
    /// stands an entry for everything else.
    private static func gateways(
        _ version: IPVersion = .v4,
        carriesLaterFragments: Bool,
        installsOutbound: Bool = true
    ) throws -> (TestGateway, TestGateway, OutboundSAParameters) {
        var tunnel = TestTunnel()
        tunnel.selectors = selectors(version, remote: PortRange(443))
        let (near, far) = (TestGateway(), TestGateway())
        var rest = PolicyEntry(
            identifier: PolicyIdentifier(rawValue: 99),
            action: .bypass,
            selectors: SelectorPair.pairs(
                local: [.everything(.v4), .everything(.v6)],
                remote: [.everything(.v4), .everything(.v6)]
            )
        )
        rest.isRemainder = true
        near.apply(
            .replacePolicies([
                PolicyEntry(
                    identifier: TestTunnel.policy,
                    action: .protect,
                    selectors: tunnel.selectors
                ), rest,
            ])
        )
        var sending = try tunnel.outbound()
        sending.carriesLaterFragments = carriesLaterFragments
        if installsOutbound { near.apply(.installOutbound(sending)) }
        var receiving = try tunnel.inbound()
        receiving.carriesLaterFragments = carriesLaterFragments
        far.apply(.installInbound(receiving))
        return (near, far, sending)
    }

    private static func fragments(
        _ version: IPVersion = .v4,
        port: UInt16 = 443,
        octets: Int = 1200
    ) -> [[UInt8]] {
        let (source, destination) = TestHosts.pair(version)
        let whole = TestPackets.udp(
            from: source,
            to: Endpoint(address: destination.address, port: port),
            payload: pattern(4000),
            dontFragment: false
        )
        return TestPackets.fragments(of: whole, octets: octets).map(TestPackets.plain)
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func fragmentsBehindTheFirstGoWithItWhereThatIsAgreed(version: IPVersion) throws {
        let (near, far, _) = try Self.gateways(version, carriesLaterFragments: true)
        let fragments = Self.fragments(version)
        #expect(fragments.count == 4)
        #expect(far.receive(near.send(fragments)) == fragments)
        #expect(near.outboundDrops(.policyBypass) == 0)
    }

    /// RFC 4301 §4.4.2.2: "Use of PFP=1 with an OPAQUE value is an error".
    @Test func noPortsArePopulatedFromWhatShowsNone() throws {
        let near = TestGateway()
        var entry = PolicyEntry(
            identifier: TestTunnel.policy,
            action: .protect,
            selectors: TestTunnel().selectors
        )
        let (first, later) = (Self.fragments()[0], Self.fragments()[1])
        for needsPorts in [false, true] {
            entry.needsPorts = needsPorts
            near.apply(.replacePolicies([entry]))
            _ = near.outbound.takeEvents()
            #expect(near.send([later]).isEmpty)
            #expect(near.outbound.takeEvents().isEmpty == needsPorts)
            #expect(near.outboundDrops(.fragmentWithoutPorts) == (needsPorts ? 1 : 0))
        }
        #expect(near.send([first]).isEmpty)
        #expect(near.outbound.takeEvents().count == 1)
    }

    @Test func withoutTheAgreementTheyAreDroppedAndNamed() throws {
        let (near, far, _) = try Self.gateways(carriesLaterFragments: false)
        let fragments = Self.fragments()
        #expect(far.receive(near.send(fragments)) == [fragments[0]])
        #expect(near.outboundDrops(.fragmentWithoutPorts) == 3)
        // A peer that sends them nevertheless (RFC 4301 §7.3: the receiver must discard them).
        let (careless, strict) = (
            try Self.gateways(carriesLaterFragments: true).0,
            try Self.gateways(carriesLaterFragments: false).1
        )
        #expect(strict.receive(careless.send(fragments)) == [fragments[0]])
        #expect(strict.inboundDrops(.fragmentWithoutPorts) == 3)
        #expect(strict.inbound.snapshot().associations[0].selectorMismatches == 3)
    }

    /// RFC 4301 §7.3: without the agreement an end "MUST NOT send such fragments", not those either
    /// that it would make itself; the packet goes whole, and what it becomes is fragmented.
    @Test func withoutTheAgreementNoPacketIsCut() throws {
        let (source, destination) = TestHosts.pair(.v4)
        let long = TestPackets.plain(
            TestPackets.udp(
                from: source,
                to: Endpoint(address: destination.address, port: 443),
                payload: pattern(4000),
                dontFragment: false
            )
        )
        let (near, far, sending) = try Self.gateways(carriesLaterFragments: false)
        let runs = near.send([long])
        #expect(runs.map(\.dontFragment) == [false])
        #expect(far.receive(runs) == [long])
        // Nor where the outer header says that nobody may cut it.
        near.apply(.removeSA(sending.identifier))
        var strict = sending
        strict.transform = try TestTunnel().outbound().transform
        strict.dontFragment = .set
        near.apply(.installOutbound(strict))
        #expect(near.send([long]) == [])
        #expect(near.outboundDrops(.fragmentWithoutPorts) == 1)
        let (willing, other, _) = try Self.gateways(carriesLaterFragments: true)
        #expect(other.receive(willing.send([long])).count == 3)
    }

    /// RFC 8200 §4.5: a first fragment without its upper-layer header should be discarded. By an SA
    /// for packets whose ports cannot be seen it would bring any port behind it.
    @Test func aFirstFragmentThatHidesItsPortsIsNone() throws {
        let (source, destination) = TestHosts.pair(.v6)
        var opaque = TestTunnel()
        opaque.selectors = Self.selectors(.v6, local: .opaque, remote: .opaque)
        let (near, far) = try opaque.gateways()
        near.apply(
            .replacePolicies([
                PolicyEntry(
                    identifier: TestTunnel.policy,
                    action: .protect,
                    selectors: opaque.selectors
                )
            ])
        )
        let options: [UInt8] = [17, 15] + Array(repeating: 0, count: 126)
        func fragment(_ field: Int, next: UInt8, _ content: [UInt8]) -> [UInt8] {
            TestPackets.plain(
                TestPackets.ip(
                    from: source.address,
                    to: destination.address,
                    ipProtocol: 44,
                    payload: [next, 0] + TestPackets.bytes16(field) + [0, 0, 0, 9] + content
                )
            )
        }
        // Nobody looks at the next header of a later fragment.
        let later = fragment(128, next: 17, pattern(80))
        #expect(far.receive(near.send([fragment(1, next: 60, options), later])) == [later])
        #expect(near.outboundDrops(.malformedInner) == 1)
        // Generic encapsulation has no ports to hide.
        var encapsulated = TestTunnel()
        encapsulated.selectors = Self.selectors(.v6, 47, remote: .any)
        let (willing, other) = try encapsulated.gateways()
        let first = fragment(1, next: 47, pattern(8))
        #expect(other.receive(willing.send([first])) == [first])
    }

    @Test func theReceiverHoldsThemAgainstTheFirst() throws {
        let (near, far, _) = try Self.gateways(carriesLaterFragments: true)
        let fragments = Self.fragments()
        let runs = fragments.map { near.send([$0]) }
        // Nothing is known of the packet before its first fragment has come.
        #expect(far.receive(runs[1]) == [])
        #expect(far.inboundDrops(.fragmentBeforeFirst) == 1)
        #expect(far.receive(runs[0] + runs[3] + runs[2]) == [0, 3, 2].map { fragments[$0] })
        // Nor for ever.
        far.now = far.now + .seconds(3)
        #expect(far.receive(near.send([fragments[2]])) == [])
        #expect(far.inboundDrops(.fragmentBeforeFirst) == 2)
    }

    /// RFC 1858 §4, RFC 5722 §3: what policy looked at must not be written over behind it.
    @Test(arguments: [IPVersion.v4, .v6])
    func fragmentsOverTheFirstAreDropped(version: IPVersion) throws {
        let (near, far, _) = try Self.gateways(version, carriesLaterFragments: true)
        let fragments = Self.fragments(version)
        let (lower, place) = version == .v4 ? (7, 6) : (43, 42)
        var over = fragments[1]
        // Offset 8, and 1192: one unit before the end of the first.
        for offset in [8, 1192] {
            let field = version == .v4 ? offset / 8 : offset
            over[10 + place] = UInt8(field >> 8)
            over[10 + lower] = UInt8(field & 255)
            #expect(near.send([fragments[0], over]).flatMap(\.datagrams).count == 1)
        }
        #expect(near.outboundDrops(.fragmentOverlap) == 2)
        // The receiver does not trust the sender to have looked: this one's SA is for any port.
        var wide = TestTunnel()
        wide.selectors = Self.selectors(version, 0, remote: .any)
        let (careless, _) = try wide.gateways()
        #expect(
            far.receive(careless.send([fragments[0], over, fragments[1]]))
                == [0, 1].map { fragments[$0] }
        )
        #expect(far.inboundDrops(.fragmentOverlap) == 1)
    }

    @Test func otherPortsTakeTheirFragmentsAlong() throws {
        let (near, _, _) = try Self.gateways(carriesLaterFragments: true)
        #expect(near.send(Self.fragments(port: 80)) == [])
        #expect(near.outboundDrops(.policyBypass) == 4)
        // A first fragment with another port takes the identification over.
        #expect(near.send([Self.fragments()[0], Self.fragments(port: 80)[0]]).count == 1)
        #expect(near.send([Self.fragments()[1]]) == [])
    }

    @Test func allOfAPacketWaitsForItsSA() throws {
        let (near, far, sending) = try Self.gateways(
            carriesLaterFragments: true,
            installsOutbound: false
        )
        let fragments = Self.fragments()
        #expect(near.send(fragments) == [])
        #expect(near.outbound.snapshot().heldPackets == 4)
        // An SA that was narrowed to another port leaves them waiting.
        var narrow = try TestTunnel(identifier: 5, spi: 0x1000_0009).outbound()
        narrow.selectors = Self.selectors(.v4, local: PortRange(9), remote: PortRange(443))
        near.apply(.installOutbound(narrow))
        #expect(near.release() == [])
        #expect(near.outbound.snapshot().heldPackets == 4)
        near.now = near.now + .seconds(9)
        near.apply(.installOutbound(sending))
        #expect(far.receive(near.release()) == fragments)
    }

    @Test func anSAForAnyPortsCarriesThemAll() throws {
        var tunnel = TestTunnel()
        tunnel.selectors = Self.selectors(.v4, remote: .any)
        let (near, far) = try tunnel.gateways()
        let fragments = Self.fragments()
        #expect(far.receive(near.send(fragments)) == fragments)
        #expect(far.receive(near.send([fragments[2]])) == [fragments[2]])
    }

    /// RFC 4301 §7.2: an SA for fragments behind the first alone.
    @Test func aTunnelForOpaquePortsCarriesThemApart() throws {
        var ports = TestTunnel()
        ports.selectors = Self.selectors(.v4, remote: PortRange(443))
        var opaque = TestTunnel(identifier: 2, spi: 0x1000_0002)
        opaque.selectors = Self.selectors(.v4, local: .opaque, remote: .opaque)
        let (near, far) = (TestGateway(), TestGateway())
        let other = PolicyIdentifier(rawValue: 8)
        near.apply(
            .replacePolicies([
                PolicyEntry(
                    identifier: TestTunnel.policy,
                    action: .protect,
                    selectors: ports.selectors
                ),
                PolicyEntry(identifier: other, action: .protect, selectors: opaque.selectors),
            ])
        )
        var second = try opaque.outbound()
        second.policy = other
        near.apply(.installOutbound(try ports.outbound()))
        near.apply(.installOutbound(second))
        far.apply(.installInbound(try ports.inbound()))
        far.apply(.installInbound(try opaque.inbound()))
        let fragments = Self.fragments()
        #expect(far.receive(near.send(fragments)) == fragments)
        let packets = near.outbound.snapshot().associations.map(\.packets)
        #expect(packets == [1, 3])
        // RFC 4301 §7.2, §D.3: none so near the beginning that it could lie over the ports.
        var early = fragments[1]
        early.replaceSubrange(16..<18, with: [0x20, 15])
        #expect(far.receive(near.send([early])) == [])
        #expect(far.inboundDrops(.fragmentOverlap) == 1)
        // Whole packets and first fragments are not for it.
        let (source, destination) = TestHosts.pair(.v4)
        let whole = TestPackets.udp(
            from: source,
            to: Endpoint(address: destination.address, port: 53),
            payload: pattern(20)
        )
        #expect(near.send([TestPackets.plain(whole)]) == [])
    }

    @Test func whatIsKnownOfFragmentsIsBounded() throws {
        let (near, far, _) = try Self.gateways(carriesLaterFragments: true)
        let fragments = Self.fragments()
        func numbered(_ index: Int, _ number: Int) -> [UInt8] {
            var fragment = fragments[index]
            fragment.replaceSubrange(14..<16, with: TestPackets.bytes16(number))
            return fragment
        }
        var carried = 0
        for number in 0..<4000 {
            near.now = near.now + .nanoseconds(100)
            near.send([numbered(0, number)])
        }
        for number in 0..<4000 where !near.send([numbered(1, number)]).isEmpty { carried += 1 }
        #expect(carried > 512 && carried <= 1024)
        // The newest is there.
        let newest = near.send([numbered(0, 5000), numbered(1, 5000)])
        #expect(far.receive(newest).count == 2)
    }

    /// A worker that is not the home of the policy gives all of them to the one that is, in order.
    @Test(arguments: [0, 1, 2])
    func severalWorkersKnowTheFirstToo(reader: Int) throws {
        var tunnel = TestTunnel()
        tunnel.selectors = Self.selectors(.v4, remote: PortRange(443))
        let workers = TestWorkers(3)
        workers.apply(
            .replacePolicies([
                PolicyEntry(
                    identifier: TestTunnel.policy,
                    action: .protect,
                    selectors: tunnel.selectors
                )
            ])
        )
        var sending = try tunnel.outbound()
        sending.carriesLaterFragments = true
        workers.apply(.installOutbound(sending))
        let (_, far, _) = try Self.gateways(carriesLaterFragments: true)
        let fragments = Self.fragments()
        let runs = fragments.flatMap { workers.workers[reader].send([$0]) }
        #expect(runs.isEmpty == (reader != 1))
        #expect(far.receive(runs + workers.takeAllArrivals().runs) == fragments)
    }
}
