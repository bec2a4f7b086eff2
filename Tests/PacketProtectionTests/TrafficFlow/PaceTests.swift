import Testing

@testable import PacketProtection

@Suite("The pace of a train")
struct PaceTests {
    /// Packets that are due until a moment, by looking at the clock as often as the worker might.
    private func count(_ pace: inout Pace, until end: UInt64, step: UInt64) -> Int {
        var count = 0
        var now: UInt64 = 0
        while now < end {
            now = min(now + step, end)
            while pace.due <= now {
                count += 1
                pace.advance()
            }
        }
        return count
    }

    @Test(
        arguments: [
            (octets: 1400, rate: UInt64(10_000_000)), (1400, 64_000), (1500, 1_000_000_000),
            (256, 10_000_000_000), (9000, 999_999_937), (1333, 7_654_321),
        ]
    )
    func theRateIsExact(octets: Int, rate: UInt64) {
        var pace = Pace(units: octets * 8, rate: rate, from: 0)
        let seconds: UInt64 = 20
        let packets = count(&pace, until: seconds * 1_000_000_000, step: 137_731)
        let exact = Double(rate) * Double(seconds) / Double(octets * 8)
        // The first is due at once, and those of one moment together.
        #expect(abs(Double(packets) - exact) <= Double(pace.burst) + 1, "\(packets) of \(exact)")
    }

    @Test func itDoesNotDriftInALongTime() {
        // 1,000,000,007 is prime: the interval is no whole number of nanoseconds.
        var pace = Pace(units: 1400 * 8, rate: 1_000_000_007, from: 5)
        let moments = 3_000_000
        for _ in 0..<moments * pace.burst { pace.advance() }
        let octets = UInt128(1400 * 8) * UInt128(moments * pace.burst)
        let exact = octets * 1_000_000_000 / 1_000_000_007
        #expect(pace.due - 5 == UInt64(exact))
    }

    @Test func nothingIsDueMoreOftenThanAClockIsWorthWaitingFor() {
        var pace = Pace(units: 512 * 8, rate: 5_000_000_000, from: 0)
        for _ in 0..<1000 {
            let before = pace.due
            for _ in 0..<pace.burst {
                #expect(pace.due == before)
                pace.advance()
            }
            #expect(pace.due - before >= 250_000)
        }
    }

    @Test func whatIsDueForTooLongIsLeftOut() {
        var pace = Pace(units: 1250 * 8, rate: 10_000_000, from: 0)  // one a millisecond
        #expect(pace.leaveOut(at: 40_000_000) == 0)
        #expect(pace.leaveOut(at: 100_000_000) == 50)
        #expect(pace.due == 50_000_000)
        // After a week asleep it begins anew, at once.
        let week: UInt64 = 604_800_000_000_000
        let lost = pace.leaveOut(at: week)
        #expect(pace.due == week)
        #expect(abs(lost - 604_799_950) <= 1)
    }
}
