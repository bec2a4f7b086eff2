internal import IPsecPrimitives

/// When a request that is not answered is sent again (RFC 7296 §2.1, §2.4).
enum RetransmissionSchedule {
    /// The wait behind the sending number `attempt`, counted from one: 1.8 times as long each
    /// time, with up to a fifth more or less, so that many SAs do not send at once.
    static func wait(
        afterAttempt attempt: Int,
        settings: EngineSettings,
        random: inout any RandomSource
    ) -> Duration {
        var wait = settings.retransmissionInterval
        for _ in 1..<max(attempt, 1) { wait = wait * 9 / 5 }
        return jittered(min(wait, longestWait), perMille: 200, random: &random)
    }

    private static let longestWait: Duration = .seconds(120)

    private static func jittered(
        _ duration: Duration,
        perMille: Int,
        random: inout any RandomSource
    ) -> Duration {
        let share = Int(random.next32() % UInt32(2 * perMille + 1)) - perMille
        return duration + duration / 1000 * share
    }
}

extension SALifetime {
    /// The age at which an SA is replaced, with its part taken off at random; nil: never.
    func rekeyAge(random: inout any RandomSource) -> Duration? {
        guard let rekeyAfter else { return nil }
        let perMille = Int(random.next32() % UInt32(1 + 10 * max(0, min(jitterPercent, 100))))
        return rekeyAfter - rekeyAfter / 1000 * perMille
    }
}
