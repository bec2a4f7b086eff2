internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite("What tells traffic classes apart") struct TrafficClassifierTests {
    /// The class in which a packet waits.
    private func category(_ packet: [UInt8], _ rules: [TrafficRule]) throws -> Int? {
        let classes = rules.map { TrafficClass(rules: [$0]) } + [TrafficClass()]
        let link = try ShapedLink(.one(rate: 64_000, classes))
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
