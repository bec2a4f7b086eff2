internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// Who goes first, and who gets how much.
@Suite("The order of traffic") struct TrafficOrderTests {
    private static let rate = 10 * megabit

    private func source(_ port: UInt16, rate: UInt64, octets: Int = 1000) -> ShapedLink.Source {
        ShapedLink.Source(
            port: port,
            octets: octets,
            interval: UInt64(octets) * 8 * second / rate
        )
    }

    @Test("A class with a lower number waits for a slice of another at most, however much comes")
    func strictPriority() throws {
        let link = try ShapedLink(
            .one(rate: Self.rate, [.to(1, priority: 1), .to(2, priority: 5), TrafficClass()])
        )
        link.sources = [
            source(1, rate: megabit, octets: 200), source(2, rate: 2 * Self.rate, octets: 1400),
        ]
        link.run(until: 3 * second)
        let delays = link.delays(of: 1)
        #expect(delays.count > 1800)
        // One packet of the other class, as it came to the wire: 1478 octets.
        #expect(delays.max() ?? .max <= 1_190_000, "\(delays.max() ?? 0)")
        #expect(link.counts[0].droppedFull + link.counts[0].droppedDelay == 0)
        #expect(link.counts[1].droppedFull + link.counts[1].droppedDelay > 0)
        // Work goes on: the others have what the first leaves.
        #expect(abs(link.rate(second..<3 * second) / Double(Self.rate) - 1) < 0.01)
    }

    @Test(
        "Classes of one priority share by weight, whatever the sizes of their packets",
        arguments: [[1, 1, 1], [1, 2, 5], [10, 1, 1]],
        [[1000, 1000, 1000], [100, 1400, 600]]
    )
    func weightedShares(weights: [Int], sizes: [Int]) throws {
        var classes = weights.indices.map {
            TrafficClass.to(UInt16($0 + 1), weight: weights[$0], patience: .seconds(2))
        }
        classes.append(TrafficClass())
        let link = try ShapedLink(.one(rate: Self.rate, classes))
        link.sources = weights.indices.map {
            source(UInt16($0 + 1), rate: 2 * Self.rate, octets: sizes[$0])
        }
        link.run(until: 3 * second)
        let span = second..<3 * second
        let total = link.rate(span)
        #expect(abs(total / Double(Self.rate) - 1) < 0.01)
        for (index, weight) in weights.enumerated() {
            let share = link.rate(span, of: UInt16(index + 1)) / total
            let wanted = Double(weight) / Double(weights.reduce(0, +))
            #expect(abs(share - wanted) < 0.01, "class \(index): \(share) of \(wanted)")
        }
    }

    @Test("What a class does not use is the others'")
    func nothingIsKeptForWhoSendsNothing() throws {
        let link = try ShapedLink(
            .one(rate: Self.rate, [.to(1, weight: 9), .to(2, weight: 1), TrafficClass()])
        )
        link.sources = [source(1, rate: 2 * megabit), source(2, rate: 2 * Self.rate)]
        link.run(until: 3 * second)
        let rate = link.rate(second..<3 * second, of: 2)
        // 1000 octets become 1062 on the wire.
        #expect(abs(rate / (Double(Self.rate) - 2.124e6) - 1) < 0.02, "\(rate)")
    }

    @Test("A ceiling holds, and leaves the rest to lower priorities")
    func ceilings() throws {
        let link = try ShapedLink(
            .one(rate: Self.rate, [.to(1, priority: 1, ceiling: 3 * megabit), TrafficClass()])
        )
        link.sources = [source(1, rate: 2 * Self.rate), source(2, rate: 2 * Self.rate)]
        link.run(until: 3 * second)
        let span = second..<3 * second
        #expect(abs(link.rate(span, of: 1) / 3e6 - 1) < 0.01)
        #expect(abs(link.rate(span, of: 2) / 7e6 - 1) < 0.01)
    }

