internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct HostileInputTests {
    private func total(_ counts: [UInt64]) -> Int { Int(counts.reduce(0, +)) }

    @Test(arguments: TestSuites.all)
    func everyTruncationAndEveryFlippedOctetIsRefused(suite: CipherSuite) throws {
        let frame = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(40))
        )
        let (near, far) = try TestTunnel(suite: suite).gateways()
        let runs = near.send([frame])
        let datagram = runs[0].datagrams[0]
        var attempts = 0
        func receive(_ bytes: [UInt8]) -> [[UInt8]] {
            attempts += 1
            var run = runs[0]
            run.datagrams = [bytes]
            run.segmentSize = max(bytes.count, 1)
            return far.receive([run])
        }
        for count in 1..<datagram.count { #expect(receive(Array(datagram[..<count])) == []) }
        for index in datagram.indices {
            var changed = datagram
            changed[index] ^= 0x80
            #expect(receive(changed) == [])
        }
        #expect(
            receive(datagram + [0]) == []
                && receive(datagram + Array(repeating: 0, count: 16)) == []
        )
        #expect(total(far.inbound.snapshot().drops) == attempts)
        // All that has torn nothing down.
        #expect(far.receive(runs) == [frame])
    }

    /// UDP has datagrams without a single octet.
    @Test func anEmptyDatagramIsCounted() throws {
        let (near, far) = try TestTunnel().gateways()
        let frame = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: [])
        )
        var run = near.send([frame])[0]
        run.datagrams = [[]]
        #expect(far.receive([run]) == [])
        #expect(far.inboundDrops(.malformedESP) == 1)
    }

    /// Seals any body at all with the SA's own keys, as a malicious peer could.
    private func sealed(_ body: [UInt8], number: UInt32 = 1) throws -> SentRun {
        let tunnel = TestTunnel()
        var datagram = TestPackets.bytes32(tunnel.spi) + TestPackets.bytes32(number)
        datagram += Array(repeating: 0, count: 8) + body + Array(repeating: 0, count: 16)
        let cipher = try tunnel.cipher(.seal)
        let area = UnsafeMutableRawBufferPointer.allocate(
            byteCount: datagram.count,
            alignment: 16
        )
        defer { unsafe area.deallocate() }
        unsafe area.copyBytes(from: datagram)
        unsafe TestSeal.seal(area.baseAddress!, bodyLength: body.count, cipher)
        return SentRun(
            datagrams: [unsafe Array(area)],
            segmentSize: datagram.count,
            trafficClass: 0,
            dontFragment: true,
            path: tunnel.path
        )
    }

    @Test func theInsideOfAPacketIsChecked() throws {
        let udp = TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(2))
        var shortVersion = udp
        shortVersion[0] = 0x44
        var longLength = udp
        longLength[3] = 31
        let cases: [([UInt8], DropReason?)] = [
            (udp + [0, 4], nil),
            (udp + [1, 2, 3, 4, 4, 4], nil),
            // RFC 4303 §2.7: TFC padding behind the packet.
            (udp + Array(repeating: 0, count: 102) + [1, 2, 2, 4], nil),
            (udp + [1, 2, 4, 3, 4, 4], .badPadding),
            (udp + [0, 0, 2, 4, 4, 4], .badPadding),
            (udp + [255, 4], .badPadding),
            (udp + [0, 41], .malformedInner),
            (udp + [0, 6], .unexpectedNextHeader),
            (udp + [0, 59], .dummy),
            ([0, 59, 0, 59], .dummy),
            ([0, 9, 1, 59], .badPadding),
            ([1, 2, 2, 4], .malformedInner),
            (shortVersion + [0, 4], .malformedInner),
            (longLength + [0, 4], .malformedInner),
        ]
        for (body, reason) in cases {
            let (_, far) = try TestTunnel().gateways()
            let frames = far.receive([try sealed(body)])
            if let reason {
                #expect(frames == [])
                #expect(far.inboundDrops(reason) == 1, "\(reason)")
            } else {
                #expect(frames == [TestPackets.plain(udp)])
            }
        }
    }

    @Test func anySealedBodyIsSurvived() throws {
        let (_, far) = try TestTunnel().gateways()
        var random = SeededRandomSource(seed: 11)
        for number: UInt32 in 1...3000 {
            var body = random.bytes(4 * Int(1 + random.next32() % 60))
            if random.next32() % 4 > 0 {
                // Close to a packet: version, protocol and trailer make sense.
                body[body.count - 2] = 0
                let isV4 = random.next32() % 2 == 0
                body[body.count - 1] = isV4 ? 4 : 41
                body[0] = isV4 ? 0x45 : 0x60
                if body.count > 45 {
                    let length = isV4 ? body.count - 2 : body.count - 42
                    body.replaceSubrange(isV4 ? 2..<4 : 4..<6, with: TestPackets.bytes16(length))
                    body[isV4 ? 9 : 6] = [6, 17, 44, 0, 58, 60][Int(random.next32() % 6)]
                }
            }
            for frame in far.receive([try sealed(body, number: number)]) {
                #expect(frame.count - 10 <= body.count)
            }
        }
        let snapshot = far.inbound.snapshot()
        #expect(snapshot.associations[0].packets == 3000)
    }

    @Test func anyReadIsSurvived() throws {
        var configuration = PacketPathConfiguration()
        configuration.errorSourceV6 = IPv6Address("fd00:1::1")
        configuration.errorsPerSecond = 100_000
        let (near, far) = try TestTunnel().gateways(configuration)
        var random = SeededRandomSource(seed: 12)
        for _ in 0..<4000 {
            let version: IPVersion = random.next32() % 2 == 0 ? .v4 : .v6
            let (source, destination) = TestHosts.pair(version)
            let count = Int(random.next32() % 4000)
            var frame = TestPackets.tso(
                from: source,
                to: destination,
                flags: UInt8(truncatingIfNeeded: random.next32()),
                payload: Array(repeating: 7, count: count),
                segmentPayload: 1 + Int(random.next32() % 3000),
                options: [2, 4, 5, 180],
                dontFragment: random.next32() % 2 == 0
            )
            for _ in 0..<(random.next32() % 4) {
                frame[Int(random.next32()) % min(frame.count, 80)] = UInt8(
                    truncatingIfNeeded: random.next32()
                )
            }
            if random.next32() % 8 == 0 {
                frame = Array(frame[..<(Int(random.next32()) % frame.count)])
            }
            let runs = near.send([frame])
            let datagrams = runs.flatMap(\.datagrams).count
            let before = far.inbound.snapshot().associations[0].packets
            _ = far.receiveAsTheyCome(runs)
            // What we seal is always well-formed for the other end.
            #expect(far.inbound.snapshot().associations[0].packets == before + UInt64(datagrams))
        }
        for reason in [
            DropReason.badPadding, .malformedInner, .unexpectedNextHeader, .authenticationFailed,
        ] {
            #expect(far.inboundDrops(reason) == 0)
        }
    }

    @Test func noiseOnThePortIsCounted() {
        let far = TestGateway()
        var random = SeededRandomSource(seed: 13)
        var datagrams = 0
        for _ in 0..<500 {
            let size = 1 + Int(random.next32() % 300)
            let bytes = random.bytes(size * Int(1 + random.next32() % 8))
            let path = TestTunnel().path
            let pieces = stride(from: 0, to: bytes.count, by: size).map {
                Array(bytes[$0..<min($0 + size, bytes.count)])
            }
            datagrams += pieces.count
            let run = SentRun(
                datagrams: pieces,
                segmentSize: size,
                trafficClass: 3,
                dontFragment: true,
                path: path
            )
            #expect(far.receive([run]) == [])
        }
        #expect(total(far.inbound.snapshot().drops) + far.control.count == datagrams)
    }
}
