internal import IPsecPrimitives

/// What a responder remembers of its tickets: which of them serve no more though they have not
/// expired (RFC 5723 §4.3.1, §9.8), and who is presenting one.
///
/// By the SPI of the old IKE SA on this side: what ends an SA, or resumes it, ends all its tickets.
struct TicketLedger {
    private struct Entry {
        /// Seconds since 1970; then the tickets have expired anyhow.
        var forgottenAt: UInt64
        var isInvalid = false
        /// Local SPIs of the half-open SAs that a ticket was shown for.
        var presentations: [IKESPI] = []
    }

    private var entries: [IKESPI: Entry] = [:]
    /// Entries that are kept; of more, those that expire first are forgotten. What is forgotten is
    /// a precaution: nobody but the peer can use its ticket.
    private let limit: Int

    init(limit: Int = 65_536) {
        self.limit = limit
    }

    var count: Int { entries.count }

    func isInvalid(_ spi: IKESPI) -> Bool { entries[spi]?.isInvalid ?? false }

    /// - Parameter expiry: of the last ticket of the SA.
    mutating func invalidate(_ spi: IKESPI, until expiry: UInt64, now: UInt64) {
        guard expiry > now else { return }
        makeRoom(now: now)
        var entry = entries[spi] ?? Entry(forgottenAt: expiry)
        entry.forgottenAt = max(entry.forgottenAt, expiry)
        entry.isInvalid = true
        entry.presentations = []
        entries[spi] = entry
    }

    func presentations(of spi: IKESPI) -> [IKESPI] { entries[spi]?.presentations ?? [] }

    mutating func setPresentations(
        _ presentations: [IKESPI],
        of spi: IKESPI,
        until expiry: UInt64,
        now: UInt64
    ) {
        makeRoom(now: now)
        entries[spi, default: Entry(forgottenAt: expiry)].presentations = presentations
    }

    private mutating func makeRoom(now: UInt64) {
        guard entries.count >= limit else { return }
        entries = entries.filter { $0.value.forgottenAt > now }
        guard entries.count >= limit else { return }
        let oldest = entries.sorted {
            ($0.value.forgottenAt, $0.key.rawValue) < ($1.value.forgottenAt, $1.key.rawValue)
        }
        for (spi, _) in oldest.prefix(limit / 4) { entries[spi] = nil }
    }
}
