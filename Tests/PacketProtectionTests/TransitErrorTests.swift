internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// ICMP errors within tunnels (RFC 4301 §6.2).
@Suite struct TransitErrorTests {
    private static let router = (v4: IPAddress("172.16.0.1")!, v6: IPAddress("fd00:99::1")!)

    /// UDP to port 443 of the other side, and what comes back.
    private static func tunnel(_ version: IPVersion) -> TestTunnel {
        var tunnel = TestTunnel()
        let networks =
            version == .v4 ? ("10.1.0.0/16", "10.2.0.0/16") : ("fd00:1::/64", "fd00:2::/64")
        tunnel.selectors = SelectorPair.pairs(
            local: [TrafficSelector(prefix: IPPrefix(networks.0)!)],
            remote: [
                TrafficSelector(
                    prefix: IPPrefix(networks.1)!,
                    ipProtocol: 17,
                    ports: PortRange(443)
                )!
            ]
        )
        return tunnel
    }

    /// What a router says about a packet, with as much of that as it quotes.
    private static func error(
        about packet: [UInt8],
        _ version: IPVersion,
        to destination: IPAddress,
        type: UInt8? = nil,
        quoted: Int = 1000
    ) -> [UInt8] {
        let isV4 = version == .v4
        return TestPackets.ip(
            from: isV4 ? router.v4 : router.v6,
            to: destination,
            ipProtocol: isV4 ? 1 : 58,
            payload: [type ?? (isV4 ? 3 : 1), 1, 0, 0, 0, 0, 0, 0] + packet.prefix(quoted)
        )
    }

    private static func policies(
        _ tunnel: TestTunnel,
        remainder: PolicyAction,
        first: [PolicyEntry] = []
    ) -> PacketPathCommand {
        var rest = PolicyEntry(
            identifier: PolicyIdentifier(rawValue: 99),
            action: remainder,
            selectors: SelectorPair.pairs(
                local: [.everything(.v4), .everything(.v6)],
                remote: [.everything(.v4), .everything(.v6)]
            )
        )
        rest.isRemainder = true
        return .replacePolicies(
            first + [
                PolicyEntry(
                    identifier: TestTunnel.policy,
                    action: .protect,
                    selectors: tunnel.selectors
                ), rest,
            ]
        )
    }

    /// The near gateway sends by one SA; the far one receives by it. Errors go the same way, about
    /// packets that went the other.
    private static func gateways(_ version: IPVersion) throws -> (TestGateway, TestGateway) {
        try tunnel(version).gateways()
    }

