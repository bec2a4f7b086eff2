internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// Of several SAs of the same traffic, that which is for the packet's DSCP (RFC 4301 §4.1).
@Suite struct CodePointSelectionTests {
    private static let expedited: UInt8 = 46

    private func frame(
        _ codePoint: UInt8,
        version: IPVersion = .v4,
        congestion: UInt8 = 0
    ) -> [UInt8] {
        let (source, destination) = TestHosts.pair(version)
        return TestPackets.plain(
            TestPackets.udp(
                from: source,
                to: destination,
                payload: pattern(40),
                trafficClass: codePoint << 2 | congestion
            )
        )
    }

    private func spi(_ gateway: TestGateway, _ frame: [UInt8]) -> UInt32? {
        gateway.send([frame]).first?.datagrams[0][..<4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    private func parameters(
        _ identifier: UInt32,
        _ codePoints: [UInt8],
        selectors: [SelectorPair]? = nil
    ) throws -> OutboundSAParameters {
        var tunnel = TestTunnel()
        tunnel.identifier = identifier
        tunnel.spi = 0x1000 + identifier
        if let selectors { tunnel.selectors = selectors }
        var parameters = try tunnel.outbound()
        parameters.codePoints = CodePointSet(codePoints)
        return parameters
    }

    private func gateway(_ sets: [[UInt8]]) throws -> TestGateway {
        let gateway = TestGateway()
        gateway.apply(TestTunnel.everything)
        for (index, set) in sets.enumerated() {
            gateway.apply(.installOutbound(try parameters(UInt32(index), set)))
        }
        return gateway
    }

    /// One flow whose packets change their DSCP every time: what is remembered of one must not carry
    /// the next.
    @Test(arguments: [IPVersion.v4, .v6], [1, 2, 5]) func eachClassHasItsOwn(
        version: IPVersion,
        rounds: Int
    ) throws {
        let sets: [[UInt8]] = [[], [46, 44], [34, 36, 38], [0], [63]]
        for order in [Array(sets.indices), sets.indices.reversed()] {
            let gateway = TestGateway()
            gateway.apply(TestTunnel.everything)
            for index in order {
                gateway.apply(.installOutbound(try parameters(UInt32(index), sets[index])))
            }
            for _ in 0..<rounds {
                for codePoint: UInt8 in 0..<64 {
                    let wanted = sets.firstIndex { $0.contains(codePoint) } ?? 0
                    for congestion: UInt8 in 0..<4 {
                        let frame = frame(codePoint, version: version, congestion: congestion)
                        #expect(spi(gateway, frame) == 0x1000 + UInt32(wanted))
                    }
                }
            }
        }
    }

    @Test func theRestCarriesWhatHasNone() throws {
        let gateway = try gateway([[], [46]])
        #expect(spi(gateway, frame(46)) == 0x1001)
        gateway.apply(.removeSA(SAIdentifier(rawValue: 1)))
        #expect(spi(gateway, frame(46)) == 0x1000)
        gateway.apply(.installOutbound(try parameters(2, [46])))
        #expect(spi(gateway, frame(46)) == 0x1002 && spi(gateway, frame(0)) == 0x1000)
        // A successor takes its place when it is used, and not before.
        var successor = try parameters(3, [46])
        successor.isActive = false
        gateway.apply(.installOutbound(successor))
        #expect(spi(gateway, frame(46)) == 0x1002)
        gateway.apply(.activateOutbound(SAIdentifier(rawValue: 3)))
        #expect(spi(gateway, frame(46)) == 0x1003 && spi(gateway, frame(1)) == 0x1000)
    }

    /// Nothing waits, or is lost, for a matter of order.
    @Test func anyCarriesWhatNoneIsFor() throws {
        let gateway = try gateway([[46], [34]])
        #expect(spi(gateway, frame(0)) == 0x1001)
        #expect(spi(gateway, frame(46)) == 0x1000)
        gateway.apply(.removeSA(SAIdentifier(rawValue: 1)))
        #expect(spi(gateway, frame(34)) == 0x1000)
        gateway.apply(.installOutbound(try parameters(5, [])))
        #expect(spi(gateway, frame(34)) == 0x1005)
        #expect(gateway.outbound.snapshot().heldPackets == 0)
    }

    @Test func whatIsRememberedWithoutClassesIsNotBelievedWithThem() throws {
        let gateway = try gateway([[]])
        #expect(spi(gateway, frame(46)) == 0x1000 && spi(gateway, frame(0)) == 0x1000)
        gateway.apply(.installOutbound(try parameters(1, [46])))
        #expect(spi(gateway, frame(0)) == 0x1000 && spi(gateway, frame(46)) == 0x1001)
        gateway.apply(.removeSA(SAIdentifier(rawValue: 1)))
        #expect(spi(gateway, frame(46)) == 0x1000 && spi(gateway, frame(0)) == 0x1000)
    }

    @Test func theAnswerNamesTheSAOfTheClass() throws {
        let gateway = try gateway([[], [46]])
        var tuple = PacketTuple(
            source: TestHosts.nearV4.address,
            destination: TestHosts.farV4.address,
            ipProtocol: 17,
            sourcePort: 1,
            destinationPort: 2
        )
        for (codePoint, spi) in [(UInt8(46), UInt32(0x1001)), (0, 0x1000), (63, 0x1000)] {
            tuple.codePoint = codePoint
            gateway.outbound.apply(.ask(token: 1, tuple), at: gateway.now)
            let answers = gateway.outbound.takeEvents().compactMap { event -> PacketAnswer? in
                if case .answer(token: 1, let answer) = event { answer } else { nil }
            }
            #expect(answers.first?.associations.map(\.spi) == [SPI(rawValue: spi)])
            #expect(answers.first?.associations.first?.codePoints.isEmpty == (spi == 0x1000))
        }
    }

    /// Random SAs of parts of the traffic and of the code points, beside a list that is searched by the
    /// words of the rule: few, which the policy has in a list, and many, which it has in an index.
    @Test(arguments: [(1, 3), (2, 12), (3, 80)]) func beside(seed: UInt64, most: Int) throws {
        var random = SeededRandomSource(seed: seed)
        let gateway = TestGateway()
        gateway.apply(TestTunnel.everything)
        var list: [(identifier: UInt32, codePoints: Set<UInt8>, last: UInt32)] = []
        var answers = Set<UInt32>()
        for step: UInt32 in 1...1200 {
            if list.count < most, random.next32() % 2 == 0 {
                let values = (0..<random.next32() % 4).map { _ in UInt8(random.next32() % 6) }
                let last: UInt32 = [3, 7, 255][Int(random.next32() % 3)]
                let remote = TrafficSelector(
                    first: .v4(IPv4Address(bits: 0x0a02_0000)),
                    last: .v4(IPv4Address(bits: 0x0a02_0000 + last))
                )!
                let pair = SelectorPair(local: .everything(.v4), remote: remote)
                let new = try parameters(step, values, selectors: [pair])
                gateway.apply(.installOutbound(new))
                list.append((step, Set(values), last))
            } else if !list.isEmpty, random.next32() % 3 == 0 {
                let gone = list.remove(at: Int(random.next32()) % list.count)
                gateway.apply(.removeSA(SAIdentifier(rawValue: gone.identifier)))
            }
            let (host, codePoint) = (random.next32() % 10, UInt8(random.next32() % 6))
            let covering = list.filter { host <= $0.last }
            let wanted =
                covering.last { $0.codePoints.contains(codePoint) }
                ?? covering.last { $0.codePoints.isEmpty } ?? covering.last
            let frame = TestPackets.plain(
                TestPackets.udp(
                    from: TestHosts.nearV4,
                    to: Endpoint(address: .v4(IPv4Address(bits: 0x0a02_0000 + host)), port: 9),
                    payload: [],
                    trafficClass: codePoint << 2
                )
            )
            let answer = spi(gateway, frame)
            #expect(answer == wanted.map { 0x1000 + $0.identifier }, "step \(step)")
            answers.insert(answer ?? 0)
        }
        #expect(answers.count > most)
    }
}
