import Foundation
internal import IPsecPrimitives
import Testing

@testable import PacketProtection

/// Both ends of AGGFRAG without ESP between them.
private final class AggregateEnds {
    var packer: AggregatePacker
    var unpacker: AggregateUnpacker
    let size: Int

    init(
        size: Int,
        fragments: Bool = true,
        queue: Int = 1 << 20,
        window: Int = 3,
        place: Int = 2000
    ) {
        self.size = size
        packer = AggregatePacker(queueOctets: queue, fragments: fragments)
        var parameters = ReassemblyParameters()
        parameters.reorderWindow = window
        unpacker = AggregateUnpacker(parameters, next: 1, payloadOctets: place)
    }

    @discardableResult
    func append(_ packet: [UInt8], at now: UInt64 = 0) -> Bool {
        guard let place = unsafe packer.append(packet.count, at: now) else { return false }
        unsafe packet.withUnsafeBytes {
            unsafe place.copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        }
        return true
    }

    func payload(at now: UInt64 = 0) -> [UInt8] {
        // What was there before must not show.
        var bytes = [UInt8](repeating: 0xee, count: size)
        unsafe bytes.withUnsafeMutableBytes {
            unsafe packer.write(to: $0.baseAddress!, size: size, at: now)
        }
        return bytes
    }

    /// The packets that a payload brings, with those that waited for it.
    func take(_ payload: [UInt8], _ sequence: UInt64, at now: UInt64 = 0) -> [[UInt8]] {
        var bytes = payload
        return unsafe bytes.withUnsafeMutableBytes { area in
            let refusal = unsafe unpacker.accept(
                area.baseAddress!,
                count: area.count,
                sequence: sequence,
                at: now
            )
            if let refusal {
                refusals.append(refusal)
                return []
            }
            return drain()
        }
    }

    func drain() -> [[UInt8]] {
        var packets: [[UInt8]] = []
        while let packet = unsafe unpacker.next() {
            let area = unsafe UnsafeRawBufferPointer(start: packet.start, count: packet.octets)
            unsafe packets.append(Array(area))
        }
        return packets
    }

    var refusals: [AggregateUnpacker.Refusal] = []
}

@Suite("AGGFRAG payloads")
struct AggregateTests {
    private static func packet(_ octets: Int, _ seed: UInt64, isV4: Bool = true) -> [UInt8] {
        let (near, far) = TestHosts.pair(isV4 ? .v4 : .v6)
        return TestPackets.udp(
            from: near,
            to: far,
            payload: pattern(max(octets - (isV4 ? 28 : 48), 0), seed: seed)
        )
    }

    @Test func severalPacketsGoInOne() {
        let ends = AggregateEnds(size: 404)
        let packets = [Self.packet(100, 1), Self.packet(60, 2, isV4: false), Self.packet(90, 3)]
        for packet in packets { ends.append(packet) }
        let payload = ends.payload()
        #expect(payload.prefix(4) == [0, 0, 0, 0])
        #expect(Array(payload[4..<254]) == packets.flatMap(\.self))
        #expect(payload.dropFirst(254).allSatisfy { $0 == 0 })
        #expect(ends.take(payload, 1) == packets)
        #expect(ends.packer.paddingOctets == 150 && ends.packer.packets == 3)
    }

    @Test func anIdleTrainIsPaddingAlone() {
        let ends = AggregateEnds(size: 100)
        #expect(ends.payload() == Array(repeating: 0, count: 100))
        #expect(ends.take(ends.payload(), 1) == [])
        #expect(ends.unpacker.malformed == 0 && ends.unpacker.paddingOctets == 96)
    }