    private static func answered(_ version: IPVersion, port: UInt16 = 443) -> [UInt8] {
        let (near, far) = TestHosts.pair(version)
        return TestPackets.udp(
            from: Endpoint(address: far.address, port: port),
            to: near,
            payload: pattern(100)
        )
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func anErrorComesByTheSAOfWhatItIsAbout(version: IPVersion) throws {
        let (near, far) = try Self.gateways(version)
        // A policy for everything: the sender maps the error as any packet, were its SA so wide.
        var wide = try TestTunnel().outbound()
        wide.identifier = SAIdentifier(rawValue: 3)
        near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        near.apply(.installOutbound(wide))
        let inside = TestHosts.pair(version).1.address
        let good = Self.error(about: Self.answered(version), version, to: inside)
        let refused = [
            // About another port, another host, to somebody else, a redirect, and no error.
            Self.error(about: Self.answered(version, port: 80), version, to: inside),
            Self.error(
                about: TestPackets.udp(
                    from: TestHosts.pair(version).1,
                    to: Endpoint(
                        address: version == .v4 ? Self.router.v4 : Self.router.v6,
                        port: 443
                    ),
                    payload: []
                ),
                version,
                to: inside
            ),
            Self.error(
                about: Self.answered(version),
                version,
                to: version == .v4 ? TestHosts.otherV4.address : IPAddress("fd00:2::77")!
            ),
            Self.error(
                about: Self.answered(version),
                version,
                to: inside,
                type: version == .v4 ? 5 : 137
            ),
            Self.error(
                about: Self.answered(version),
                version,
                to: inside,
                type: version == .v4 ? 8 : 128
            ),
            // Nothing quoted, half a header, and a header without its ports.
            Self.error(about: [], version, to: inside),
            Self.error(about: Self.answered(version), version, to: inside, quoted: 19),
            Self.error(
                about: Self.answered(version),
                version,
                to: inside,
                quoted: version == .v4 ? 23 : 43
            ),
        ]
        let runs = near.send(([good] + refused).map(TestPackets.plain))
        #expect(runs.flatMap(\.datagrams).count == 9)
        #expect(far.receive(runs) == [TestPackets.plain(good)])
        #expect(far.inboundDrops(.selectorMismatch) == 8)
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func anErrorGoesByTheSAOfWhatItIsAbout(version: IPVersion) throws {
        let inside = TestHosts.pair(version).1.address
        let good = TestPackets.plain(
            Self.error(about: Self.answered(version), version, to: inside)
        )
        let other = TestPackets.plain(
            Self.error(about: Self.answered(version, port: 80), version, to: inside)
        )
        for remainder in [PolicyAction.bypass, .discard] {
            let (near, far) = try Self.gateways(version)
            near.apply(Self.policies(Self.tunnel(version), remainder: remainder))
            #expect(far.receive(near.send([good, other])) == [good])
            let reason: DropReason = remainder == .bypass ? .policyBypass : .policyDiscard
            #expect(near.outboundDrops(reason) == 1)
            // It makes no SA.
            near.apply(.removeSA(SAIdentifier(rawValue: 1)))
            #expect(near.send([good]) == [])
            #expect(near.outbound.snapshot().heldPackets == 0)
            #expect(near.outbound.takeEvents().isEmpty)
        }
    }

    /// The responder's SA is installed before it is used: the peer's first packets may cause an error
    /// in between.
    @Test(arguments: [IPVersion.v4, .v6])
    func anErrorWaitsForAnSAThatIsNotUsedYet(version: IPVersion) throws {
        let tunnel = Self.tunnel(version)
        let inside = TestHosts.pair(version).1.address
        let error = TestPackets.plain(
            Self.error(about: Self.answered(version), version, to: inside)
        )
        let (near, far) = try Self.gateways(version)
        near.apply(Self.policies(tunnel, remainder: .bypass))
        near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        var other = tunnel
        other.selectors = SelectorPair.pairs(
            local: [.everything(version)],
            remote: [TrafficSelector(address: version == .v4 ? Self.router.v4 : Self.router.v6)]
        )
        var parameters = [try tunnel.outbound(), try other.outbound()]
        for index in 0...1 {
            parameters[index].identifier = SAIdentifier(rawValue: UInt32(7 + index))
            parameters[index].isActive = false
            near.apply(.installOutbound(parameters[index]))
        }
        #expect(near.send([error]) == [])
        #expect(near.outbound.snapshot().heldPackets == 1)
        #expect(near.outbound.takeEvents().isEmpty)
        // One that does not carry it changes nothing.
        near.apply(.activateOutbound(SAIdentifier(rawValue: 8)))
        #expect(near.release() == [])
        #expect(near.outbound.snapshot().heldPackets == 1)
        near.apply(.activateOutbound(SAIdentifier(rawValue: 7)))
        #expect(far.receive(near.release()) == [error])
        #expect(near.outbound.snapshot().heldPackets == 0)
        // With none left to wait for, none waits.
        for parameters in parameters { near.apply(.removeSA(parameters.identifier)) }
        #expect(near.send([error]) == [])
        #expect(near.outbound.snapshot().heldPackets == 0)
        #expect(near.outboundDrops(.policyBypass) == 1)
        // Nor for one that goes unused.
        near.apply(.installOutbound(parameters[0]))
        near.apply(.removeSA(SAIdentifier(rawValue: 7)))
        #expect(near.send([error]) == [])
        #expect(near.outbound.snapshot().heldPackets == 0)
    }

    @Test func whatTheOperatorDiscardsStaysDiscarded() throws {
        let (near, _) = try Self.gateways(.v4)
        let errors = SelectorPair.pairs(
            local: [TrafficSelector(prefix: IPPrefix("0.0.0.0/0")!, ipProtocol: 1)!],
            remote: [TrafficSelector.everything(.v4)]
        )
        let entry = PolicyEntry(
            identifier: PolicyIdentifier(rawValue: 50),
            action: .discard,
            selectors: errors
        )
        near.apply(Self.policies(Self.tunnel(.v4), remainder: .bypass, first: [entry]))
        let error = Self.error(about: Self.answered(.v4), .v4, to: TestHosts.farV4.address)
        #expect(near.send([TestPackets.plain(error)]) == [])
        #expect(near.outboundDrops(.policyDiscard) == 1)
    }

    @Test func anInterfaceOfItsOwnTakesErrorsToo() throws {
        let tunnel = Self.tunnel(.v4)
        let (near, far) = try Self.gateways(.v4)
        let device = DeviceNumber(rawValue: 4)
        near.apply(
            .replacePolicies([
                PolicyEntry(
                    identifier: TestTunnel.policy,
                    action: .protect,
                    selectors: tunnel.selectors,
                    device: device
                )
            ])
        )
        let error = TestPackets.plain(
            Self.error(about: Self.answered(.v4), .v4, to: TestHosts.farV4.address)
        )
        #expect(far.receive(near.send([error], device: device)) == [error])
        #expect(near.send([error]) == [])
        #expect(near.outboundDrops(.noPolicy) == 1)
    }

    /// Whichever worker reads it; where there is no SA it ends at the policy's home.
    @Test(arguments: [0, 1, 2])
    func anotherWorkerMayHaveTheSA(reader: Int) throws {
        let tunnel = Self.tunnel(.v4)
        let (_, far) = try Self.gateways(.v4)
        let workers = TestWorkers(3)
        workers.apply(Self.policies(tunnel, remainder: .bypass))
        workers.apply(.installOutbound(try tunnel.outbound()))
        let error = TestPackets.plain(
            Self.error(about: Self.answered(.v4), .v4, to: TestHosts.farV4.address)
        )
        let runs = workers.workers[reader].send([error]) + workers.takeAllArrivals().runs
        #expect(far.receive(runs) == [error])
        workers.apply(.removeSA(SAIdentifier(rawValue: 1)))
        #expect(workers.workers[reader].send([error]) == [])
        #expect(workers.takeAllArrivals().runs == [])
        #expect(workers.workers[1].outboundDrops(.policyBypass) == 1)
    }
}
