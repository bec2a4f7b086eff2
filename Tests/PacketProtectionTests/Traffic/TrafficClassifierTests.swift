internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite("What tells traffic classes apart") struct TrafficClassifierTests {
    /// The class in which a packet waits.
    private func category(
        _ packet: [UInt8],
        _ rules: [TrafficRule],
        mark: UInt8 = 0
    ) throws -> Int? {
        let classes = rules.map { TrafficClass(rules: [$0]) } + [TrafficClass()]
        let link = try ShapedLink(.one(rate: 64_000, classes))
        link.near.outbound.begin(mark: mark, at: link.near.now)
        link.near.send([TestPackets.plain(packet)])
        return link.counts.firstIndex { $0.waitingPackets > 0 }
    }

    private func rule(_ change: (inout TrafficRule) -> Void) -> TrafficRule {
        var rule = TrafficRule()
        change(&rule)
        return rule
    }

    private func udp(
        _ version: IPVersion = .v4,
        ports: (UInt16, UInt16) = (40_000, 5060),
        codePoint: UInt8 = 0,
        mark: UInt8 = 0
    ) -> [UInt8] {
        let (near, far) = TestHosts.pair(version)
        return TestPackets.udp(
            from: Endpoint(address: near.address, port: ports.0),
            to: Endpoint(address: far.address, port: ports.1),
            payload: pattern(100),
            trafficClass: codePoint << 2 | mark
        )
    }

    @Test(arguments: [IPVersion.v4, .v6], [UInt8(0), 46, 63])
    func codePoints(version: IPVersion, codePoint: UInt8) throws {
        let rules = [
            TrafficRule(codePoints: 1 << 46), TrafficRule(codePoints: 1 << 63 | 1 << 8),
        ]
        let wanted = [46: 0, 63: 1][Int(codePoint)] ?? 2
        // Congestion marks are no part of it.
        for mark in UInt8(0)...3 {
            #expect(try category(udp(version, codePoint: codePoint, mark: mark), rules) == wanted)
        }
    }

    @Test func marks() throws {
        let rules = [
            rule { $0.marks = 1 << 1 | 1 << 15 },
            rule {
                $0.marks = 1 << 2
                $0.codePoints = 1 << 46
            },
        ]
        for (mark, codePoint, wanted) in [
            (0, 46, 2), (1, 0, 0), (15, 46, 0), (2, 0, 2), (2, 46, 1), (3, 46, 2),
        ] as [(UInt8, UInt8, Int)] {
            #expect(try category(udp(codePoint: codePoint), rules, mark: mark) == wanted)
        }
    }

    /// Any rules give a packet to the first class whose every word fits it.
    @Test func asWhoeverReadsTheRules() throws {
        var random = SeededRandomSource(seed: 11)
        func chance(_ values: Int) -> Int { Int(random.bytes(1)[0]) % values }
        func bits(_ limit: Int) -> UInt64? {
            let some = (0..<3).reduce(UInt64(0)) { bits, _ in bits | 1 << UInt64(chance(limit)) }
            return chance(2) == 0 ? nil : some
        }
        let (near, far) = TestHosts.pair(.v4)
        for _ in 0..<400 {
            let rules = (0..<4).map { _ in
                rule {
                    $0.codePoints = bits(4)
                    $0.marks = bits(4)
                    $0.protocols = chance(2) == 0 ? [] : [6, 17].suffix(1 + chance(2))
                    $0.ports = chance(2) == 0 ? [] : [5000...UInt16(5000 + chance(3))]
                    $0.local =
                        chance(3) > 0
                        ? [] : [TrafficSelector(address: [near, far][chance(2)].address)]
                }
            }
            let (codePoint, mark) = (UInt8(chance(4)), UInt8(chance(4)))
            let port = UInt16(5000 + chance(4))
            let wanted = rules.firstIndex { rule in
                (rule.codePoints ?? .max) & 1 << UInt64(codePoint) != 0
                    && (rule.marks ?? .max) & 1 << UInt64(mark) != 0
                    && (rule.protocols.isEmpty || rule.protocols.contains(17))
                    && (rule.ports.isEmpty || rule.ports[0].contains(port))
                    && (rule.local.isEmpty || rule.local[0].contains(near.address))
            }
            let packet = udp(ports: (40_000, port), codePoint: codePoint)
            #expect(try category(packet, rules, mark: mark) == wanted ?? 4)
        }
    }

    /// What waits for its SA, or goes to another worker, has its mark still when it is told by it.
    @Test func marksLastWhileAPacketIsHeld() throws {
        let near = TestGateway()
        near.apply(TestTunnel.everything)
        let marked = [2, 3].map { mark in
            TrafficClass(rules: [rule { $0.marks = 1 << mark }])
        }
        near.apply(.setTraffic(.one(rate: 100 * megabit, marked + [TrafficClass()])))
        for mark in [3, 0, 2, 3] as [UInt8] {
            near.outbound.begin(mark: mark, at: near.now)
            near.send([TestPackets.plain(udp())])
        }
        #expect(near.outbound.snapshot().heldPackets == 4)
        near.outbound.begin(mark: 0, at: near.now)
        near.apply(.installOutbound(try TestTunnel().outbound()))
        _ = near.release()
        let counts = near.outbound.snapshot().traffic.flatMap(\.classes)
        #expect(counts.map(\.waitingPackets) == [1, 2, 1])
        // And when their SA goes while they wait for their turn.
        near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        near.now = near.now + .milliseconds(1)
        while near.outbound.takeDeparting(at: near.now) {}
        #expect(near.outbound.snapshot().heldPackets == 4)
        near.outbound.begin(mark: 0, at: near.now)
        near.apply(.installOutbound(try TestTunnel(identifier: 2, spi: 0x1000_0002).outbound()))
        _ = near.release()
        let later = near.outbound.snapshot().traffic.flatMap(\.classes).map(\.waitingPackets)
        #expect(later == [1, 2, 1])
    }

    @Test func marksGoAlongToAnotherWorker() throws {
        let team = TestWorkers(2)
        team.apply(TestTunnel.everything)
        team.apply(.installOutbound(try TestTunnel().outbound()))
        let marked = TrafficClass(rules: [rule { $0.marks = 1 << 2 }])
        team.apply(.setTraffic(.one(rate: 64_000, [marked, TrafficClass()])))
        let home = WorkerPlace(index: 0, of: 2).home(of: TestTunnel.policy)
        let other = team.workers[1 - home]
        other.outbound.begin(mark: 2, at: other.now)
        other.send([TestPackets.plain(udp())])
        other.outbound.begin(mark: 0, at: other.now)
        other.send([TestPackets.plain(udp()), TestPackets.plain(udp())])
        _ = team.takeArrivals(at: home)
        let counts = team.workers[home].outbound.snapshot().traffic.flatMap(\.classes)
        #expect(counts.map(\.waitingPackets) == [1, 2])
    }

    @Test func portsOfEitherEnd() throws {
        let rules = [rule { $0.ports = [5060...5061, 16_384...32_767] }]
        #expect(try category(udp(), rules) == 0)
        #expect(try category(udp(ports: (5061, 40_000)), rules) == 0)
        #expect(try category(udp(ports: (16_384, 40_000)), rules) == 0)
        #expect(try category(udp(ports: (32_768, 40_000)), rules) == 1)
    }

    @Test func protocolsAndWhatHasNoPorts() throws {
        let (near, far) = TestHosts.pair(.v4)
        let echo = TestPackets.ip(
            from: near.address,
            to: far.address,
            ipProtocol: 1,
            payload: [8, 0, 0xf7, 0xff, 0, 0, 0, 0]
        )
        #expect(try category(echo, [rule { $0.protocols = [1] }]) == 0)
        #expect(try category(echo, [rule { $0.protocols = [6, 17] }]) == 1)
        // Type 8 and code 0 are no port 2048.
        #expect(try category(echo, [rule { $0.ports = [2048...2048] }]) == 1)
        #expect(try category(udp(), [rule { $0.protocols = [6, 17] }]) == 0)
    }

    @Test(arguments: [IPVersion.v4, .v6]) func addresses(version: IPVersion) throws {
        let text =
            version == .v4
            ? ("10.1.0.0/24", "10.2.0.8/30") : ("fd00:1::/64", "fd00:2::8/126")
        let (local, remote) = (
            TrafficSelector(prefix: IPPrefix(text.0)!), TrafficSelector(prefix: IPPrefix(text.1)!)
        )
        #expect(try category(udp(version), [rule { $0.local = [local] }]) == 0)
        #expect(try category(udp(version), [rule { $0.remote = [remote] }]) == 0)
        #expect(try category(udp(version), [rule { $0.local = [remote] }]) == 1)
        // The same bits of the other IP version are another address.
        let other = TrafficSelector.everything(version == .v4 ? .v6 : .v4)
        #expect(try category(udp(version), [rule { $0.remote = [other] }]) == 1)
    }

    @Test func allThatARuleNamesAndTheFirstThatCovers() throws {
        let rules = [
            rule {
                $0.protocols = [6]
                $0.ports = [5060...5060]
            },
            rule {
                $0.codePoints = 1 << 46
                $0.ports = [5060...5060]
            },
            rule { $0.ports = [5060...5060] },
        ]
        #expect(try category(udp(codePoint: 46), rules) == 1)
        #expect(try category(udp(codePoint: 10), rules) == 2)
        #expect(try category(udp(ports: (1, 2), codePoint: 46), rules) == 3)
    }
}
