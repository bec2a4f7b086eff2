internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct CoalescingTests {
    private let source = TestHosts.nearV4
    private let destination = TestHosts.farV4

    private func segment(
        _ sequence: UInt32,
        _ count: Int,
        flags: UInt8 = 0x10,
        window: Int = 512,
        options: [UInt8] = [],
        trafficClass: UInt8 = 0,
        port: UInt16 = 40_000
    ) -> [UInt8] {
        TestPackets.tcp(
            from: Endpoint(address: source.address, port: port),
            to: destination,
            sequence: sequence,
            flags: flags,
            window: window,
            options: options,
            payload: pattern(count, seed: UInt64(sequence)),
            trafficClass: trafficClass
        )
    }

    private func received(_ packets: [[UInt8]]) throws -> [[UInt8]] {
        let (near, far) = try TestTunnel().gateways()
        return far.receive(near.send(packets.map(TestPackets.plain)))
    }

    /// Payload octets and segment size of each frame.
    private func shapes(_ frames: [[UInt8]]) -> [[Int]] {
        frames.map { [$0.count - 50, Int($0[4]) | Int($0[5]) << 8] }
    }

    @Test func segmentsInSequenceBecomeOne() throws {
        let frames = try received([segment(0, 1000), segment(1000, 1000), segment(2000, 300)])
        #expect(shapes(frames) == [[2300, 1000]])
        #expect(frames[0][0] == 1 && frames[0][1] == 1)
        let stream = pattern(1000, seed: 0) + pattern(1000, seed: 1000) + pattern(300, seed: 2000)
        #expect(Array(frames[0][50...]) == stream)
    }

    @Test func aShortSegmentEndsASuperpacket() throws {
        let frames = try received([
            segment(0, 1000), segment(1000, 400), segment(1400, 1000), segment(2400, 1000),
        ])
        #expect(shapes(frames) == [[1400, 1000], [2000, 1000]])
    }

    @Test func aLongerSegmentBeginsAnother() throws {
        let frames = try received([segment(0, 400), segment(400, 1000), segment(1400, 1000)])
        #expect(shapes(frames) == [[400, 0], [2000, 1000]])
    }

    @Test func aPushIsKept() throws {
        let frames = try received([
            segment(0, 1000), segment(1000, 1000, flags: 0x18), segment(2000, 1000),
        ])
        #expect(shapes(frames) == [[3000, 1000]])
        #expect(frames[0][43] == 0x18)
    }

    @Test func whatDiffersStaysApart() throws {
        let options: [UInt8] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]
        let others = [
            segment(2000, 1000), segment(1000, 1000, flags: 0x11), segment(1000, 1000, flags: 0x30),
            segment(1000, 1000, flags: 0x90), segment(1000, 1000, window: 4),
            segment(1000, 1000, options: options),
            segment(1000, 1000, trafficClass: 2), segment(1000, 0),
            segment(1000, 1000, port: 40_001),
        ]
        for other in others {
            let packets = [segment(0, 1000), other]
            #expect(try received(packets) == packets.map(TestPackets.plain))
        }
    }

    @Test func damageIsNotHidden() throws {
        for index in [25, 30, 35, 36, 37, 100, 1039] {
            var damaged = segment(1000, 1000)
            damaged[index] ^= 0x40
            let packets = [segment(0, 1000), damaged, segment(2000, 1000)]
            let frames = try received(packets)
            #expect(frames.contains(TestPackets.plain(damaged)), "octet \(index)")
        }
        var damagedFirst = segment(0, 1000)
        damagedFirst[500] ^= 1
        let packets = [damagedFirst, segment(1000, 1000), segment(2000, 1000)]
        let frames = try received(packets)
        #expect(frames[0] == TestPackets.plain(damagedFirst))
        #expect(shapes(Array(frames[1...])) == [[2000, 1000]])
    }

    @Test func flowsThatAlternateAreKeptApart() throws {
        var packets: [[UInt8]] = []
        for index in 0..<20 {
            for port in 0..<12 {
                packets.append(segment(UInt32(index) * 1000, 1000, port: 50_000 + UInt16(port)))
            }
        }
        let frames = try received(packets)
        var streams: [Int: [UInt8]] = [:]
        for frame in frames {
            streams[Int(frame[30]) << 8 | Int(frame[31]), default: []] += frame[50...]
        }
        let wanted = (0..<20).flatMap { pattern(1000, seed: UInt64($0) * 1000) }
        #expect(streams.count == 12 && streams.values.allSatisfy { $0 == wanted })
    }

    @Test func aSuperpacketStaysBelowTheLimitOfIP() throws {
        let packets = (0..<100).map { segment(UInt32($0) * 1300, 1300) }
        let frames = try received(packets)
        #expect(frames.allSatisfy { $0.count <= 10 + 65_535 })
        #expect(frames.count == 2 || frames.count == 3)
        #expect(frames.map { $0.count - 50 }.reduce(0, +) == 130_000)
    }

    @Test func anyMixOfSegmentsGivesTheSameStream() throws {
        for seed in 0..<40 {
            var random = SeededRandomSource(seed: UInt64(seed))
            var sequence = random.next32()
            var packets: [[UInt8]] = []
            var stream: [UInt8] = []
            for _ in 0..<60 {
                let count = [0, 1, 500, 1000, 1000, 1000][Int(random.next32() % 6)]
                let flags: UInt8 = random.next32() % 5 == 0 ? 0x18 : 0x10
                packets.append(segment(sequence, count, flags: flags))
                stream += pattern(count, seed: UInt64(sequence))
                sequence &+= UInt32(count)
            }
            var next = ReadPacket(packets[0])!.tcpSequence
            var result: [UInt8] = []
            for frame in try received(packets) {
                let packet = try #require(ReadPacket(Array(frame[10...])))
                #expect(packet.hasValidHeader && packet.tcpSequence == next)
                next &+= UInt32(packet.tcpPayload.count)
                result += packet.tcpPayload
            }
            #expect(result == stream)
        }
    }
}
