/// How long an SA lives by time.
package struct SALifetime: Hashable, Sendable {
    /// Age at which the SA is replaced; nil: never.
    package var rekeyAfter: Duration?
    /// Up to this part of `rekeyAfter`, in per cent, is taken off at random, so that many SAs, or
    /// both ends of one, do not rekey at the same moment (RFC 7296 §2.8).
    package var jitterPercent: Int
    /// Age at which an SA that could not be replaced ends; nil: never.
    package var expireAfter: Duration?

    package init(rekeyAfter: Duration?, jitterPercent: Int = 10, expireAfter: Duration? = nil) {
        self.rekeyAfter = rekeyAfter
        self.jitterPercent = jitterPercent
        self.expireAfter = expireAfter ?? rekeyAfter.map { $0 + $0 / 10 }
    }

    package static let ikeDefault = SALifetime(rekeyAfter: .seconds(4 * 3600))
    package static let childDefault = SALifetime(rekeyAfter: .seconds(3600))
}
