internal import CPacketCompression
internal import IPsecCrypto
internal import IPsecPrimitives
internal import Testing

@testable internal import PacketProtection

/// IPComp (RFC 3173) with DEFLATE.
@Suite struct CompressionTests {
    private static let index: UInt16 = 0x1234

    private func text(_ count: Int) -> [UInt8] {
        let words = Array("the same words again and again, ".utf8)
        return (0..<count).map { words[$0 % words.count] }
    }

    private func udp(_ payload: [UInt8], _ version: IPVersion = .v4) -> [UInt8] {
        let (near, far) = TestHosts.pair(version)
        return TestPackets.udp(from: near, to: far, payload: payload)
    }

    private func pair(
        _ tunnel: TestTunnel = TestTunnel(),
        outbound: (inout OutboundSAParameters) -> Void = { _ in }
    ) throws -> (TestGateway, TestGateway) {
        try tunnel.gateways(
            outbound: {
                $0.compressionIndex = CompressionTests.index
                outbound(&$0)
            },
            inbound: { $0.compressionIndex = CompressionTests.index }
        )
    }

    private func octets(_ runs: [SentRun]) -> [Int] { runs.flatMap(\.datagrams).map(\.count) }

    @Test(arguments: [IPVersion.v4, .v6], TestSuites.all)
    func tunnelsCarryLess(version: IPVersion, suite: CipherSuite) throws {
        let (near, far) = try pair(TestTunnel(suite: suite, outer: version))
        let packets = [1300, 1000, 600, 200].map { udp(text($0), version) }
        let runs = near.send(packets.map(TestPackets.plain))
        #expect(octets(runs).allSatisfy { $0 < 230 })
        #expect(far.receive(runs) == packets.map(TestPackets.plain))
        let sent = near.outbound.snapshot().associations[0]
        let received = far.inbound.snapshot().associations[0]
        #expect(sent.compresses && sent.compressed.packets == 4)
        #expect(sent.compressed == received.compressed && sent.compressed.savedOctets > 2000)
    }

    @Test(arguments: TransportModeTests.Carriage.all)
    func transportModeCarriesLess(carriage: TransportModeTests.Carriage) throws {
        let tunnel = carriage.tunnel()
        let (near, far) = try pair(tunnel)
        let (source, destination) = tunnel.ends
        var packet = TestPackets.udp(from: source, to: destination, payload: text(1200))
        if carriage.version == .v4 { packet = TestPackets.identified(packet, 0) }
        let runs = near.send([TestPackets.plain(packet)])
        #expect(octets(runs)[0] < 150)
        #expect(far.receive(runs) == [TestPackets.plain(packet)])
    }

    /// RFC 3173 §2.2: "MUST be sent in the original non-compressed form".
    @Test func whatGainsNothingGoesAsItIs() throws {
        let (near, far) = try pair()
        let (plain, other) = try TestTunnel().gateways()
        let packets = [pattern(1300), pattern(200), text(20), []].map { udp($0) }
        let runs = near.send(packets.map(TestPackets.plain))
        #expect(octets(runs) == octets(plain.send(packets.map(TestPackets.plain))))
        #expect(far.receive(runs) == packets.map(TestPackets.plain))
        #expect(near.outbound.snapshot().associations[0].compressed.packets == 0)
        // And an SA without compression is none the wiser.
        #expect(other.receive(near.send([TestPackets.plain(packets[0])])).isEmpty == false)
    }

    @Test func superpacketsAreCutBefore() throws {
        let (near, far) = try pair()
        let payload = text(1300 * 20 + 7)
        let frame = TestPackets.tso(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: payload,
            segmentPayload: 1300
        )
        let runs = near.send([frame])
        #expect(octets(runs).count == 21 && octets(runs).allSatisfy { $0 < 250 })
        let frames = far.receive(runs)
        #expect(frames.count == 1)
        #expect(frames.first.map { Array($0.suffix(payload.count)) } == payload)
        #expect(far.inbound.snapshot().associations[0].compressed.packets == 20)
    }

    /// The kernel fragments by itself; what is left to the packet path is fragmented before.
    @Test func packetsThatAreTooLongAreCutBefore() throws {
        let (near, far) = try pair()
        let packet = TestPackets.udp(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: text(3000),
            dontFragment: false
        )
        let runs = near.send([TestPackets.plain(packet)])
        #expect(octets(runs).count == 3)
        #expect(far.receive(runs).count == 3)
        #expect(far.inbound.snapshot().associations[0].compressed.packets == 3)
    }

