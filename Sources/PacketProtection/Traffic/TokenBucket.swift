/// A rate that is kept in the long run, and how much may come at once.
///
/// What is taken may overdraw it; then it gives nothing until that is paid, so that what leaves is
/// exactly the rate whatever the sizes of packets are. Time is in nanoseconds, and credit in bits and
/// billionths of them: nothing is rounded.
struct TokenBucket {
    /// How long the credit of a whole bucket took to come, in nanoseconds: so much of the rate comes at
    /// once after a pause.
    static let burst: UInt64 = 2_000_000
    /// The same while packets waited for it: a worker that wakes so late loses nothing.
    static let lateness: UInt64 = 10_000_000
    private static let billion: Int64 = 1_000_000_000

    let rate: UInt64
    private var credit: Int64
    private let capacity: Int64
    private var filledAt: UInt64

    /// Full. Precondition: `rate` in bits a second is within `rates`.
    init(rate: UInt64, at now: UInt64) {
        precondition(TokenBucket.rates.contains(rate))
        self.rate = rate
        // The product of a rate and nanoseconds is bits by billionths.
        capacity = Int64(rate) * Int64(TokenBucket.burst)
        credit = capacity
        filledAt = now
    }

    /// Bits a second: nothing overflows within them.
    static let rates: ClosedRange<UInt64> = 8_000...400_000_000_000

    /// Another rate for what is under way.
    func changed(to rate: UInt64, at now: UInt64) -> TokenBucket {
        var result = TokenBucket(rate: rate, at: now)
        result.credit = min(credit, result.capacity)
        return result
    }

    /// - Parameter isAwaited: whether packets waited for it all the time since it last gave nothing.
    mutating func fill(at now: UInt64, isAwaited: Bool = false) {
        guard now > filledAt else { return }
        let (product, isTooMuch) = (now - filledAt).multipliedReportingOverflow(by: rate)
        filledAt = now
        let room = Int64(rate) * Int64(isAwaited ? TokenBucket.lateness : TokenBucket.burst)
        // What is left of a late wake is not kept.
        if isTooMuch || credit >= room || product >= UInt64(room - credit) {
            credit = room
        } else {
            credit += Int64(product)
        }
    }

    /// Whether it gives, as last filled.
    var gives: Bool { credit >= 0 }

    mutating func take(octets: Int) {
        credit -= Int64(octets) * 8 * TokenBucket.billion
    }

    /// When it gives again, as last filled.
    var nextTime: UInt64 {
        guard credit < 0 else { return filledAt }
        return filledAt + (credit.magnitude + rate - 1) / rate
    }
}
