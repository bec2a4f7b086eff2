internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// What leaves is the rate, whatever comes.
@Suite("Rates of traffic") struct TrafficRateTests {
    @Test(
        "A flood leaves at the rate, within a hundredth",
        arguments: [64_000, 1 * megabit, 7 * megabit, 40 * megabit],
        [100, 1000]
    )
    func aFloodLeavesAtTheRate(rate: UInt64, octets: Int) throws {
        let link = try ShapedLink(.one(rate: rate))
        // Twice the rate.
        let interval = UInt64(octets) * 4 * second / rate
        link.sources = [ShapedLink.Source(port: 1, octets: octets, interval: interval)]
        // Some thousand packets, and the first burst is not looked at.
        let span = max(UInt64(2000 * octets) * 8 * second / rate, second / 2)
        link.run(until: second + span)
        let found = link.rate(second..<second + span) / Double(rate)
        #expect(abs(found - 1) < 0.01, "\(found)")
    }

    @Test("What is less than the rate passes at once")
    func littleTrafficDoesNotWait() throws {
        let link = try ShapedLink(.one(rate: 10 * megabit))
        link.sources = [ShapedLink.Source(port: 1, octets: 1000, interval: 2 * millisecond)]
        link.run(until: second)
        #expect(link.departed.count > 490)
        #expect(link.delays(of: 1).allSatisfy { $0 == 0 })
        #expect(link.nextDeparture == nil)
    }

    @Test("After a pause no more than a burst comes at once")
    func theBurstIsBounded() throws {
        let link = try ShapedLink(.one(rate: 10 * megabit))
        link.sources = [ShapedLink.Source(port: 1, octets: 1000, interval: 100_000, from: second)]
        link.run(until: second + 10 * millisecond)
        // In 10 ms the rate and a bucket of 2 ms, and at most a packet more.
        let octets = link.departed.reduce(0) { $0 + $1.octets }
        #expect(octets <= 15_000 + 1100)
        #expect(octets >= 14_000)
    }

    @Test("A worker that wakes late sends what it missed, as far as the bucket goes")
    func lateWakesLoseNothing() throws {
        let link = try ShapedLink(.one(rate: 10 * megabit))
        link.sources = [ShapedLink.Source(port: 1, octets: 1000, interval: 400_000)]
        link.run(until: 100 * millisecond)
        link.sources = []
        let before = link.departed.count
        for step in 1...20 {
            link.near.now = Instant(
                nanoseconds: ShapedLink.begin + 100 * millisecond + UInt64(step) * 1_500_000
            )
            link.release()
        }
        let octets = link.departed[before...].reduce(0) { $0 + $1.octets }
        #expect(abs(octets - 37_500) < 1600, "\(octets)")
    }
}
