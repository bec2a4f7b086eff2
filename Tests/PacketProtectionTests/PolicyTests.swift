internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct PolicyTests {
    private static func randomSelector(_ random: inout SeededRandomSource) -> TrafficSelector {
        let kind = random.next32() % 4
        let ipProtocol: UInt8 = [0, 17, 6, 1][Int(random.next32() % 4)]
        let base = 0x0a00_0000 + random.next32() % 16
        let first = IPAddress.v4(IPv4Address(bits: base))
        let last = IPAddress.v4(IPv4Address(bits: base + random.next32() % 8))
        let low = UInt16(truncatingIfNeeded: random.next32() % 8)
        let ports: PortRange =
            ipProtocol == 0 || kind == 0
            ? .any
            : kind == 1 ? .opaque : PortRange(low, through: low + UInt16(random.next32() % 4))!
        return TrafficSelector(first: first, last: last, ipProtocol: ipProtocol, ports: ports)!
    }

    private static func randomPacket(_ random: inout SeededRandomSource) -> ([UInt8], PacketTuple) {
        let source = IPAddress.v4(IPv4Address(bits: 0x0a00_0000 + random.next32() % 24))
        let destination = IPAddress.v4(IPv4Address(bits: 0x0a00_0000 + random.next32() % 24))
        let ipProtocol: UInt8 = [17, 6, 1, 47][Int(random.next32() % 4)]
        let ports = (UInt16(random.next32() % 12), UInt16(random.next32() % 12))
        var payload =
            TestPackets.bytes16(Int(ports.0)) + TestPackets.bytes16(Int(ports.1)) + pattern(30)
        payload[12] = 0x50
        payload[13] = 0x10
        var packet = TestPackets.ip(
            from: source,
            to: destination,
            ipProtocol: ipProtocol,
            payload: payload,
            dontFragment: false
        )
        let isLaterFragment = random.next32() % 5 == 0
        if isLaterFragment { packet[7] = 9 }
        let hasPorts = ipProtocol != 47 && !isLaterFragment
        return (
            packet,
            PacketTuple(
                source: source,
                destination: destination,
                ipProtocol: ipProtocol,
                sourcePort: hasPorts ? ports.0 : nil,
                destinationPort: hasPorts ? (ipProtocol == 1 ? ports.0 : ports.1) : nil
            )
        )
    }

    private static func naive(_ entries: [PolicyEntry], _ tuple: PacketTuple) -> PolicyAction? {
        entries.first { entry in
            entry.selectors.contains {
                $0.local.contains(
                    tuple.source,
                    ipProtocol: tuple.ipProtocol,
                    port: tuple.sourcePort
                )
                    && ($0.remote.contains(
                        tuple.destination,
                        ipProtocol: tuple.ipProtocol,
                        port: tuple.destinationPort
                    )
                        // RFC 4301 §4.4.1.3: the type at the local side may be sent.
                        || tuple.ipProtocol == 1 && $0.remote.ports.isOpaque
                            && $0.remote.contains(
                                tuple.destination,
                                ipProtocol: tuple.ipProtocol,
                                port: nil
                            ))
            }
        }?.action
    }

    @Test(arguments: 0..<12) func theFirstMatchDecides(seed: Int) {
        var random = SeededRandomSource(seed: UInt64(seed))
        let entries = (0..<20).map { index in
            PolicyEntry(
                identifier: PolicyIdentifier(rawValue: UInt32(index)),
                action: [.protect, .bypass, .discard][Int(random.next32() % 3)],
                selectors: SelectorPair.pairs(
                    local: [Self.randomSelector(&random)],
                    remote: [Self.randomSelector(&random), Self.randomSelector(&random)]
                )
            )
        }
        var configuration = PacketPathConfiguration()
        // A small cache, so that flows push one another out.
        configuration.flowCacheEntries = 16
        configuration.held.packetsPerPolicy = 10_000
        configuration.held.totalPackets = 10_000
        configuration.held.totalOctets = 1 << 25
        configuration.held.octetsPerPolicy = 1 << 25
        let gateway = TestGateway(configuration)
        gateway.apply(.replacePolicies(entries))
        for _ in 0..<1500 {
            let (packet, tuple) = Self.randomPacket(&random)
            let before = gateway.outbound.snapshot()
            gateway.send([TestPackets.plain(packet)])
            let after = gateway.outbound.snapshot()
            switch Self.naive(entries, tuple) {
            case nil: #expect(after.dropCount(.noPolicy) == before.dropCount(.noPolicy) + 1)
            case .discard:
                #expect(after.dropCount(.policyDiscard) == before.dropCount(.policyDiscard) + 1)
            case .bypass:
                #expect(after.dropCount(.policyBypass) == before.dropCount(.policyBypass) + 1)
            case .protect: #expect(after.heldPackets == before.heldPackets + 1)
            }
        }
    }

    @Test func whatComesOutOfAnSAMustMatchItsSelectors() throws {
        var tunnel = TestTunnel()
        let (near, _) = try tunnel.gateways()
        tunnel.selectors = SelectorPair.pairs(
            local: [TrafficSelector(prefix: IPPrefix("10.1.0.0/16")!, ipProtocol: 17)!],
            remote: [TrafficSelector(prefix: IPPrefix("10.2.0.0/16")!)]
        )
        let (_, far) = try tunnel.gateways()
        let outside = Endpoint(address: IPAddress("10.3.0.1")!, port: 1)
        let good = TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(9))
        let frames = [
            good, TestPackets.udp(from: outside, to: TestHosts.farV4, payload: []),
            TestPackets.udp(from: TestHosts.nearV4, to: outside, payload: []),
            TestPackets.tcp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: []),
            TestPackets.udp(from: TestHosts.nearV6, to: TestHosts.farV6, payload: []),
        ].map(TestPackets.plain)
        #expect(far.receive(near.send(frames)) == [TestPackets.plain(good)])
        #expect(far.inboundDrops(.selectorMismatch) == 4)
        let association = far.inbound.snapshot().associations[0]
        #expect(association.selectorMismatches == 4)
        #expect(association.drops.map(\.packets) == [0, 0, 4])
        #expect(association.drops.map(\.reason).last == .selectorMismatch)
    }

    @Test func aNarrowedSATakesOnlyWhatItCovers() throws {
        var tunnel = TestTunnel()
        tunnel.selectors = SelectorPair.pairs(
            local: [.everything(.v4)],
            remote: [TrafficSelector(prefix: IPPrefix("10.2.0.0/16")!)]
        )
        let (near, _) = try tunnel.gateways()
        let inside = TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: [])
        let other = Endpoint(address: IPAddress("10.9.0.1")!, port: 5)
        let outside = TestPackets.udp(from: TestHosts.nearV4, to: other, payload: [])
        #expect(near.send([inside, outside].map(TestPackets.plain)).count == 1)
        let events = near.outbound.takeEvents()
        guard case .acquire(TestTunnel.policy, let tuple)? = events.first else {
            Issue.record("no acquire in \(events)")
            return
        }
        #expect(tuple.destination == other.address && tuple.destinationPort == 5)
    }

    /// RFC 4301 §4.4.1.3, case C: a gateway that sends echo requests, and takes none.
    @Test func icmpOfOneWayPassesThatWay() throws {
        let network = IPPrefix("10.0.0.0/8")!
        func selector(_ ports: PortRange) -> TrafficSelector {
            TrafficSelector(prefix: network, ipProtocol: 1, ports: ports)!
        }
        func echo(from source: Endpoint, to destination: Endpoint) -> [UInt8] {
            TestPackets.plain(
                TestPackets.ip(
                    from: source.address,
                    to: destination.address,
                    ipProtocol: 1,
                    payload: [8, 0, 0, 0, 0, 0, 0, 0]
                )
            )
        }
        var there = TestTunnel()
        there.selectors = [
            SelectorPair(local: selector(.icmp(type: 8)), remote: selector(.opaque))
        ]
        let (near, far) = (TestGateway(), TestGateway())
        near.apply(TestTunnel.everything)
        near.apply(.installOutbound(try there.outbound()))
        far.apply(.installInbound(try there.inbound()))
        let request = echo(from: TestHosts.nearV4, to: TestHosts.farV4)
        #expect(far.receive(near.send([request])) == [request])
        var back = TestTunnel()
        back.selectors = [
            SelectorPair(local: selector(.opaque), remote: selector(.icmp(type: 8)))
        ]
        let other = TestGateway()
        other.apply(TestTunnel.everything)
        other.apply(.installOutbound(try back.outbound()))
        #expect(other.send([echo(from: TestHosts.farV4, to: TestHosts.nearV4)]) == [])
        #expect(other.outbound.snapshot().heldPackets == 1)
    }

    @Test func icmpTypesAndExtensionHeadersAreSeen() {
        let gateway = TestGateway()
        let echo = TrafficSelector(
            prefix: IPPrefix("fd00::/16")!,
            ipProtocol: 58,
            ports: .icmp(type: 128)
        )!
        gateway.apply(
            .replacePolicies([
                PolicyEntry(
                    identifier: TestTunnel.policy,
                    action: .discard,
                    selectors: [SelectorPair(local: echo, remote: echo)]
                )
            ])
        )
        func packet(_ type: UInt8, _ extensions: [UInt8], first: UInt8) -> [UInt8] {
            TestPackets.plain(
                TestPackets.ip(
                    from: TestHosts.nearV6.address,
                    to: TestHosts.farV6.address,
                    ipProtocol: first,
                    payload: extensions + [type, 0, 0, 0, 0, 0, 0, 0]
                )
            )
        }
        gateway.send([
            packet(128, [], first: 58),
            packet(128, [60, 0, 0, 0, 0, 0, 0, 0, 58, 0, 1, 2, 3, 4, 5, 6], first: 0),
            packet(128, [58, 0, 0, 1, 0, 0, 0, 1], first: 44),
        ])
        #expect(gateway.outboundDrops(.policyDiscard) == 3)
        gateway.send([
            packet(129, [], first: 58), packet(128, [58, 0, 0, 9, 0, 0, 0, 2], first: 44),
        ])
        #expect(gateway.outboundDrops(.noPolicy) == 2)
        gateway.send([
            packet(128, [60, 200, 0, 0, 0, 0, 0, 0], first: 0),
            packet(
                128,
                Array((0..<12).map { _ in [60, 0, 0, 0, 0, 0, 0, 0] as [UInt8] }.joined()),
                first: 60
            ),
        ])
        #expect(gateway.outboundDrops(.malformedInner) == 2)
    }

    /// RFC 4301 §4.4.1.1, RFC 6275 §6.1.1: the type is the third octet.
    @Test func typesOfMobilityHeadersAreSeen() {
        let gateway = TestGateway()
        let update = TrafficSelector(
            prefix: IPPrefix("fd00::/16")!,
            ipProtocol: 135,
            ports: PortRange(5 << 8)
        )!
        gateway.apply(
            .replacePolicies([
                PolicyEntry(
                    identifier: TestTunnel.policy,
                    action: .discard,
                    selectors: [SelectorPair(local: update, remote: update)]
                )
            ])
        )
        let expected: [UInt8: DropReason] = [5: .policyDiscard, 6: .noPolicy]
        for (type, reason) in expected {
            let packet = TestPackets.ip(
                from: TestHosts.nearV6.address,
                to: TestHosts.farV6.address,
                ipProtocol: 135,
                payload: [59, 0, type, 0, 0, 0, 0, 0]
            )
            gateway.send([TestPackets.plain(packet)])
            #expect(gateway.outboundDrops(reason) == 1)
        }
    }
}
