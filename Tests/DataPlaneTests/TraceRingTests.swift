internal import Foundation
internal import PacketProtection
internal import Testing

@testable internal import DataPlane

@Suite("Records on their way to control")
struct TraceRingTests {
    private func record(_ sequence: UInt64, captured: Int) -> TraceRecord {
        var record = TraceRecord(.outbound, at: sequence)
        record.sequence = sequence
        record.captured = UInt32(captured)
        return record
    }

    private func put(_ ring: TraceRing, _ sequence: UInt64, _ octets: [UInt8]) {
        unsafe octets.withUnsafeBytes { bytes in
            unsafe ring.take(record(sequence, captured: octets.count), bytes)
        }
    }

    /// Whatever their lengths are, they come out as they went in, past the ring's end too.
    @Test func recordsComeOutInOrder() {
        let ring = TraceRing(octets: 1 << 14)
        var next: UInt64 = 0
        for sequence in 0..<2000 as Range<UInt64> {
            let length = Int(sequence * 37 % 1500)
            put(
                ring,
                sequence,
                [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: length)
            )
            guard sequence % 3 == 0 else { continue }
            while let entry = ring.next() {
                #expect(entry.record.sequence == next)
                #expect(entry.octets.count == Int(next * 37 % 1500))
                #expect(entry.octets.allSatisfy { $0 == UInt8(truncatingIfNeeded: next) })
                next += 1
            }
        }
        #expect(next == 1999 && ring.lostRecords == 0)
    }

    @Test func whatHasNoRoomIsCounted() {
        let ring = TraceRing(octets: 1 << 12)
        for sequence in 0..<100 as Range<UInt64> { put(ring, sequence, []) }
        var kept: UInt64 = 0
        while let entry = ring.next() {
            #expect(entry.record.sequence == kept)
            kept += 1
        }
        #expect(kept > 5 && ring.lostRecords == 100 - Int(kept))
        // There is room again.
        put(ring, 7, [1, 2, 3])
        #expect(ring.next()?.octets == [1, 2, 3])
        put(ring, 8, [UInt8](repeating: 0, count: 5000))
        #expect(ring.next() == nil && ring.lostRecords == 101 - Int(kept))
    }

    @Test func aLookTakesNoMoreOctetsThanFitIntoOneAnswer() {
        let rings = [TraceRing(octets: 1 << 20), TraceRing(octets: 1 << 20)]
        for ring in rings {
            for sequence in 0..<20 as Range<UInt64> {
                put(ring, sequence, [UInt8](repeating: 0, count: 30_000))
            }
        }
        let trace = PacketTrace(identifier: 1, rings: rings)
        var looks: [[Int]] = []
        repeat {
            var taken = [0, 0]
            trace.take(limit: 512, octets: 200_000) { worker, _ in taken[worker] += 1 }
            looks.append(taken)
        } while looks.last != [0, 0] && looks.count < 100
        #expect(looks == [[4, 4], [4, 4], [4, 4], [4, 4], [4, 4], [0, 0]])
    }

    @Test func oneThreadPutsWhileAnotherTakes() {
        let ring = TraceRing(octets: 1 << 14)
        let count: UInt64 = 20_000
        let thread = Thread {
            for sequence in 0..<count {
                let octets = [UInt8](
                    repeating: UInt8(truncatingIfNeeded: sequence),
                    count: Int(sequence % 200)
                )
                unsafe octets.withUnsafeBytes { bytes in
                    var record = TraceRecord(.inbound, at: sequence)
                    record.sequence = sequence
                    record.captured = UInt32(octets.count)
                    unsafe ring.take(record, bytes)
                }
            }
        }
        thread.start()
        var last: UInt64?
        var taken = 0
        while taken + ring.lostRecords < Int(count) {
            guard let entry = ring.next() else { continue }
            taken += 1
            let sequence = entry.record.sequence
            #expect(last.map { $0 < sequence } ?? true)
            #expect(entry.octets.count == Int(sequence % 200))
            #expect(entry.octets.allSatisfy { $0 == UInt8(truncatingIfNeeded: sequence) })
            last = sequence
        }
        #expect(taken > 0)
    }
}