    /// RFC 9347 §2.2: BlockOffset points to the next block, also past payloads without one.
    @Test func aPacketGoesInSeveral() {
        let ends = AggregateEnds(size: 104)
        let packets = [Self.packet(330, 1), Self.packet(50, 2)]
        for packet in packets { ends.append(packet) }
        var payloads = (0..<4).map { _ in ends.payload() }
        #expect(payloads.map { Int($0[2]) << 8 | Int($0[3]) } == [0, 230, 130, 30])
        var arrived: [[UInt8]] = []
        for (index, payload) in payloads.enumerated() {
            arrived += ends.take(payload, UInt64(index + 1))
        }
        #expect(arrived == packets)
        payloads = []
    }

    @Test func allPadPayloadsMayComeBetweenTheParts() {
        let ends = AggregateEnds(size: 104)
        ends.append(Self.packet(150, 1))
        let first = ends.payload()
        let second = ends.payload()
        #expect(ends.take(first, 1) == [])
        #expect(ends.take(Array(repeating: 0, count: 104), 2) == [])
        #expect(ends.take(second, 3) == [Self.packet(150, 1)])
    }

    @Test func aPeerThatTakesNoFragmentsGetsNone() {
        let ends = AggregateEnds(size: 304, fragments: false)
        for (index, octets) in [200, 150, 100, 500, 90].enumerated() {
            ends.append(Self.packet(octets, UInt64(index)))
        }
        var arrived: [[UInt8]] = []
        for sequence: UInt64 in 1...4 {
            let payload = ends.payload()
            #expect(payload[2] == 0 && payload[3] == 0)
            arrived += ends.take(payload, sequence)
        }
        #expect(arrived.map(\.count) == [200, 150, 100, 90])
        #expect(ends.packer.tooLong == 1)
    }

    /// RFC 9347 §2.2.3: never in two SAs.
    @Test func whatOneSABeganTheNextSendsWhole() {
        let ends = AggregateEnds(size: 104)
        let packet = Self.packet(180, 1)
        ends.append(packet)
        _ = ends.payload()
        ends.packer.beginAnew()
        #expect(ends.take(ends.payload(), 1) + ends.take(ends.payload(), 2) == [packet])
    }

    @Test func theQueueIsBounded() {
        let ends = AggregateEnds(size: 104, queue: 1000)
        var taken = 0
        for index in 0..<40 where ends.append(Self.packet(100, UInt64(index))) { taken += 1 }
        #expect(taken == 10 && ends.packer.waitingOctets == 1000)
        _ = ends.payload()
        #expect(ends.append(Self.packet(100, 77)))
        // Many small ones, many times round.
        var count = ends.packer.waitingPackets
        for round in 0..<500 {
            while ends.append(Self.packet(40 + round % 50, UInt64(round))) { count += 1 }
            _ = ends.payload()
        }
        while ends.packer.waitingPackets > 0 { _ = ends.payload() }
        #expect(ends.packer.packets == UInt64(count) + 1)
    }

    @Test func delaysAreMeasured() {
        let ends = AggregateEnds(size: 104)
        ends.append(Self.packet(100, 1), at: 1000)
        ends.append(Self.packet(100, 2), at: 2000)
        _ = ends.payload(at: 5000)
        #expect(ends.packer.lastDelay == 4000)
        _ = ends.payload(at: 6000)
        #expect(ends.packer.lastDelay == 4000 && ends.packer.longestDelay == 4000)
    }

    // MARK: Loss and order

    @Test func aLostPayloadTakesItsPacketsAlone() {
        let ends = AggregateEnds(size: 104, window: 0)
        let packets = (0..<12).map { Self.packet(60, $0) }
        for packet in packets { ends.append(packet) }
        var arrived: [[UInt8]] = []
        for sequence: UInt64 in 1...9 {
            let payload = ends.payload()
            if sequence != 4 { arrived += ends.take(payload, sequence) }
        }
        // The fourth had the rest of packet 4, and packet 5.
        let expected = packets.enumerated().filter { ![4, 5].contains($0.offset) }.map(\.element)
        #expect(arrived == expected)
        #expect(ends.unpacker.missing == 1 && ends.unpacker.incomplete == 1)
        #expect(ends.unpacker.malformed == 0)
    }

