internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct RoundTripTests {
    struct Combination: Sendable, CustomTestStringConvertible {
        var inner: IPVersion
        var outer: IPVersion
        var encapsulation: Encapsulation
        var testDescription: String { "\(inner) in \(outer) over \(encapsulation)" }

        static let all: [Combination] = [IPVersion.v4, .v6].flatMap { inner in
            [IPVersion.v4, .v6].flatMap { outer in
                [Encapsulation.udp, .esp].map {
                    Combination(inner: inner, outer: outer, encapsulation: $0)
                }
            }
        }
    }

    @Test(arguments: Combination.all, TestSuites.all)
    func everyPacketComesOutAsItWentIn(combination: Combination, suite: CipherSuite) throws {
        for backEnd in PacketCipherBackEnd.available {
            for isExtended in [false, true] {
                let tunnel = TestTunnel(
                    suite: suite,
                    encapsulation: combination.encapsulation,
                    outer: combination.outer,
                    isExtendedSequence: isExtended,
                    backEnd: backEnd
                )
                let (near, far) = try tunnel.gateways()
                let (source, destination) = TestHosts.pair(combination.inner)
                let packets = [0, 1, 2, 3, 7, 8, 31, 64, 511, 1300].map {
                    TestPackets.udp(from: source, to: destination, payload: pattern($0))
                }
                let runs = near.send(packets.map(TestPackets.plain))
                #expect(runs.flatMap(\.datagrams).count == packets.count)
                for datagram in runs.flatMap(\.datagrams) {
                    #expect(Array(datagram[0..<4]) == [0x10, 0, 0, 1])
                }
                #expect(far.receive(runs) == packets.map(TestPackets.plain))
                #expect(far.inbound.snapshot().associations[0].packets == UInt64(packets.count))
                #expect(
                    far.inbound.snapshot().associations[0].octets
                        == near.outbound.snapshot().associations[0].octets
                )
            }
        }
    }

    @Test func equalPacketsFormOneRun() throws {
        let (near, _) = try TestTunnel().gateways()
        let packet = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(100))
        )
        let short = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(20))
        )
        let runs = near.send([packet, packet, packet, short, packet, short])
        #expect(runs.map(\.datagrams.count) == [4, 2])
        #expect(runs[0].segmentSize == 8 + 8 + 132 + 16)
        let many = near.send(Array(repeating: packet, count: 150))
        #expect(many.map(\.datagrams.count) == [64, 64, 22])
    }

    @Test func runsBreakWhereTheOuterHeaderChanges() throws {
        let (near, far) = try TestTunnel().gateways()
        let frames = [(0, true), (0, true), (0x2e, true), (0x2e, false)].map { mark, dontFragment in
            TestPackets.plain(
                TestPackets.udp(
                    from: TestHosts.nearV4,
                    to: TestHosts.farV4,
                    payload: pattern(100),
                    trafficClass: UInt8(mark) << 2,
                    dontFragment: dontFragment
                )
            )
        }
        let runs = near.send(frames)
        #expect(runs.map(\.datagrams.count) == [2, 1, 1])
        #expect(runs.map(\.trafficClass) == [0, 0xb8, 0xb8])
        #expect(runs.map(\.dontFragment) == [true, true, false])
        #expect(far.receive(runs) == frames)
    }

    @Test func partialChecksumsAreFinished() throws {
        for version in [IPVersion.v4, .v6] {
            let (near, far) = try TestTunnel().gateways()
            let (source, destination) = TestHosts.pair(version)
            let network = version == .v4 ? 20 : 40
            for size in [0, 1, 2, 33, 1000] {
                let tcp = TestPackets.tcp(
                    from: source,
                    to: destination,
                    payload: pattern(size),
                    isPartial: true
                )
                let udp = TestPackets.udp(
                    from: source,
                    to: destination,
                    payload: pattern(size),
                    isPartial: true
                )
                let frames = [
                    TestPackets.offload(
                        tcp,
                        type: 0,
                        segmentPayload: 0,
                        headers: network + 20,
                        checksumStart: network,
                        checksumOffset: 16
                    ),
                    TestPackets.offload(
                        udp,
                        type: 0,
                        segmentPayload: 0,
                        headers: network + 8,
                        checksumStart: network,
                        checksumOffset: 6
                    ),
                ]
                for frame in far.receive(near.send(frames)) {
                    let packet = try #require(ReadPacket(Array(frame[10...])))
                    #expect(packet.hasValidChecksum && packet.hasValidHeader)
                }
            }
        }
    }
}
