internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct PacketSizeTests {
    private func packet(_ version: IPVersion, octets: Int, dontFragment: Bool = true) -> [UInt8] {
        let (source, destination) = TestHosts.pair(version)
        let payload = pattern(octets - (version == .v4 ? 28 : 48))
        return TestPackets.udp(
            from: source,
            to: destination,
            payload: payload,
            dontFragment: dontFragment
        )
    }

    private var errorSources: PacketPathConfiguration {
        var configuration = PacketPathConfiguration()
        configuration.errorSourceV6 = IPv6Address("fd00:1::1")
        configuration.errorsPerSecond = 5
        return configuration
    }

    @Test func theTunnelMTUIsExact() {
        // 1500 - 20 - 8 - 8 - 8 - 16 = 1440 octets of body.
        let tunnel = TestTunnel()
        #expect(
            TunnelMTU.innerOctets(linkMTU: 1500, path: tunnel.path, suite: TestSuites.gcm) == 1438
        )
        let raw = TestTunnel(encapsulation: .esp, outer: .v6)
        // 1500 - 40 - 8 - 8 - 16 = 1428.
        #expect(TunnelMTU.innerOctets(linkMTU: 1500, path: raw.path, suite: TestSuites.gcm) == 1426)
        // 1500 - 20 - 8 - 8 - 16 - 16 = 1432, cut to 1424.
        #expect(
            TunnelMTU.innerOctets(linkMTU: 1500, path: tunnel.path, suite: TestSuites.cbc) == 1422
        )
    }

    @Test(arguments: TestSuites.all)
    func oneOctetMoreThanTheMTUDoesNotGo(suite: CipherSuite) throws {
        for outer in [IPVersion.v4, .v6] {
            for encapsulation in [Encapsulation.udp, .esp] {
                for link in [1400, 1492, 1500, 9000] {
                    let tunnel = TestTunnel(
                        suite: suite,
                        encapsulation: encapsulation,
                        outer: outer
                    )
                    let (near, far) = try tunnel.gateways(outbound: { $0.linkMTU = link })
                    let mtu = near.outbound.snapshot().associations[0].tunnelMTU
                    let runs = near.send([TestPackets.plain(packet(.v4, octets: mtu))])
                    let size =
                        try #require(runs.first).datagrams[0].count + tunnel.path.headerLength
                    #expect(size <= link && size > link - suite.blockLength)
                    #expect(far.receive(runs).count == 1)
                    #expect(near.send([TestPackets.plain(packet(.v4, octets: mtu + 1))]) == [])
                    #expect(near.outboundDrops(.tooBig) == 1)
                }
            }
        }
    }

    @Test func ipv4IsToldToFragment() throws {
        let (near, _) = try TestTunnel().gateways(errorSources)
        let big = packet(.v4, octets: 1500)
        #expect(near.send([TestPackets.plain(big)]) == [])
        let error = try #require(near.errors.first.flatMap { ReadPacket(Array($0[10...])) })
        #expect(near.errors[0][..<10] == Array(repeating: 0, count: 10)[...])
        #expect(
            error.source == TestHosts.farV4.address && error.destination == TestHosts.nearV4.address
        )
        #expect(error.ipProtocol == 1 && error.hasValidHeader && error.hasValidChecksum)
        #expect(Array(error.payload[..<2]) == [3, 4])
        #expect(Int(error.payload[6]) << 8 | Int(error.payload[7]) == 1438)
        #expect(error.totalLength == 576 && Array(error.payload[8...]) == Array(big[..<548]))
    }

    @Test func ipv6IsToldThatItIsTooBig() throws {
        let (near, _) = try TestTunnel().gateways(errorSources)
        let big = packet(.v6, octets: 1439)
        #expect(near.send([TestPackets.plain(big)]) == [])
        let error = try #require(near.errors.first.flatMap { ReadPacket(Array($0[10...])) })
        #expect(
            error.source == IPAddress("fd00:1::1") && error.destination == TestHosts.nearV6.address
        )
        #expect(error.ipProtocol == 58 && error.hasValidChecksum)
        #expect(Array(error.payload[..<2]) == [2, 0])
        #expect(error.payload[4..<8].reduce(0) { $0 << 8 | Int($1) } == 1438)
        #expect(error.totalLength == 1280 && Array(error.payload[8...]) == Array(big[..<1232]))
    }

    @Test func superpacketsWithSegmentsTooBigAreAnsweredOnce() throws {
        for version in [IPVersion.v4, .v6] {
            let (source, destination) = TestHosts.pair(version)
            let (near, _) = try TestTunnel().gateways(errorSources)
            let frame = TestPackets.tso(
                from: source,
                to: destination,
                payload: pattern(30_000),
                segmentPayload: 1440
            )
            #expect(near.send([frame]) == [])
            #expect(near.errors.count == 1)
        }
    }

    @Test func errorsAreLimitedAndNeverAboutErrors() throws {
        let (near, _) = try TestTunnel().gateways(errorSources)
        near.send(Array(repeating: TestPackets.plain(packet(.v4, octets: 1500)), count: 9))
        #expect(near.errors.count == 5)
        near.now = near.now + .seconds(1)
        func icmp(_ type: UInt8, _ source: String, _ destination: String) -> [UInt8] {
            let source = IPAddress(source)!
            return TestPackets.plain(
                TestPackets.ip(
                    from: source,
                    to: IPAddress(destination)!,
                    ipProtocol: source.version == .v4 ? 1 : 58,
                    payload: [type] + pattern(1459)
                )
            )
        }
        near.send([
            icmp(3, "10.0.0.1", "10.0.0.2"), icmp(11, "10.0.0.1", "10.0.0.2"),
            icmp(8, "0.0.0.0", "10.0.0.2"),
            icmp(8, "224.0.0.1", "10.0.0.2"), icmp(8, "10.0.0.1", "224.0.0.5"),
            icmp(1, "fd00::1", "fd00::2"),
            icmp(128, "ff02::1", "fd00::2"), icmp(128, "::", "fd00::2"),
        ])
        #expect(near.errors == [])
        near.send([icmp(8, "10.0.0.1", "10.0.0.2"), icmp(128, "fd00::1", "fd00::2")])
        #expect(near.errors.count == 2)
        near.apply(.setErrorSource(nil))
        near.send([icmp(128, "fd00::1", "fd00::2")])
        #expect(near.errors == [])
    }

    /// Puts fragments together by offset, and says whether they are whole.
    private func reassembled(_ frames: [[UInt8]]) throws -> [UInt8] {
        var payload: [UInt8] = []
        for (index, frame) in frames.enumerated() {
            let fragment = try #require(ReadPacket(Array(frame[10...])))
            #expect(fragment.hasValidHeader)
            #expect((fragment.fragmentField & 0x1fff) * 8 == payload.count)
            #expect((fragment.fragmentField & 0x2000 != 0) == (index < frames.count - 1))
            payload += fragment.payload
        }
        return payload
    }

    @Test func ipv4ThatMayBeFragmentedIs() throws {
        for isPartial in [false, true] {
            let (near, far) = try TestTunnel().gateways()
            let payload = pattern(5001)
            let options: [UInt8] = [0x07, 3, 4, 0x94, 4, 0, 0, 0]
            let whole = TestPackets.udp(
                from: TestHosts.nearV4,
                to: TestHosts.farV4,
                payload: payload,
                dontFragment: false,
                isPartial: isPartial,
                options: options
            )
            let frame =
                isPartial
                ? TestPackets.offload(
                    whole,
                    type: 0,
                    segmentPayload: 0,
                    headers: 36,
                    checksumStart: 28,
                    checksumOffset: 6
                )
                : TestPackets.plain(whole)
            let runs = near.send([frame])
            #expect(runs.allSatisfy { !$0.dontFragment && $0.segmentSize <= 1472 })
            let frames = far.receive(runs)
            #expect(frames.count == 4)
            let datagram = try reassembled(frames)
            let source = TestHosts.nearV4.address
            let pseudo = TestPackets.pseudoHeader(
                source,
                TestHosts.farV4.address,
                17,
                datagram.count
            )
            #expect(TestPackets.checksum(pseudo + datagram) == 0)
            #expect(Array(datagram[8...]) == payload)
            // RFC 791 §3.1: record route stays with the first, router alert goes with all.
            #expect(frames.map { $0[10] } == [0x47, 0x46, 0x46, 0x46])
            #expect(Array(frames[1][30..<34]) == [0x94, 4, 0, 0])
        }
    }

    /// RFC 4301 §8.2.1, case 2: "before or after encryption per its configuration".
    @Test func whatIsFragmentedBehindESPGoesWhole() throws {
        let (near, far) = try TestTunnel().gateways(
            errorSources,
            outbound: {
                $0.fragmentsAfter = true
            }
        )
        let loose = TestPackets.plain(packet(.v4, octets: 5000, dontFragment: false))
        let runs = near.send([loose])
        #expect(runs.map(\.dontFragment) == [false] && runs.flatMap(\.datagrams).count == 1)
        #expect(far.receive(runs) == [loose])
        // What must not be cut is answered all the same.
        let tight = [packet(.v4, octets: 5000), packet(.v6, octets: 5000)].map(TestPackets.plain)
        #expect(near.send(tight) == [] && near.errors.count == 2)
        // RFC 791 §3.1: what no IP packet has room for is cut before.
        let largest = TestPackets.plain(packet(.v4, octets: 65_535, dontFragment: false))
        #expect(far.receive(near.send([largest])).count > 40)
        // As everything is where the outer header says that nobody may cut it.
        let (strict, _) = try TestTunnel().gateways(outbound: {
            $0.fragmentsAfter = true
            $0.dontFragment = .set
        })
        #expect(strict.send([loose]).flatMap(\.datagrams).count == 4)
    }

    @Test func fragmentsAreFragmentedFurther() throws {
        let (near, far) = try TestTunnel().gateways()
        var fragment = TestPackets.ip(
            from: TestHosts.nearV4.address,
            to: TestHosts.farV4.address,
            ipProtocol: 17,
            payload: pattern(2000),
            dontFragment: false
        )
        fragment.replaceSubrange(6..<8, with: [0x20, 100])
        let frames = far.receive(near.send([TestPackets.plain(fragment)]))
        let fields = frames.map { Int($0[16]) << 8 | Int($0[17]) }
        #expect(fields == [0x2000 | 100, 0x2000 | (100 + 1416 / 8)])
        #expect(frames.flatMap { $0[30...] } == pattern(2000))
    }

    @Test func superpacketsThatMayBeFragmentedAreCutThenFragmented() throws {
        var configuration = PacketPathConfiguration()
        configuration.coalescesTCP = false
        let (near, far) = try TestTunnel().gateways(configuration)
        let frame = TestPackets.tso(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: pattern(4500),
            segmentPayload: 1460,
            dontFragment: false
        )
        let frames = far.receive(near.send([frame]))
        // Three segments in two fragments each, and a last that fits.
        #expect(frames.count == 7)
        for index in 0..<3 {
            let segment = try reassembled(Array(frames[2 * index...2 * index + 1]))
            let pseudo = TestPackets.pseudoHeader(
                TestHosts.nearV4.address,
                TestHosts.farV4.address,
                6,
                segment.count
            )
            #expect(TestPackets.checksum(pseudo + segment) == 0)
        }
    }

    @Test func ipv6Of1280AlwaysPasses() throws {
        let (near, far) = try TestTunnel().gateways(errorSources, outbound: { $0.linkMTU = 1280 })
        let small = TestPackets.plain(packet(.v6, octets: 1280))
        let runs = near.send([small])
        #expect(runs.count == 1 && !runs[0].dontFragment)
        #expect(far.receive(runs) == [small])
        #expect(near.send([TestPackets.plain(packet(.v6, octets: 1281))]) == [])
        let error = try #require(near.errors.first)
        #expect(error[54..<58].reduce(0) { $0 << 8 | Int($1) } == 1280)
    }

    @Test func dontFragmentFollowsThePolicy() throws {
        let frames = [
            packet(.v4, octets: 100), packet(.v4, octets: 100, dontFragment: false),
            packet(.v6, octets: 100),
        ]
        .map(TestPackets.plain)
        let wanted: [(DontFragmentPolicy, [Bool])] = [
            (.copy, [true, false, true]), (.set, [true, true, true]),
            (.clear, [false, false, false]),
        ]
        for (policy, bits) in wanted {
            let (near, _) = try TestTunnel().gateways(outbound: { $0.dontFragment = policy })
            #expect(frames.map { near.send([$0])[0].dontFragment } == bits)
        }
    }

    @Test func aMoveToAnotherPathChangesTheMTU() throws {
        let (near, _) = try TestTunnel().gateways()
        near.apply(.updatePath(SAIdentifier(rawValue: 1), TestTunnel(outer: .v6).path))
        #expect(near.outbound.snapshot().associations[0].tunnelMTU == 1418)
        let runs = near.send([TestPackets.plain(packet(.v4, octets: 1418))])
        #expect(runs[0].path == TestTunnel(outer: .v6).path)
        #expect(near.send([TestPackets.plain(packet(.v4, octets: 1419))]) == [])
    }

    @Test(arguments: [IPVersion.v4, .v6], [0, 1, 2, 3])
    func theSegmentSizeOfASYNIsClamped(version: IPVersion, padding: Int) throws {
        let (source, destination) = TestHosts.pair(version)
        let network = version == .v4 ? 20 : 40
        let limit = version == .v4 ? 1398 : 1378
        // No-operations before the option put it at even and odd offsets.
        let lead = Array(repeating: UInt8(1), count: padding)
        let tail = Array(repeating: UInt8(0), count: (4 - padding) % 4)
        for (offered, wanted) in [(1460, limit), (65_535, limit), (1200, 1200), (limit, limit)] {
            let options = lead + [2, 4] + TestPackets.bytes16(offered) + tail
            for flags: UInt8 in [0x02, 0x12] {
                let (near, far) = try TestTunnel().gateways()
                let syn = TestPackets.tcp(
                    from: source,
                    to: destination,
                    flags: flags,
                    options: options,
                    payload: []
                )
                let partial = TestPackets.tcp(
                    from: source,
                    to: destination,
                    flags: flags,
                    options: options,
                    payload: [],
                    isPartial: true
                )
                let frames = [
                    TestPackets.plain(syn),
                    TestPackets.offload(
                        partial,
                        type: 0,
                        segmentPayload: 0,
                        headers: network + 28,
                        checksumStart: network,
                        checksumOffset: 16
                    ),
                ]
                for frame in far.receive(near.send(frames)) {
                    let packet = try #require(ReadPacket(Array(frame[10...])))
                    #expect(packet.hasValidChecksum)
                    let option = Array(packet.payload[(20 + padding + 2)...])
                    #expect(Int(option[0]) << 8 | Int(option[1]) == wanted)
                }
            }
        }
    }

    @Test func theSegmentSizeIsClampedInboundToo() throws {
        let (near, far) = try TestTunnel().gateways(
            outbound: { $0.linkMTU = 9000 },
            inbound: { $0.linkMTU = 1400 }
        )
        let syn = TestPackets.tcp(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            flags: 2,
            options: [2, 4, 5, 0xb4],
            payload: []
        )
        let frame = try #require(far.receive(near.send([TestPackets.plain(syn)])).first)
        let packet = try #require(ReadPacket(Array(frame[10...])))
        #expect(packet.hasValidChecksum)
        #expect(Array(packet.payload[22..<24]) == TestPackets.bytes16(1298))
        // Without SYN, and with options that do not parse, nothing changes.
        let plain = [
            TestPackets.tcp(
                from: TestHosts.nearV4,
                to: TestHosts.farV4,
                options: [2, 4, 5, 0xb4],
                payload: []
            ),
            TestPackets.tcp(
                from: TestHosts.nearV4,
                to: TestHosts.farV4,
                flags: 2,
                options: [2, 9, 5, 0xb4],
                payload: []
            ),
            TestPackets.tcp(
                from: TestHosts.nearV4,
                to: TestHosts.farV4,
                flags: 2,
                options: [8, 0, 5, 0xb4],
                payload: []
            ),
            TestPackets.tcp(
                from: TestHosts.nearV4,
                to: TestHosts.farV4,
                flags: 2,
                options: [1, 1, 1, 2],
                payload: []
            ),
        ].map(TestPackets.plain)
        #expect(far.receive(near.send(plain)) == plain)
    }
}