    @Test func packetsStayInOrder() throws {
        let (near, far) = try pair()
        let packets = (0..<40).map { number in
            udp(number % 3 == 0 ? pattern(300, seed: UInt64(number)) : text(200 + number))
        }
        #expect(
            far.receive(near.send(packets.map(TestPackets.plain))) == packets.map(TestPackets.plain)
        )
    }

    /// A command that comes while a packet lies ready sends that first.
    @Test func anSAThatGoesLosesNothing() throws {
        let (near, far) = try pair()
        let packet = udp(text(500))
        unsafe near.outbound.readBuffer.copyBytes(from: TestPackets.plain(packet))
        near.outbound.processRead(byteCount: packet.count + 10, at: near.now)
        near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        #expect(far.receive(near.flush()) == [TestPackets.plain(packet)])
    }

    @Test func lifetimesCountWhatTheCipherWorksOn() throws {
        let (near, _) = try pair(outbound: { $0.lifetime = SALifetime(hardPackets: 2) })
        let frame = TestPackets.plain(udp(text(1000)))
        #expect(octets(near.send(Array(repeating: frame, count: 4))).count == 2)
        #expect(near.outboundDrops(.lifetimeExceeded) == 2)
        #expect(near.outbound.snapshot().associations[0].octets < 400)
    }

    @Test func triesBecomeRareWhereTheyGainNothing() {
        var trials = CompressionTrials()
        let short = trials.isWorthwhile(CompressionTrials.threshold - 1)
        #expect(!short)
        var tried = 0
        for _ in 0..<4096 where trials.isWorthwhile(1000) {
            tried += 1
            trials.failed()
        }
        #expect(tried > 8 && tried < 20)
        while !trials.isWorthwhile(1000) {}
        trials.succeeded()
        for _ in 0..<7 {
            let isTried = trials.isWorthwhile(1000)
            #expect(isTried)
            trials.failed()
        }
        let isTriedStill = trials.isWorthwhile(1000)
        #expect(isTriedStill)
    }

    // MARK: What comes from elsewhere

    /// What a sender by the keys can put into ESP behind the next header of IPComp.
    private func receive(
        _ body: [UInt8],
        into carriage: PacketCarriage = .espTunnel,
        index: UInt16? = CompressionTests.index
    ) throws -> (TestGateway, [[UInt8]]) {
        let tunnel = TestTunnel(encapsulation: .esp, carriage: .espTransport)
        let (near, far) = try tunnel.gateways(
            outbound: { $0.linkMTU = 65_535 },
            inbound: {
                $0.carriage = carriage
                $0.compressionIndex = index
            }
        )
        let (source, destination) = tunnel.ends
        let packet = TestPackets.ip(
            from: source.address,
            to: destination.address,
            ipProtocol: 108,
            payload: body
        )
        return (far, far.receive(near.send([TestPackets.plain(packet)])))
    }

    private func compressed(_ bytes: [UInt8]) -> [UInt8] {
        let streams = unsafe cygnet_packet_deflate_create()
        defer { unsafe cygnet_packet_deflate_free(streams) }
        var result = [UInt8](repeating: 0, count: bytes.count + 1000)
        let count = unsafe bytes.withUnsafeBytes { input in
            unsafe result.withUnsafeMutableBytes { output in
                unsafe cygnet_packet_compress(
                    streams,
                    input.baseAddress,
                    input.count,
                    output.baseAddress,
                    output.count
                )
            }
        }
        return Array(result.prefix(count))
    }

    private func header(_ next: UInt8, flags: UInt8 = 0, index: UInt16 = index) -> [UInt8] {
        [next, flags, UInt8(index >> 8), UInt8(index & 255)]
    }

    /// A stream of Python's zlib, `zlib.compressobj(9, zlib.DEFLATED, -15)`, of twelve times the words.
    private static let vector: [UInt8] = [
        0x2b, 0xc9, 0x48, 0x55, 0x28, 0x4e, 0xcc, 0x4d, 0x55, 0x28, 0xcf, 0x2f, 0x4a, 0x29, 0x56,
        0x48, 0x4c, 0x4f, 0xcc, 0xcc, 0x53, 0x48, 0xcc, 0x4b, 0x81, 0xb0, 0x74, 0x14, 0x4a, 0x46,
        0xe5, 0x69, 0x2a, 0x0f, 0x00,
    ]

    /// RFC 3173 §3.3: the flags "MUST be ignored by the receiving node".
    @Test(arguments: [UInt8(0), 0xFF])
    func streamsOfOthersAreRead(flags: UInt8) throws {
        let body = header(253, flags: flags) + CompressionTests.vector
        let (_, frames) = try receive(body, into: .espTransport)
        #expect(frames.count == 1)
        let packet = Array(frames[0].dropFirst(10))
        #expect(packet[9] == 253 && Array(packet.dropFirst(20)) == text(384))
    }

    @Test func theLongestPacketIsRead() throws {
        let packet = TestPackets.ip(
            from: TestHosts.nearV4.address,
            to: TestHosts.farV4.address,
            ipProtocol: 253,
            payload: text(65_515)
        )
        let (_, frames) = try receive(header(4) + compressed(packet))
        #expect(frames == [TestPackets.plain(packet)])
    }

    @Test func whatIsNoneIsDropped() throws {
        let packet = udp(text(500))
        let stream = compressed(packet)
        let bodies: [[UInt8]] = [
            header(4, index: CompressionTests.index + 1) + stream, header(4), [4, 0, 0x12],
            header(4) + stream.dropLast(), header(4) + stream + [0],
            header(4) + pattern(100), header(108) + compressed(header(4) + stream),
            // One octet more than an IP packet has; and a bomb.
            header(4) + compressed(text(65_536)),
            header(4) + compressed([UInt8](repeating: 0, count: 1 << 22)),
            header(4) + compressed([]),
        ]
        for (number, body) in bodies.enumerated() {
            let (far, frames) = try receive(body)
            #expect(frames.isEmpty && far.inboundDrops(.decompressionFailed) == 1, "\(number)")
        }
        // Whole streams of what is no packet.
        for body in [header(4) + compressed(pattern(50)), header(41) + stream] {
            let (far, frames) = try receive(body)
            #expect(frames.isEmpty && far.inboundDrops(.malformedInner) == 1)
        }
    }

    @Test func withoutAgreementNothingIsDecompressed() throws {
        let (far, frames) = try receive(header(4) + compressed(udp(text(500))), index: nil)
        #expect(frames.isEmpty && far.inboundDrops(.unexpectedNextHeader) == 1)
        // In transport mode it is a protocol like any other.
        let (other, passed) = try receive(
            header(17) + CompressionTests.vector,
            into: .espTransport,
            index: nil
        )
        #expect(passed.count == 1 && other.inboundDrops(.decompressionFailed) == 0)
    }

    /// RFC 4301 §5.2: what is inside is held against the selectors when it is what it was.
    @Test func selectorsHoldForWhatWasCompressed() throws {
        let (near, far) = try TestTunnel().gateways(
            outbound: { $0.compressionIndex = CompressionTests.index },
            inbound: {
                $0.compressionIndex = CompressionTests.index
                $0.selectors = SelectorPair.pairs(
                    local: [TrafficSelector(address: TestHosts.otherV4.address)],
                    remote: [.everything(.v4)]
                )
            }
        )
        #expect(far.receive(near.send([TestPackets.plain(udp(text(500)))])).isEmpty)
        #expect(far.inboundDrops(.selectorMismatch) == 1)
    }

    /// Packets of ordinary length find room though they came as next to nothing, and though each begins a
    /// superpacket that nothing joins.
    @Test func manyThatBecomeLongFindRoom() throws {
        let (near, far) = try pair()
        let payload = text(1300)
        let frames = (0..<1500).map { (number: Int) -> [UInt8] in
            let port = UInt16(40_000 + number % 2)
            let sequence = UInt32(1000 + number / 2 * 1300)
            let packet = TestPackets.tcp(
                from: Endpoint(address: TestHosts.nearV4.address, port: port),
                to: TestHosts.farV4,
                sequence: sequence,
                acknowledgement: UInt32(77 + number),
                payload: payload,
                identification: 0
            )
            return TestPackets.plain(packet)
        }
        let received = far.receiveAsTheyCome(near.send(frames))
        #expect(far.inboundDrops(.batchOverflow) == 0)
        #expect(received.count == frames.count)
        let isWhole = Set(received) == Set(frames)
        #expect(isWhole)
    }

    /// Many that become many times as long find their room used up, and are counted; those that come as
    /// they are do not suffer.
    @Test func expansionIsBounded() throws {
        let (near, far) = try pair(outbound: { $0.linkMTU = 65_535 })
        let large = TestPackets.plain(
            TestPackets.ip(
                from: TestHosts.nearV4.address,
                to: TestHosts.farV4.address,
                ipProtocol: 253,
                payload: text(60_000)
            )
        )
        let plain = TestPackets.plain(udp(pattern(1000)))
        let frames = Array(repeating: large, count: 60) + [plain]
        let received = far.receive(frames.flatMap { near.send([$0]) })
        #expect(received.last == plain)
        let lost = far.inboundDrops(.batchOverflow)
        #expect(lost > 0 && received.count == 61 - Int(lost))
    }
}
