internal import IPsecPrimitives
internal import Testing

@testable internal import PacketProtection

/// Whether everything finds its room on the way to the device.
@Suite struct RoomTests {
    /// Joins packets in memory of a size; which were taken, and the frames.
    private func coalesced(
        _ packets: [[UInt8]],
        octets: Int,
        writes: Int
    ) -> (isTaken: [Bool], frames: [[UInt8]]) {
        var coalescer = TCPCoalescer(octets: octets, writes: writes, isEnabled: true)
        var isTaken: [Bool] = []
        for packet in packets {
            var bytes = packet
            unsafe bytes.withUnsafeMutableBytes { area in
                let start = area.baseAddress!
                guard let inner = unsafe InnerPacket(start, available: area.count) else { return }
                isTaken.append(unsafe coalescer.add(start, inner, pending: 0))
            }
        }
        coalescer.flush()
        let frames = (0..<coalescer.output.writeCount).map { index in
            let write = unsafe coalescer.output.writes[index]
            return unsafe Array(
                UnsafeRawBufferPointer(
                    start: coalescer.output.slab + write.offset,
                    count: write.byteCount
                )
            )
        }
        return (isTaken, frames)
    }

    private func segment(
        _ version: IPVersion,
        _ sequence: UInt32,
        _ count: Int,
        port: UInt16 = 40_000
    ) -> [UInt8] {
        let (near, far) = TestHosts.pair(version)
        return TestPackets.tcp(
            from: Endpoint(address: near.address, port: port),
            to: far,
            sequence: sequence,
            payload: pattern(count, seed: UInt64(sequence))
        )
    }

    private func datagram(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        TestPackets.udp(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: pattern(count, seed: seed)
        )
    }

    /// RFC 8200 §3: the payload length has 16 bits, and the header of 40 octets is not in it.
    @Test func theLongestPacketsOfIPv6LieOverNothingElse() {
        for count in [65_535 - 60, 65_535 - 59, 65_535 - 20] {
            let packets = [
                segment(.v6, 0, count), segment(.v6, 7, 100, port: 40_001),
                segment(.v6, UInt32(count), 100),
            ]
            let (isTaken, frames) = coalesced(packets, octets: 300_000, writes: 16)
            #expect(isTaken == [true, true, true])
            #expect(Set(frames) == Set(packets.map(TestPackets.plain)), "\(count)")
        }
    }

    @Test(arguments: [IPVersion.v4, .v6], [1300, 1284, 536, 16_379])
    func aSuperpacketsLengthFitsItsHeader(version: IPVersion, size: Int) {
        let packets = (0..<150).map { segment(version, UInt32($0 * size), size) }
        let (isTaken, frames) = coalesced(packets, octets: 4 << 20, writes: 200)
        #expect(isTaken.allSatisfy { $0 })
        #expect(frames.allSatisfy { $0.count <= 10 + 65_535 })
        let read = frames.map { ReadPacket(Array($0[10...])) }
        #expect(read.allSatisfy { $0 != nil })
        let stream = (0..<150).flatMap { pattern(size, seed: UInt64($0 * size)) }
        #expect(read.flatMap { $0?.tcpPayload ?? [] } == stream)
    }

    @Test func whatFindsNoRoomIsNotTaken() {
        let packets = (0..<10).map { datagram(500, seed: $0) }
        let (isTaken, frames) = coalesced(packets, octets: 2000, writes: 16)
        #expect(isTaken == (0..<10).map { $0 < 3 })
        #expect(frames == packets[..<3].map(TestPackets.plain))
    }

    /// What is open will want a write of its own.
    @Test func singlePacketsLeaveSuperpacketsTheirWrites() {
        let packets =
            [segment(.v4, 0, 100), segment(.v4, 0, 100, port: 40_001)]
            + (0..<5).map { datagram(50, seed: $0) }
        let (isTaken, frames) = coalesced(packets, octets: 300_000, writes: 4)
        #expect(isTaken == [true, true, true, true, false, false, false])
        #expect(Set(frames) == Set(packets[..<4].map(TestPackets.plain)))
    }

    /// Each packet of transport mode gets an IP header that it came without.
    @Test(arguments: [IPVersion.v4, .v6])
    func aFullBatchOfTransportModeFindsRoom(version: IPVersion) throws {
        let tunnel = TestTunnel(outer: version, carriage: .espTransport)
        var configuration = PacketPathConfiguration()
        configuration.slabOctets = PacketPathConfiguration.minimumSlabOctets
        configuration.maximumSegments = 320
        var sending = configuration
        sending.slabOctets = 1 << 20
        let (near, _) = try tunnel.gateways(sending)
        let far = TestGateway(configuration)
        far.apply(.installInbound(try tunnel.inbound()))
        let (source, destination) = tunnel.ends
        // So many flows that all the room beside their own is theirs.
        var packets = (0..<24).map { number in
            TestPackets.tcp(
                from: Endpoint(address: source.address, port: 50_000 + UInt16(number)),
                to: destination,
                payload: pattern(100),
                identification: 0
            )
        }
        packets += (0..<1280).map { number in
            let packet = TestPackets.udp(
                from: source,
                to: destination,
                payload: pattern(150, seed: UInt64(number))
            )
            return version == .v4 ? TestPackets.identified(packet, 0) : packet
        }
        let frames = far.receiveAsTheyCome(near.send(packets.map(TestPackets.plain)))
        #expect(frames.count == packets.count)
        // Not in the expectation, which would write them all out.
        let isWhole = Set(frames) == Set(packets.map(TestPackets.plain))
        #expect(isWhole)
        #expect(far.inboundDrops(.batchOverflow) == 0)
    }

    /// A command opens what has come before it, which lies in the same memory then.
    @Test func aBatchThatCommandsInterruptFindsRoom() throws {
        let (near, far) = try TestTunnel().gateways()
        let frame = TestPackets.plain(datagram(20))
        let runs = (0..<10).flatMap { _ in near.send(Array(repeating: frame, count: 1024)) }
        let frames = far.receiveAsTheyCome(runs) { far.apply(.query(token: 1)) }
        #expect(frames.count == 10_240)
        #expect(far.inboundDrops(.batchOverflow) == 0)
    }
}
