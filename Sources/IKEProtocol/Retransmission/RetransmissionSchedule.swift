internal import IPsecPrimitives

/// When a request that is not answered is sent again (RFC 7296 §2.1 and §2.4 leave it open).
package struct RetransmissionSchedule: Hashable, Sendable {
    /// The wait behind the first sending.
    package var interval: Duration
    /// Each further wait is this many thousandths of the one before.
    package var growthPerMille: Int
    /// Sendings of one request, the first included, before the peer counts as dead.
    package var tries: Int

    package init(
        interval: Duration = .seconds(2),
        growthPerMille: Int = 1800,
        tries: Int = 7
    ) {
        self.interval = interval
        self.growthPerMille = growthPerMille
        self.tries = tries
    }

    private static let longestWait: Duration = .seconds(120)

    /// The wait behind the sending number `attempt`, counted from one, with up to a fifth more or
    /// less, so that many SAs do not send at once.
    func wait(afterAttempt attempt: Int, random: inout any RandomSource) -> Duration {
        var wait = interval
        for _ in 1..<max(attempt, 1) where wait < Self.longestWait {
            wait = wait.thousandths(growthPerMille)
        }
        return Self.jittered(min(wait, Self.longestWait), perMille: 200, random: &random)
    }

    /// How long a peer with the same schedule asks for an answer again: twice, for a peer that is
    /// somewhat more patient.
    var patience: Duration { total * 2 }

    /// From the first sending to giving up.
    var total: Duration {
        var wait = interval
        var total = Duration.zero
        for _ in 0..<max(tries, 1) {
            total += min(wait, Self.longestWait)
            if wait < Self.longestWait { wait = wait.thousandths(growthPerMille) }
        }
        return total
    }

    private static func jittered(
        _ duration: Duration,
        perMille: Int,
        random: inout any RandomSource
    ) -> Duration {
        let share = Int(random.next32() % UInt32(2 * perMille + 1)) - perMille
        return duration + duration.thousandths(share)
    }
}

extension SALifetime {
    /// The age at which an SA is replaced, with its part taken off at random; nil: never.
    func rekeyAge(random: inout any RandomSource) -> Duration? {
        guard let rekeyAfter else { return nil }
        let perMille = Int(random.next32() % UInt32(1 + 10 * max(0, min(jitterPercent, 100))))
        return rekeyAfter - rekeyAfter.thousandths(perMille)
    }
}
