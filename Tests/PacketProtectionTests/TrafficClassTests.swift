internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct TrafficClassTests {
    private func frame(_ version: IPVersion, _ trafficClass: UInt8) -> [UInt8] {
        let (source, destination) = TestHosts.pair(version)
        return TestPackets.plain(
            TestPackets.udp(
                from: source,
                to: destination,
                payload: pattern(40),
                trafficClass: trafficClass
            )
        )
    }

    /// RFC 6040 figure 4: rows are the inner field, columns the outer, in the order of the figure:
    /// Not-ECT, ECT(0), ECT(1), CE. Nil is "drop".
    private static let order: [UInt8] = [0b00, 0b10, 0b01, 0b11]
    private static let figure4: [[UInt8?]] = [
        [0b00, 0b00, 0b00, nil],
        [0b10, 0b10, 0b01, 0b11],
        [0b01, 0b01, 0b01, 0b11],
        [0b11, 0b11, 0b11, 0b11],
    ]

    @Test(arguments: [IPVersion.v4, .v6]) func congestionComesThroughTheTunnel(version: IPVersion)
        throws
    {
        let (near, far) = try TestTunnel().gateways()
        for (row, inner) in Self.order.enumerated() {
            for (column, outer) in Self.order.enumerated() {
                let frames = far.receive(
                    near.send([frame(version, 0xb8 | inner)]),
                    trafficClass: 0x20 | outer
                )
                guard let field = Self.figure4[row][column] else {
                    #expect(frames == [])
                    continue
                }
                let packet = try #require(frames.first.flatMap { ReadPacket(Array($0[10...])) })
                #expect(packet.trafficClass == 0xb8 | field)
                #expect(packet.hasValidHeader && packet.hasValidChecksum)
            }
        }
        #expect(far.inboundDrops(.congestionMark) == 1)
    }

    @Test(arguments: [IPVersion.v4, .v6]) func theOuterFieldIsACopy(version: IPVersion) throws {
        let (near, _) = try TestTunnel().gateways()
        for value in 0..<256 {
            #expect(near.send([frame(version, UInt8(value))])[0].trafficClass == UInt8(value))
        }
    }

    @Test func aFixedDSCPHidesTheInnerOne() throws {
        let (near, far) = try TestTunnel().gateways(outbound: { $0.dscp = .fixed(10) })
        for value: UInt8 in [0, 0x02, 0xb9, 0xff] {
            let runs = near.send([frame(.v4, value)])
            #expect(runs[0].trafficClass == 10 << 2 | value & 3)
            // The inner one stays what it was.
            #expect(far.receive(runs) == [frame(.v4, value)])
        }
    }

    @Test func hopLimitsAreTheForwardersAffair() throws {
        let (near, far) = try TestTunnel().gateways()
        let frames = [1, 2, 255].map { ttl in
            TestPackets.plain(
                TestPackets.ip(
                    from: TestHosts.nearV4.address,
                    to: TestHosts.farV4.address,
                    ipProtocol: 47,
                    payload: pattern(8),
                    ttl: ttl
                )
            )
        }
        #expect(far.receive(near.send(frames)) == frames)
    }
}
