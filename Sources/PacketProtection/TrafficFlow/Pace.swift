/// When the packets of an even train are due: a schedule that nothing but time moves.
///
/// The interval is a fraction of whole nanoseconds, whose remainders are added up, so that the rate
/// is exact however long the train runs. Where packets follow one another faster than a clock is worth
/// being waited for, several are due at once.
struct Pace {
    /// When the next packet is due, in nanoseconds.
    private(set) var due: UInt64
    /// Packets that are due together.
    private(set) var burst: Int
    private var left: Int
    private var whole: UInt64
    private var remainder: UInt64
    private var rate: UInt64
    private var gathered: UInt64 = 0

    /// No two moments of the schedule are nearer to each other.
    private static let granularity: UInt64 = 250_000
    /// What is due for longer is left out: the clock was stopped, or the processor taken away.
    private static let greatestLag: UInt64 = 50_000_000
    private static let second: UInt64 = 1_000_000_000

    /// - Parameters:
    ///   - units: what one packet counts, above 0; octets times 8 where `rate` is of bits.
    ///   - rate: units a second, above 0.
    ///   - start: when the first packet is due, in nanoseconds.
    init(units: Int, rate: UInt64, from start: UInt64) {
        due = start
        self.rate = max(rate, 1)
        burst = 1
        left = 1
        whole = 0
        remainder = 0
        setUnits(units)
    }

    /// Packets count otherwise from the next one on.
    mutating func setUnits(_ units: Int) {
        let one = UInt64(clamping: max(units, 1)) &* Pace.second
        let interval = max(one / rate, 1)
        burst = max(Int(clamping: (Pace.granularity &+ interval &- 1) / interval), 1)
        left = burst
        // At most 65,535 octets and 250,000 packets at once: below 2^63.
        let all = one &* UInt64(burst)
        whole = all / rate
        remainder = all % rate
        gathered = 0
    }

    /// From the packet that was due on to the next.
    mutating func advance() {
        left -= 1
        if left == 0 { advanceMoment() }
    }

    private mutating func advanceMoment() {
        left = burst
        due &+= whole
        gathered &+= remainder
        if gathered >= rate {
            gathered &-= rate
            due &+= 1
        }
    }

    /// Leaves out what is due for too long; returns how many packets that were.
    mutating func leaveOut(at now: UInt64) -> Int {
        guard now > due, now - due > Pace.greatestLag else { return 0 }
        if now - due > Pace.second {
            // Nobody has seen a train for so long: it begins anew.
            let moments = (now - due) / max(whole, 1)
            let lost = left &+ Int(clamping: moments &- 1).multipliedClamping(by: burst)
            due = now
            left = burst
            return max(lost, 1)
        }
        var lost = 0
        while now - due > Pace.greatestLag, now > due {
            lost += left
            advanceMoment()
        }
        return lost
    }

    /// Nanoseconds from one moment to the next, the fraction left out.
    var interval: UInt64 { whole }
}

extension Int {
    fileprivate func multipliedClamping(by factor: Int) -> Int {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
