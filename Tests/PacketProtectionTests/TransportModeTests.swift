internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct TransportModeTests {
    struct Carriage: Sendable, CustomTestStringConvertible {
        var version: IPVersion
        var encapsulation: Encapsulation
        var testDescription: String { "IP\(version) over \(encapsulation)" }

        static let all: [Carriage] = [IPVersion.v4, .v6].flatMap { version in
            [Encapsulation.udp, .esp].map { Carriage(version: version, encapsulation: $0) }
        }

        func tunnel(_ suite: CipherSuite = TestSuites.gcm) -> TestTunnel {
            TestTunnel(
                suite: suite,
                encapsulation: encapsulation,
                outer: version,
                carriage: .espTransport
            )
        }
    }

    @Test(arguments: Carriage.all, TestSuites.all)
    func everyPacketComesOutAsItWentIn(carriage: Carriage, suite: CipherSuite) throws {
        let tunnel = carriage.tunnel(suite)
        let (near, far) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        let packets = [0, 1, 2, 3, 7, 31, 64, 511, 1300].map { count in
            var packet = TestPackets.udp(
                from: source,
                to: destination,
                payload: pattern(count),
                trafficClass: 0xb9
            )
            // What the header is rebuilt to: no identification where none is needed.
            if carriage.version == .v4 { packet = TestPackets.identified(packet, 0) }
            return packet
        }
        let runs = near.send(packets.map(TestPackets.plain))
        let header = carriage.version == .v4 ? 20 : 40
        for (datagram, packet) in zip(runs.flatMap(\.datagrams), packets) {
            let body = (packet.count - header + 1 + suite.blockLength) / suite.blockLength
            #expect(
                datagram.count
                    == 8 + suite.ivLength + body * suite.blockLength + suite.icvLength
            )
        }
        #expect(Set(runs.map(\.trafficClass)) == [0xb9])
        #expect(Set(runs.map(\.hopLimit)) == [64])
        #expect(far.receive(runs) == packets.map(TestPackets.plain))
    }

    @Test(arguments: Carriage.all)
    func aSuperpacketIsCutToWhatFits(carriage: Carriage) throws {
        let tunnel = carriage.tunnel()
        let (near, far) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        let header = carriage.version == .v4 ? 20 : 40
        let size = carriage.version == .v4 ? 1400 : 1380
        let payload = pattern(size * 20 + 5)
        let runs = near.send([
            TestPackets.tso(
                from: source,
                to: destination,
                payload: payload,
                segmentPayload: size
            )
        ])
        #expect(runs.flatMap(\.datagrams).count == 21)
        #expect(runs.flatMap(\.datagrams).allSatisfy { $0.count + header + 8 <= 1500 })
        let frames = far.receive(runs)
        #expect(frames.count == 1)
        let received = try #require(frames.first)
        #expect(Array(received.suffix(payload.count)) == payload)
        // The kernel cuts it again into segments of the same size.
        #expect(received[1] == (carriage.version == .v4 ? 1 : 4))
    }

    @Test(arguments: Carriage.all)
    func theChecksumThatTheKernelLeftIsFinished(carriage: Carriage) throws {
        let tunnel = carriage.tunnel()
        let (near, far) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        let header = carriage.version == .v4 ? 20 : 40
        let partial = TestPackets.offload(
            TestPackets.udp(
                from: source,
                to: destination,
                payload: pattern(77),
                isPartial: true
            ),
            type: 0,
            segmentPayload: 0,
            headers: 0,
            checksumStart: header,
            checksumOffset: 6
        )
        var whole = TestPackets.udp(from: source, to: destination, payload: pattern(77))
        if carriage.version == .v4 { whole = TestPackets.identified(whole, 0) }
        #expect(far.receive(near.send([partial])) == [TestPackets.plain(whole)])
    }

    @Test func whatDoesNotFitIsAnsweredByThePeersAddress() throws {
        let tunnel = Carriage(version: .v4, encapsulation: .esp).tunnel()
        let (near, _) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        let packet = TestPackets.udp(from: source, to: destination, payload: pattern(1472))
        #expect(near.send([TestPackets.plain(packet)]) == [])
        #expect(near.outboundDrops(.tooBig) == 1)
        let answer = try #require(near.errors.first).dropFirst(10)
        // Fragmentation needed, from the peer to this host.
        #expect(Array(answer.dropFirst(20).prefix(2)) == [3, 4])
        #expect(
            Array(answer.dropFirst(12).prefix(8)) == destination.address.bytes
                + source.address.bytes
        )
        let mtu = Int(answer[answer.startIndex + 26]) << 8 | Int(answer[answer.startIndex + 27])
        // 1500 less SPI, sequence number, IV and ICV, whole words, the trailer.
        #expect(mtu == 20 + (1500 - 20 - 8 - 8 - 16) / 4 * 4 - 2)
        let fitting = TestPackets.udp(from: source, to: destination, payload: pattern(mtu - 28))
        let runs = near.send([TestPackets.plain(fitting)])
        #expect(runs.flatMap(\.datagrams).map { $0.count + 20 } == [1500])
    }

    @Test func whatMayBeFragmentedIsSentWholeForTheSystemToCut() throws {
        let tunnel = Carriage(version: .v4, encapsulation: .esp).tunnel()
        let (near, far) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        let packet = TestPackets.udp(
            from: source,
            to: destination,
            payload: pattern(1472),
            dontFragment: false
        )
        let runs = near.send([TestPackets.plain(packet)])
        #expect(runs.map(\.dontFragment) == [false])
        #expect(far.receive(runs).map { $0.suffix(1472) } == [packet.suffix(1472)])
    }

    /// Identifications come again: what was begun in transport mode and never ended takes no
    /// fragment of a packet that goes by a tunnel now.
    @Test func whatWasBegunLongAgoTakesNoFragments() throws {
        let transport = TestTunnel(encapsulation: .esp, carriage: .espTransport)
        let (near, _) = try transport.gateways()
        let (source, destination) = transport.ends
        let fragments = TestPackets.fragments(
            of: TestPackets.udp(
                from: source,
                to: destination,
                payload: pattern(4000),
                dontFragment: false
            ),
            octets: 1200
        ).map(TestPackets.plain)
        #expect(near.send([fragments[0]]) == [])
        var tunnel = TestTunnel(encapsulation: .esp)
        tunnel.identifier = 2
        let far = TestGateway()
        far.apply(.installInbound(try tunnel.inbound()))
        near.apply(.removeSA(SAIdentifier(rawValue: 1)))
        near.apply(.installOutbound(try tunnel.outbound()))
        near.now = near.now + .seconds(3)
        #expect(far.receive(near.send(fragments)) == fragments)
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func fragmentsOfThisHostAreProtectedAsOne(version: IPVersion) throws {
        let tunnel = Carriage(version: version, encapsulation: .esp).tunnel()
        let (near, far) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        let whole = TestPackets.udp(
            from: source,
            to: destination,
            payload: pattern(5000),
            dontFragment: false
        )
        let fragments = TestPackets.fragments(of: whole, octets: 1400)
        #expect(fragments.count == 4)
        let runs = near.send(fragments.map(TestPackets.plain))
        #expect(runs.flatMap(\.datagrams).count == 1)
        #expect(runs.map(\.dontFragment) == [false])
        let received = far.receive(runs)
        #expect(received.map { $0.suffix(5008) } == [whole.suffix(5008)])
        // One that follows nothing, and one out of its order, with the one before it.
        #expect(near.send([TestPackets.plain(fragments[2])]) == [])
        #expect(near.outboundDrops(.unsupportedHeader) == 1)
        #expect(near.send([0, 2].map { TestPackets.plain(fragments[$0]) }) == [])
        #expect(near.outboundDrops(.unsupportedHeader) == 3)
        #expect(near.send(fragments.map(TestPackets.plain)).flatMap(\.datagrams).count == 1)
    }

    /// What ESP adds may make of a whole packet more than an IP datagram can be.
    @Test(arguments: [[], [1, 1, 1, 1]] as [[UInt8]], [65_400, 65_464, 65_468, 65_472, 65_500])
    func aWholePacketThatIsTooLongIsDropped(options: [UInt8], octets: Int) throws {
        let tunnel = Carriage(version: .v4, encapsulation: .esp).tunnel()
        let (near, far) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        let whole = TestPackets.udp(
            from: source,
            to: destination,
            payload: pattern(octets),
            dontFragment: false,
            options: options
        )
        let fragments = TestPackets.fragments(of: whole, octets: 32_000)
        let runs = near.send(fragments.map(TestPackets.plain))
        // SPI, number, IV and ICV, and whole words with the trailer.
        let longest = 65_535 - 20 - options.count
        let fits = 8 + 8 + 16 + (8 + octets + 2 + 3) / 4 * 4 <= longest
        #expect(runs.flatMap(\.datagrams).count == (fits ? 1 : 0))
        #expect(near.outboundDrops(.tooBig) == (fits ? 0 : 1))
        #expect(far.receive(runs).map { $0.suffix(octets) } == (fits ? [whole.suffix(octets)] : []))
    }

    /// RFC 4303 §3.1.1: ESP stands behind options, and behind hop-by-hop and routing headers.
    @Test func optionsAndExtensionHeadersStayInFront() throws {
        let v4 = Carriage(version: .v4, encapsulation: .esp).tunnel()
        let (near, far) = try v4.gateways()
        let (source, destination) = v4.ends
        let alert: [UInt8] = [148, 4, 0, 0]
        let packet = TestPackets.udp(
            from: source,
            to: destination,
            payload: pattern(40),
            options: alert
        )
        let runs = near.send([TestPackets.plain(packet)])
        #expect(runs.map(\.hasHeader) == [true])
        let sent = try #require(runs.first?.datagrams.first)
        #expect(sent[9] == 50 && Array(sent[20..<24]) == alert)
        #expect((Int(sent[2]) << 8 | Int(sent[3])) == sent.count)
        #expect(TestPackets.checksum(Array(sent[..<24])) == 0)
        #expect(far.receive(runs).map { $0.suffix(48) } == [packet.suffix(48)])

        let v6 = Carriage(version: .v6, encapsulation: .esp).tunnel()
        let (left, right) = try v6.gateways()
        var long = TestPackets.udp(from: v6.ends.0, to: v6.ends.1, payload: pattern(30))
        // Hop-by-hop options, then destination options for the end, which ESP hides.
        long.insert(contentsOf: [60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0], at: 40)
        long[6] = 0
        long.replaceSubrange(4..<6, with: TestPackets.bytes16(long.count - 40))
        let made = left.send([TestPackets.plain(long)])
        let datagram = try #require(made.first?.datagrams.first)
        #expect(datagram[6] == 0 && datagram[40] == 50)
        #expect(40 + (Int(datagram[4]) << 8 | Int(datagram[5])) == datagram.count)
        let frames = right.receive(made)
        // Without the hop-by-hop header, which the system has looked at.
        #expect(frames.map { $0[16] } == [60])
        #expect(frames.map { $0.suffix(46) } == [long.suffix(46)])

        // No UDP socket makes such a header.
        let udp = Carriage(version: .v4, encapsulation: .udp).tunnel()
        let (sender, _) = try udp.gateways()
        #expect(sender.send([TestPackets.plain(packet)]) == [])
        #expect(sender.outboundDrops(.unsupportedHeader) == 1)
    }

    /// Nothing that was kept goes without being counted: of the oldest packet, which makes room, and of
    /// one that begins anew.
    @Test func fragmentsThatWereKeptInVainAreCounted() throws {
        let tunnel = Carriage(version: .v4, encapsulation: .esp).tunnel()
        let (near, _) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        let fragments = TestPackets.fragments(
            of: TestPackets.udp(
                from: source,
                to: destination,
                payload: pattern(4000),
                dontFragment: false
            ),
            octets: 1200
        )
        func send(_ indices: [Int], of packet: Int) -> Int {
            near.send(
                indices.map { TestPackets.plain(TestPackets.identified(fragments[$0], packet)) }
            ).flatMap(\.datagrams).count
        }
        #expect(send([0, 1], of: 1) == 0)
        for packet in 2...4 {
            near.now = near.now + .milliseconds(1)
            #expect(send([0], of: packet) == 0)
        }
        #expect(near.outboundDrops(.unsupportedHeader) == 0)
        #expect(send([0], of: 5) == 0)
        #expect(near.outboundDrops(.unsupportedHeader) == 2)
        #expect(send([0], of: 5) == 0)
        #expect(near.outboundDrops(.unsupportedHeader) == 3)
        // What comes out whole was not in vain.
        for packet in 2...5 { #expect(send([1, 2, 3], of: packet) == 1) }
        #expect(near.outboundDrops(.unsupportedHeader) == 3)
    }

    /// As a whole packet, so a superpacket whose segments are too long.
    @Test(arguments: [[], [1, 1, 1, 1]] as [[UInt8]], [65_400, 65_464, 65_468, 65_472, 65_500])
    func aSegmentThatIsTooLongIsDropped(options: [UInt8], octets: Int) throws {
        let tunnel = Carriage(version: .v4, encapsulation: .esp).tunnel()
        let (near, far) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        let whole = TestPackets.udp(
            from: source,
            to: destination,
            payload: pattern(octets),
            dontFragment: false,
            isPartial: true,
            options: options
        )
        let frame = TestPackets.offload(
            whole,
            type: 5,
            segmentPayload: octets,
            headers: 28 + options.count,
            checksumStart: 20 + options.count,
            checksumOffset: 6
        )
        let runs = near.send([frame])
        let longest = 65_535 - 20 - options.count
        let fits = 8 + 8 + 16 + (8 + octets + 2 + 3) / 4 * 4 <= longest
        #expect(runs.flatMap(\.datagrams).count == (fits ? 1 : 0))
        #expect(near.outboundDrops(.tooBig) == (fits ? 0 : 1))
        #expect(far.receive(runs).map { $0.suffix(octets) } == (fits ? [whole.suffix(octets)] : []))
    }

    /// RFC 3948 §3.1.2: the peer computed its checksums with the addresses on its side of the NAT.
    @Test(arguments: [UInt8(6), 17])
    func aNATsAddressesAreMendedInChecksums(ipProtocol: UInt8) throws {
        let tunnel = Carriage(version: .v4, encapsulation: .udp).tunnel()
        let inside = IPAddress("10.99.3.7")!
        let (source, destination) = tunnel.ends
        let behind = Endpoint(address: inside, port: source.port)
        let (near, far) = try tunnel.gateways(
            inbound: { parameters in
                parameters.originalEnds = OriginalEnds(local: destination.address, remote: inside)
            }
        )
        func packet(from source: Endpoint) -> [UInt8] {
            ipProtocol == 6
                ? TestPackets.tcp(from: source, to: destination, payload: pattern(100))
                : TestPackets.udp(from: source, to: destination, payload: pattern(100))
        }
        let sent = near.send([TestPackets.plain(packet(from: behind))])
        let expected = TestPackets.plain(TestPackets.identified(packet(from: source), 0))
        #expect(far.receive(sent) == [expected])
        // The NAT has moved: the packets are still between the ends that were negotiated.
        let again = near.send([TestPackets.plain(packet(from: behind))])
        let elsewhere = Endpoint(address: IPAddress("203.0.113.9")!, port: 1024)
        #expect(far.receive(again, from: elsewhere) == [expected])
    }

    @Test func aRawPacketFromElsewhereMatchesNoSelector() throws {
        var tunnel = Carriage(version: .v4, encapsulation: .esp).tunnel()
        let (source, destination) = tunnel.ends
        tunnel.selectors = SelectorPair.pairs(
            local: [TrafficSelector(address: source.address)],
            remote: [TrafficSelector(address: destination.address)]
        )
        let (near, far) = try tunnel.gateways()
        var runs = near.send([
            TestPackets.plain(TestPackets.udp(from: source, to: destination, payload: [1]))
        ])
        let local = Endpoint(address: IPAddress("203.0.113.9")!, port: 0)
        runs[0].path.local = local
        #expect(far.receive(runs) == [])
        #expect(far.inboundDrops(.selectorMismatch) == 1)
    }

    @Test func everyTruncationAndEveryFlippedOctetIsRefused() throws {
        let tunnel = Carriage(version: .v6, encapsulation: .esp).tunnel()
        let (near, far) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        let packet = TestPackets.udp(from: source, to: destination, payload: pattern(40))
        let runs = near.send([TestPackets.plain(packet)])
        let datagram = runs[0].datagrams[0]
        func receive(_ bytes: [UInt8]) -> [[UInt8]] {
            var run = runs[0]
            run.datagrams = [bytes]
            return far.receive([run])
        }
        for count in 1..<datagram.count { #expect(receive(Array(datagram[..<count])) == []) }
        for index in datagram.indices {
            var changed = datagram
            changed[index] ^= 0x80
            #expect(receive(changed) == [])
        }
        #expect(far.receive(runs) == [TestPackets.plain(packet)])
    }
}