    @Test func theWindowPutsPayloadsInOrder() {
        let ends = AggregateEnds(size: 104)
        let packets = (0..<6).map { Self.packet(100, $0) }
        for packet in packets { ends.append(packet) }
        let payloads = (0..<6).map { _ in ends.payload() }
        #expect(ends.take(payloads[0], 1).count == 1)
        #expect(ends.take(payloads[3], 4) == [] && ends.take(payloads[2], 3) == [])
        #expect(ends.take(payloads[1], 2) == Array(packets[1...3]))
        #expect(ends.take(payloads[5], 6) == [])
        #expect(ends.take(payloads[4], 5) == Array(packets[4...]))
    }

    @Test func theWindowMovesByWhatIsMissing() {
        let ends = AggregateEnds(size: 104)
        let packets = (0..<8).map { Self.packet(100, $0) }
        for packet in packets { ends.append(packet) }
        let payloads = (0..<8).map { _ in ends.payload() }
        var arrived: [[UInt8]] = []
        for number in [1, 3, 4, 5] { arrived += ends.take(payloads[number - 1], UInt64(number)) }
        #expect(arrived == [packets[0]])
        arrived += ends.take(payloads[5], 6)
        #expect(arrived == [packets[0]] + packets[2...5])
        #expect(ends.take(payloads[1], 2) == [] && ends.refusals == [.late])
        #expect(ends.unpacker.missing == 1)
    }

    @Test func whatIsMissingIsNotWaitedForLonger() {
        let ends = AggregateEnds(size: 104)
        for index in 0..<4 { ends.append(Self.packet(100, UInt64(index))) }
        let payloads = (0..<4).map { _ in ends.payload() }
        _ = ends.take(payloads[0], 1, at: 0)
        #expect(ends.unpacker.deadline == .max)
        #expect(ends.take(payloads[2], 3, at: 1_000_000) == [])
        #expect(ends.unpacker.deadline == 21_000_000)
        ends.unpacker.giveUp(at: 20_000_000)
        #expect(ends.drain() == [])
        ends.unpacker.giveUp(at: 21_000_000)
        #expect(ends.drain() == [Self.packet(100, 2)])
        #expect(ends.unpacker.deadline == .max)
        #expect(ends.take(payloads[3], 4, at: 22_000_000) == [Self.packet(100, 3)])
    }

    @Test func whatCannotWaitIsRefused() {
        let ends = AggregateEnds(size: 104, place: 50)
        #expect(ends.take([], 3) == [] && ends.take(Array(repeating: 0, count: 51), 4) == [])
        #expect(ends.refusals == [.unfit, .unfit] && ends.unpacker.deadline == .max)
        // A copy of what waits is no second one.
        let payload = [0, 0, 0, 0] + Self.packet(40, 1)
        #expect(ends.take(payload, 2) == [] && ends.take(payload, 2) == [])
        #expect(ends.take([0, 0, 0, 0], 1) == [Self.packet(40, 1)])
        #expect(ends.unpacker.deadline == .max)
        ends.unpacker.giveUp(at: .max - 1)
        #expect(ends.drain() == [])
    }

    @Test func aLeapInNumbersIsNoLoop() {
        let ends = AggregateEnds(size: 104)
        ends.append(Self.packet(100, 1))
        #expect(ends.take(Array(repeating: 0, count: 104), 3) == [])
        #expect(ends.take(ends.payload(), 1 << 60) == [])
        ends.unpacker.giveUp(at: 1 << 50)
        #expect(ends.drain() == [Self.packet(100, 1)])
        #expect(ends.unpacker.missing == (1 << 60) - 2)
    }

    // MARK: What no sender sends

