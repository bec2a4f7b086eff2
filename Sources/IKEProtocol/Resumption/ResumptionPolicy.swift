/// Whether and how the IKE SAs of a connection can be resumed (RFC 5723).
package struct ResumptionPolicy: Hashable, Sendable {
    /// How long a ticket of ours serves at most, as a responder; whole seconds, one at least.
    package var ticketLifetime: Duration
    /// `file:line`.
    package var source: String

    package init(ticketLifetime: Duration = .seconds(3600), source: String) {
        self.ticketLifetime = ticketLifetime
        self.source = source
    }
}
