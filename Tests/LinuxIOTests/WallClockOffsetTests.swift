internal import IPsecPrimitives
internal import LinuxIO
internal import Testing

@Suite("Times for people")
struct WallClockOffsetTests {
    /// Two who are told of one event at different times hear of the same time.
    @Test func staysWhileNobodySetsTheClock() {
        var offset = WallClockOffset()
        let first = offset.seconds
        for _ in 0..<10_000 {
            offset.renew()
            #expect(offset.seconds == first)
        }
    }

    @Test func leadsToTheTimeOfDay() {
        let offset = WallClockOffset()
        let before = WallClock.secondsSince1970()
        let told = offset.seconds + Double(BootClock.now().nanoseconds) / 1e9
        let after = WallClock.secondsSince1970()
        #expect(told > before - 0.1 && told < after + 0.1)
    }
}