    @Test("A starved class drops what waited too long, and never sends it")
    func starvation() throws {
        let link = try ShapedLink(
            .one(
                rate: Self.rate,
                [.to(1, priority: 1), .to(2, priority: 2, patience: .milliseconds(50))]
                    + [TrafficClass()]
            )
        )
        var first = source(1, rate: 2 * Self.rate)
        first.until = second
        var other = source(2, rate: megabit)
        other.until = second
        link.sources = [first, other]
        link.run(until: 3 * second)
        #expect(link.delays(of: 2).allSatisfy { $0 <= 50 * millisecond })
        #expect(link.counts[1].droppedExpired > 0)
        #expect(link.near.outboundDrops(.classExpired) >= link.counts[1].droppedExpired)
    }

    @Test("Packets of a flow keep their order, and numbers of the SA are in the order of the wire")
    func nothingIsReordered() throws {
        let link = try ShapedLink(
            .one(
                rate: Self.rate,
                [.to(1, priority: 1), .to(2, weight: 2), .to(3, ceiling: megabit), TrafficClass()]
            )
        )
        link.sources = (1...4).map { source(UInt16($0), rate: 4 * megabit, octets: 300 * Int($0)) }
        link.run(until: 2 * second)
        for port in UInt16(1)...4 {
            let numbers = link.departed.filter { $0.port == port }.map(\.number)
            #expect(numbers.count > 100)
            #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 })
        }
        #expect(link.numbers == (1...UInt32(link.numbers.count)).map { $0 })
    }

    @Test("Shapers share the gateway's rate, each within its own")
    func hierarchy() throws {
        let networks = (0..<3).map { TrafficSelector(prefix: IPPrefix("10.2.\($0).0/24")!) }
        let shapers = networks.indices.map { index in
            var shaper = TrafficShaper(
                identifier: UInt32(index),
                policies: [PolicyIdentifier(rawValue: UInt32(20 + index))],
                rate: [nil, megabit, nil][index],
                classes: [.to(9, priority: 1), TrafficClass()]
            )
            shaper.weight = [1, 1, 3][index]
            return shaper
        }
        let link = try ShapedLink(TrafficPlan(rate: Self.rate, shapers: shapers))
        link.near.apply(
            .replacePolicies(
                networks.indices.map { index in
                    PolicyEntry(
                        identifier: PolicyIdentifier(rawValue: UInt32(20 + index)),
                        action: .protect,
                        selectors: [SelectorPair(local: .everything(.v4), remote: networks[index])]
                    )
                }
            )
        )
        for index in networks.indices {
            var tunnel = TestTunnel()
            tunnel.identifier = UInt32(10 + index)
            tunnel.spi = UInt32(0x2000 + index)
            tunnel.selectors = [SelectorPair(local: .everything(.v4), remote: networks[index])]
            var parameters = try tunnel.outbound()
            parameters.policy = PolicyIdentifier(rawValue: UInt32(20 + index))
            link.near.apply(.installOutbound(parameters))
            link.far.apply(.installInbound(try tunnel.inbound()))
        }
        link.sources = networks.indices.map { index in
            var source = source(UInt16(index + 1), rate: 2 * Self.rate)
            source.destination = networks[index].first
            return source
        }
        // Of the second shaper, whose own rate is exhausted: what goes first does so in all of them.
        var call = source(9, rate: 100_000, octets: 200)
        call.destination = networks[0].first
        link.sources.append(call)
        link.run(until: 3 * second)
        let span = second..<3 * second
        #expect(abs(link.rate(span) / Double(Self.rate) - 1) < 0.01)
        #expect(link.rate(span, of: 2) <= 1e6 * 1.01 && link.rate(span, of: 2) > 0.95e6)
        // 9 Mbit/s less the call, by 1 to 3.
        #expect(abs(link.rate(span, of: 3) / link.rate(span, of: 1) - 3) < 0.15)
        #expect(link.delays(of: 9).max() ?? .max <= 2 * millisecond)
    }
}
