internal import IPsecPrimitives

/// So many a second, and not more at once.
struct RateLimit {
    private let perSecond: Int
    private var tokens: Int
    private var filledAt: Instant?

    init(perSecond: Int) {
        self.perSecond = perSecond
        tokens = perSecond
    }

    mutating func takes(at now: Instant) -> Bool {
        if let filledAt, now - filledAt < .seconds(1) {
            guard tokens > 0 else { return false }
        } else {
            filledAt = now
            tokens = perSecond
        }
        guard tokens > 0 else { return false }
        tokens -= 1
        return true
    }
}
