internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// Which SA of a policy carries a packet: the one activated last of those that cover it, whether the
/// policy has one SA or hundreds.
@Suite struct SASelectionTests {
    /// One SA as the list has it.
    private struct Known {
        var identifier: UInt32
        var spi: UInt32
        var policy: Int
        var selectors: [SelectorPair]
        var isActive: Bool
    }

    private static func network(_ policy: Int, _ rest: UInt32, _ last: UInt32) -> TrafficSelector {
        let base = 0x0a00_0000 + UInt32(policy) << 16
        return TrafficSelector(
            first: .v4(IPv4Address(bits: base + rest)),
            last: .v4(IPv4Address(bits: base + last))
        )!
    }

    private static func policies(_ listed: [Int]) -> PacketPathCommand {
        .replacePolicies(
            listed.map { policy in
                PolicyEntry(
                    identifier: PolicyIdentifier(rawValue: UInt32(policy)),
                    action: .protect,
                    selectors: [
                        SelectorPair(
                            local: .everything(.v4),
                            remote: network(policy, 0, 0xffff)
                        )
                    ]
                )
            }
        )
    }

    private static func selectors(
        _ policy: Int,
        _ random: inout SeededRandomSource
    ) -> [SelectorPair] {
        (0..<(1 + random.next32() % 2)).map { _ in
            let first = random.next32() % 64
            let last = first + [0, 0, 7, 63][Int(random.next32() % 4)]
            return SelectorPair(
                local: random.next32() % 2 == 0
                    ? .everything(.v4)
                    : TrafficSelector(address: IPAddress("192.168.0.\(random.next32() % 4)")!),
                remote: network(policy, first, last)
            )
        }
    }

    private static func spi(of runs: [SentRun]) -> UInt32? {
        runs.first?.datagrams[0][..<4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Random installations, activations and removals, and reloads that take policies away and
    /// bring them back, beside a list that is searched from its end.
    @Test(arguments: [(0, 4), (1, 20), (2, 150)])
    func theLastActivatedThatCoversCarries(seed: Int, most: Int) throws {
        var random = SeededRandomSource(seed: UInt64(seed))
        let gateway = TestGateway()
        var list: [Known] = []
        var listed = [0, 1, 2]
        gateway.apply(Self.policies(listed))
        var answers = Set<UInt32>()
        for step: UInt32 in 1...900 {
            switch random.next32() % 8 {
            case 0, 1, 2:
                guard list.count < most else { break }
                let policy = random.next32() % 4 == 0 ? Int(random.next32() % 3) : 0
                var tunnel = TestTunnel()
                tunnel.identifier = step
                tunnel.spi = 0x1000 + step
                tunnel.selectors = Self.selectors(policy, &random)
                var parameters = try tunnel.outbound()
                parameters.policy = PolicyIdentifier(rawValue: UInt32(policy))
                parameters.isActive = random.next32() % 3 != 0
                gateway.apply(.installOutbound(parameters))
                list.append(
                    Known(
                        identifier: step,
                        spi: tunnel.spi,
                        policy: policy,
                        selectors: tunnel.selectors,
                        isActive: parameters.isActive
                    )
                )
            case 3:
                guard !list.isEmpty else { break }
                var one = list.remove(at: Int(random.next32()) % list.count)
                gateway.apply(.activateOutbound(SAIdentifier(rawValue: one.identifier)))
                one.isActive = true
                list.append(one)
            case 4:
                guard list.count > most / 2 || step > 700, !list.isEmpty else { break }
                let gone = list.remove(at: Int(random.next32()) % list.count)
                gateway.apply(.removeSA(SAIdentifier(rawValue: gone.identifier)))
            case 5:
                guard random.next32() % 10 == 0 else { break }
                listed = [0, 1, 2].filter { $0 == 0 || random.next32() % 2 == 0 }
                gateway.apply(Self.policies(random.next32() % 2 == 0 ? listed : listed.reversed()))
            default: break
            }
            let policy = Int(random.next32() % 3)
            let source = IPAddress("192.168.0.\(random.next32() % 5)")!
            let destination = IPAddress.v4(
                IPv4Address(bits: 0x0a00_0000 + UInt32(policy) << 16 + random.next32() % 128)
            )
            let frame = TestPackets.plain(
                TestPackets.udp(
                    from: Endpoint(address: source, port: 7),
                    to: Endpoint(address: destination, port: 9),
                    payload: []
                )
            )
            let wanted = list.last { known in
                known.isActive && known.policy == policy && listed.contains(policy)
                    && known.selectors.contains {
                        $0.local.contains(source) && $0.remote.contains(destination)
                    }
            }
            let answer = Self.spi(of: gateway.send([frame]))
            #expect(answer == wanted?.spi, "step \(step)")
            answers.insert(answer ?? 0)
        }
        #expect(answers.count > min(most, 20))
    }

    /// A cached decision of one policy stays when another's SAs change, and goes with its own.
    @Test func aFlowNoticesOnlyWhatConcernsIt() throws {
        let gateway = TestGateway()
        gateway.apply(Self.policies([0, 1]))
        func install(_ identifier: UInt32, policy: Int) throws {
            var tunnel = TestTunnel()
            tunnel.identifier = identifier
            tunnel.spi = 0x1000 + identifier
            tunnel.selectors = [
                SelectorPair(
                    local: .everything(.v4),
                    remote: Self.network(policy, 0, 0xffff)
                )
            ]
            var parameters = try tunnel.outbound()
            parameters.policy = PolicyIdentifier(rawValue: UInt32(policy))
            gateway.apply(.installOutbound(parameters))
        }
        let frame = TestPackets.plain(
            TestPackets.udp(
                from: TestHosts.nearV4,
                to: Endpoint(address: IPAddress("10.0.0.1")!, port: 1),
                payload: []
            )
        )
        try install(1, policy: 0)
        #expect(Self.spi(of: gateway.send([frame])) == 0x1001)
        try install(2, policy: 1)
        #expect(Self.spi(of: gateway.send([frame])) == 0x1001)
        try install(3, policy: 0)
        #expect(Self.spi(of: gateway.send([frame])) == 0x1003)
        gateway.apply(.removeSA(SAIdentifier(rawValue: 3)))
        #expect(Self.spi(of: gateway.send([frame])) == 0x1001)
        gateway.apply(.removeSA(SAIdentifier(rawValue: 1)))
        #expect(gateway.send([frame]).isEmpty)
        #expect(gateway.outbound.snapshot().heldPackets == 1)
    }
}