    @Test func offsetsThatDoNotAgreeCostThePacketAlone() {
        for wrong in [0, 1, 49, 51, 96, 65_535] {
            let ends = AggregateEnds(size: 104)
            ends.append(Self.packet(150, 1))
            #expect(ends.take(ends.payload(), 1) == [])
            var second = [UInt8](repeating: 0x41, count: 104)
            second.replaceSubrange(0..<4, with: [0, 0, UInt8(wrong >> 8), UInt8(wrong & 255)])
            #expect(ends.take(second, 2) == [])
            #expect(ends.unpacker.incomplete == 1 && ends.unpacker.malformed >= 1)
            let next = AggregateEnds(size: 104)
            next.append(Self.packet(80, 9))
            #expect(ends.take(next.payload(), 3) == [Self.packet(80, 9)], "\(wrong)")
        }
    }

    @Test func bothFormatsAreRead() {
        let ends = AggregateEnds(size: 104)
        let packet = Self.packet(60, 1)
        let congestion = [1, 3, 0, 0] + [UInt8](repeating: 0xab, count: 20) + packet
        #expect(ends.take(congestion, 1) == [packet])
        // RFC 9347 §2.2.4: nothing but a header.
        #expect(ends.take([0, 0, 0, 0], 2) == [])
        #expect(ends.unpacker.malformed == 0)
        for (index, payload) in [
            [], [0], [0, 0, 0], [2, 0, 0, 0, 0x45], Array(congestion[..<23]),
        ]
        .enumerated() {
            #expect(ends.take(payload, UInt64(3 + index)) == [])
            #expect(ends.unpacker.malformed == UInt64(index + 1))
        }
    }

    /// The first octets of a packet may be fewer than tell its length.
    @Test(arguments: [true, false])
    func anyCutIsMended(isV4: Bool) {
        let packet = Self.packet(77, 3, isV4: isV4)
        for cut in 1..<packet.count {
            let ends = AggregateEnds(size: 104)
            let left = packet.count - cut
            let next = Self.packet(60, 4)
            let first = [0, 0, 0, 0] + packet[..<cut]
            let second = [0, 0, UInt8(left >> 8), UInt8(left & 255)] + packet[cut...] + next
            #expect(ends.take(first, 1) == [])
            #expect(ends.take(second, 2) == [packet, next], "\(cut)")
        }
    }

    @Test func anyOctetsAreSurvived() {
        var random = SeededRandomSource(seed: 5)
        let ends = AggregateEnds(size: 104)
        var sequence: UInt64 = 1
        var octets = 0
        for _ in 0..<30_000 {
            var payload = random.bytes(Int(random.next32() % 120))
            if payload.count > 5, random.next32() % 8 > 0 {
                payload[0] = UInt8(random.next32() % 2)
                payload[2] = 0
                payload[4] = [0x45, 0x60, 0x00, 0x46][Int(random.next32() % 4)]
                if payload.count > 9 { (payload[6], payload[8]) = (0, 0) }
            }
            sequence += UInt64(random.next32() % 6)
            for packet in ends.take(payload, sequence - min(UInt64(random.next32() % 4), sequence))
            {
                octets += packet.count
                #expect(packet.count >= 20 && packet.count <= 65_535)
            }
        }
        #expect(octets > 0 && ends.unpacker.malformed > 0)
    }

    // MARK: All together

    struct Weather: CustomTestStringConvertible {
        var loss: UInt32
        var reorder: UInt32
        var duplicates: UInt32
        var window: Int
        var size: Int

        var testDescription: String {
            "loss \(loss)‰, reordering \(reorder)‰, window \(window), size \(size)"
        }

        static let all: [Weather] = [
            Weather(loss: 0, reorder: 0, duplicates: 0, window: 3, size: 1404),
            Weather(loss: 0, reorder: 0, duplicates: 0, window: 0, size: 45),
            Weather(loss: 30, reorder: 100, duplicates: 50, window: 3, size: 1404),
            Weather(loss: 30, reorder: 100, duplicates: 50, window: 0, size: 300),
            Weather(loss: 200, reorder: 300, duplicates: 200, window: 8, size: 128),
            Weather(loss: 500, reorder: 0, duplicates: 0, window: 64, size: 60),
        ]
    }

