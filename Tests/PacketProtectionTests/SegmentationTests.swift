internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct SegmentationTests {
    /// More segments than a batch holds: each of the others is a packet that is lost.
    @Test func everySegmentIsSentOrCounted() throws {
        let (near, _) = try TestTunnel().gateways()
        let frame = TestPackets.tso(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: pattern(60_000),
            segmentPayload: 20
        )
        let sent = near.send([frame]).flatMap(\.datagrams).count
        #expect(sent > 1000 && sent < 3000)
        #expect(near.outboundDrops(.batchOverflow) == UInt64(3000 - sent))
    }

    private func uncoalesced() -> PacketPathConfiguration {
        var configuration = PacketPathConfiguration()
        configuration.coalescesTCP = false
        return configuration
    }

    @Test(arguments: [IPVersion.v4, .v6], [1, 100, 1348, 1360])
    func aSuperpacketIsCutAsACardWould(version: IPVersion, segment: Int) throws {
        let (near, far) = try TestTunnel().gateways(uncoalesced())
        let (source, destination) = TestHosts.pair(version)
        let options: [UInt8] = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]
        let payload = pattern(segment == 1 ? 90 : 20_000)
        // FIN, PSH, ACK, CWR
        let frame = TestPackets.tso(
            from: source,
            to: destination,
            sequence: 0xffff_f000,
            flags: 0x99,
            payload: payload,
            segmentPayload: segment,
            options: options
        )
        let frames = far.receive(near.send([frame]))
        let count = (payload.count + segment - 1) / segment
        #expect(frames.count == count)
        var stream: [UInt8] = []
        for (index, frame) in frames.enumerated() {
            let packet = try #require(ReadPacket(Array(frame[10...])))
            #expect(packet.hasValidHeader && packet.hasValidChecksum)
            #expect(packet.tcpSequence == 0xffff_f000 &+ UInt32(stream.count))
            #expect(Array(packet.payload[20..<32]) == options)
            let isLast = index == count - 1
            #expect(packet.tcpFlags == 0x10 | (isLast ? 0x09 : 0) | (index == 0 ? 0x80 : 0))
            if version == .v4 { #expect(packet.identification == 1 + index) }
            if !isLast { #expect(packet.tcpPayload.count == segment) }
            stream += packet.tcpPayload
        }
        #expect(stream == payload)
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func aUDPSuperpacketIsCut(version: IPVersion) throws {
        let (near, far) = try TestTunnel().gateways()
        let (source, destination) = TestHosts.pair(version)
        let payload = pattern(5000)
        let packet = TestPackets.udp(
            from: source,
            to: destination,
            payload: payload,
            isPartial: true
        )
        let network = version == .v4 ? 20 : 40
        let frame = TestPackets.offload(
            packet,
            type: 5,
            segmentPayload: 1200,
            headers: network + 8,
            checksumStart: network,
            checksumOffset: 6
        )
        let frames = far.receive(near.send([frame]))
        #expect(frames.count == 5)
        var stream: [UInt8] = []
        for frame in frames {
            let packet = try #require(ReadPacket(Array(frame[10...])))
            #expect(packet.hasValidHeader && packet.hasValidChecksum)
            #expect(Int(packet.payload[4]) << 8 | Int(packet.payload[5]) == packet.payload.count)
            stream += packet.payload[8...]
        }
        #expect(stream == payload)
    }

    @Test(arguments: [IPVersion.v4, .v6], [Encapsulation.udp, .esp])
    func cuttingSealingOpeningAndCoalescingGiveTheSuperpacketBack(
        version: IPVersion,
        encapsulation: Encapsulation
    ) throws {
        let (near, far) = try TestTunnel(encapsulation: encapsulation).gateways()
        let (source, destination) = TestHosts.pair(version)
        let options: [UInt8] = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]
        let frame = TestPackets.tso(
            from: source,
            to: destination,
            payload: pattern(64_000),
            segmentPayload: 1348,
            options: options
        )
        let runs = near.send([frame])
        #expect(runs.map(\.datagrams.count).reduce(0, +) == 48)
        #expect(runs.count == 2)
        #expect(runs.allSatisfy { $0.datagrams.map(\.count).reduce(0, +) <= 65_507 })
        // The very frame: header, headers, partial checksum and all.
        #expect(far.receive(runs) == [frame])
    }

    @Test func fullSizedOuterPacketsFitTheLink() throws {
        for suite in TestSuites.all {
            let tunnel = TestTunnel(suite: suite)
            let (near, far) = try tunnel.gateways()
            let mtu = near.outbound.snapshot().associations[0].tunnelMTU
            let frame = TestPackets.tso(
                from: TestHosts.nearV4,
                to: TestHosts.farV4,
                payload: pattern(30_000),
                segmentPayload: mtu - 40
            )
            let runs = near.send([frame])
            #expect(runs.allSatisfy { $0.segmentSize + tunnel.path.headerLength <= 1500 })
            #expect(far.receive(runs) == [frame])
        }
    }

    @Test func offloadRequestsThatMakeNoSenseAreDropped() throws {
        let (near, _) = try TestTunnel().gateways()
        let tcp = TestPackets.tcp(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: pattern(3000),
            isPartial: true
        )
        let udp = TestPackets.udp(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: pattern(3000)
        )
        func offload(
            _ packet: [UInt8],
            _ type: UInt8,
            _ size: Int,
            _ start: Int = 20,
            _ offset: Int = 16
        ) -> [UInt8] {
            TestPackets.offload(
                packet,
                type: type,
                segmentPayload: size,
                headers: 40,
                checksumStart: start,
                checksumOffset: offset
            )
        }
        var badOffset = tcp
        badOffset[32] = 0xf0
        badOffset = Array(badOffset[..<60])
        badOffset.replaceSubrange(2..<4, with: TestPackets.bytes16(60))
        let frames = [
            offload(tcp, 1, 0), offload(tcp, 4, 1000), offload(tcp, 5, 1000), offload(tcp, 3, 1000),
            offload(udp, 1, 1000), offload(tcp, 77, 1000), offload(badOffset, 1, 1000),
            offload(Array(tcp[..<1400]), 1, 1000), offload(tcp, 0, 0, 3100), offload(tcp, 0, 0, 3),
            [], [1, 2, 3],
        ]
        #expect(near.send(frames) == [])
        #expect(near.outboundDrops(.malformedInner) == UInt64(frames.count))
    }

    /// A batch that has room takes a read of segments as short as 88 octets.
    @Test func theShortestSegmentsFindRoomInABatchThatHasIt() throws {
        let (near, far) = try TestTunnel().gateways(PacketPathConfiguration())
        let frame = TestPackets.tso(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: pattern(64_000),
            segmentPayload: 88
        )
        var frames = 0
        while near.outbound.hasRoom {
            unsafe near.outbound.readBuffer.copyBytes(from: frame)
            near.outbound.processRead(byteCount: frame.count, device: .shared, at: near.now)
            frames += 1
        }
        let runs = near.flush()
        #expect(frames > 1 && near.outboundDrops(.batchOverflow) == 0)
        #expect(runs.map(\.datagrams.count).reduce(0, +) == frames * (64_000 + 87) / 88)
        _ = far.receive(runs)
    }

    @Test func aHostileSuperpacketFillsTheBatchAndNoMore() throws {
        var configuration = PacketPathConfiguration()
        configuration.slabOctets = PacketPathConfiguration.minimumSlabOctets
        configuration.maximumJobs = 300
        let (near, far) = try TestTunnel().gateways(configuration)
        let frame = TestPackets.tso(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: pattern(60_000),
            segmentPayload: 1
        )
        let runs = near.send([frame])
        // Full, and what one read of the shortest segments may bring besides.
        #expect(runs.map(\.datagrams.count).reduce(0, +) == 300 + 512)
        #expect(near.outboundDrops(.batchOverflow) > 0)
        _ = far.receive(runs)
        let hasRoom = near.outbound.hasRoom
        #expect(hasRoom)
    }
}
