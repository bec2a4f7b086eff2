import Configuration
import IPsecPrimitives
import Testing

@testable import ConnectionControl

@Suite("What is due when")
struct DueTimesTests {
    private func timer(_ number: Int) -> ControlTimer {
        .retry(TunnelPath(connection: "site", tunnel: "\(number)"))
    }

    private func instant(_ seconds: Int) -> Instant {
        Instant(nanoseconds: UInt64(seconds) * 1_000_000_000)
    }

    @Test func comesInOrderAndOnce() {
        var times = DueTimes()
        for number in 0..<200 { times.set(timer(number), at: instant((number * 73) % 200)) }
        times.set(timer(5), at: instant(500))
        times.cancel(timer(6))
        #expect(times.next() == instant(0) && times.count == 199)
        var taken: [ControlTimer] = []
        while let next = times.take(at: instant(300)) { taken.append(next) }
        let expected = (0..<200).map { second in (0..<200).first { ($0 * 73) % 200 == second }! }
        #expect(taken == expected.filter { $0 != 5 && $0 != 6 }.map(timer))
        #expect(times.next() == instant(500) && times[isSet: timer(5)])
        #expect(times.take(at: instant(499)) == nil && times.take(at: instant(500)) == timer(5))
        #expect(times.next() == nil && times.count == 0)
    }

    @Test func ofTwoAtOnceTheFirstSetGoesFirst() {
        var times = DueTimes()
        for number in [3, 1, 2] { times.set(timer(number), at: instant(1)) }
        #expect((0..<3).compactMap { _ in times.take(at: instant(1)) } == [3, 1, 2].map(timer))
    }

    @Test func whatIsSetAgainAndAgainTakesNoRoom() {
        var times = DueTimes()
        for second in 0..<10_000 { times.set(timer(1), at: instant(second)) }
        #expect(times.entryCount <= 66 && times.next() == instant(9999))
    }
}