    /// What arrives is what was sent, octet for octet and in order, with gaps where the way lost
    /// something; and without losses it is everything.
    @Test(arguments: Weather.all, [UInt64(1), 2, 3])
    func whatArrivesWasSentInThisOrder(weather: Weather, seed: UInt64) {
        var random = SeededRandomSource(seed: seed &* 7919 &+ UInt64(weather.size))
        let ends = AggregateEnds(size: weather.size, window: weather.window)
        var sent: [[UInt8]: Int] = [:]
        var count = 0
        var arrived: [[UInt8]] = []
        var way: [(UInt64, [UInt8])] = []
        var number: UInt64 = 0
        for _ in 0..<1500 {
            for _ in 0..<random.next32() % 3 {
                let octets = 64 + Int(random.next32() % (random.next32() % 4 == 0 ? 3000 : 150))
                let packet = Self.packet(octets, UInt64(count) | seed << 32, isV4: count % 3 > 0)
                guard ends.append(packet) else { continue }
                sent[packet] = count
                count += 1
            }
            number += 1
            let payload = ends.payload()
            #expect(payload.count == weather.size)
            if random.next32() % 1000 < weather.loss { continue }
            let isEarly = random.next32() % 1000 < weather.reorder && !way.isEmpty
            way.insert((number, payload), at: isEarly ? way.count - 1 : way.count)
            if random.next32() % 1000 < weather.duplicates { way.append((number, payload)) }
            guard way.count > 2 else { continue }
            let (sequence, bytes) = way.removeFirst()
            arrived += ends.take(bytes, sequence, at: number * 1_000_000)
            ends.unpacker.giveUp(at: number * 1_000_000)
            arrived += ends.drain()
        }
        while ends.packer.waitingPackets > 0 {
            number += 1
            way.append((number, ends.payload()))
        }
        for (sequence, bytes) in way { arrived += ends.take(bytes, sequence, at: .max / 2) }
        let places = arrived.map { sent[$0] }
        #expect(!places.contains(nil), "something arrived that was not sent")
        let known = places.compactMap(\.self)
        #expect(zip(known, known.dropFirst()).allSatisfy { $0 < $1 }, "out of order, or twice")
        if weather.loss == 0, weather.reorder == 0 {
            #expect(known.count == count)
        } else {
            #expect(known.count > count / 8 && known.count < count)
        }
        #expect(ends.unpacker.malformed == 0)
    }
}

/// Trains that something else packed, see `Vectors/make-aggfrag-vectors.py`.
@Suite("AGGFRAG payloads of another make")
struct AggregateVectorTests {
    private struct Train {
        var payloads: [[UInt8]] = []
        var packets: [[UInt8]] = []
    }

    private static func bytes(_ text: Substring) -> [UInt8] {
        let digits = Array(text.utf8)
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16)!
        }
    }

    private static func trains() throws -> [Train] {
        let file = try #require(
            Bundle.module.url(
                forResource: "aggfrag",
                withExtension: "txt",
                subdirectory: "Vectors"
            )
        )
        var trains: [Train] = []
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let fields = line.split(separator: " ")
            switch fields[0] {
            case "train": trains.append(Train())
            case "payload": trains[trains.count - 1].payloads.append(bytes(fields[1]))
            case "packet": trains[trains.count - 1].packets.append(bytes(fields[1]))
            default: continue
            }
        }
        return trains
    }

    @Test func everyPacketComesOut() throws {
        let trains = try Self.trains()
        #expect(trains.count == 10)
        for train in trains {
            let ends = AggregateEnds(size: 104)
            var arrived: [[UInt8]] = []
            for (index, payload) in train.payloads.enumerated() {
                arrived += ends.take(payload, UInt64(index + 1))
            }
            #expect(arrived == train.packets)
            #expect(ends.unpacker.malformed == 0 && ends.unpacker.incomplete == 0)
        }
    }
}
