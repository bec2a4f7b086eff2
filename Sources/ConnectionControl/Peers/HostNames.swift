internal import IPsecPrimitives

/// What the names of peers mean, as far as the DNS has told.
///
/// An answer holds for its time to live; it is asked for again then while somebody uses it, and
/// whenever a peer could not be reached. What was known before stays in use until there is a
/// better answer.
struct HostNames {
    /// Answers are kept so long at least: a peer without any time to live must not be asked for at
    /// every packet.
    static let shortestLife = Duration.seconds(5)
    static let longestLife = Duration.seconds(86_400)
    /// Between two questions when there was no answer.
    static let patience = Duration.seconds(10)

    private struct Record {
        var addresses: [IPAddress] = []
        /// Nil: to be asked for.
        var validUntil: Instant?
        var isAsked = false
    }

    private var records: [String: Record] = [:]
    private var namesOfAddress: [IPAddress: Set<String>] = [:]

    /// In the resolver's order of preference.
    func addresses(of name: String) -> [IPAddress] { records[name]?.addresses ?? [] }

    /// In an order that is always the same.
    func names(of address: IPAddress) -> [String] { (namesOfAddress[address] ?? []).sorted() }

    func isValid(_ name: String, at now: Instant) -> Bool {
        records[name]?.validUntil.map { now < $0 } ?? false
    }

    /// Whether the question has to be put; false where an answer is on its way.
    mutating func ask(_ name: String) -> Bool {
        if records[name]?.isAsked == true { return false }
        records[name, default: Record()].isAsked = true
        return true
    }

    /// Takes an answer in.
    ///
    /// - Parameter addresses: empty where the name could not be looked up.
    /// - Returns: when it is to be asked for again.
    mutating func answer(
        _ name: String,
        _ addresses: [IPAddress],
        lifetime: Duration?,
        at now: Instant
    ) -> Instant {
        var record = records[name] ?? Record()
        record.isAsked = false
        var life = HostNames.patience
        if !addresses.isEmpty {
            for old in record.addresses { unlink(name, from: old) }
            for new in addresses { namesOfAddress[new, default: []].insert(name) }
            record.addresses = addresses
            life = min(
                max(lifetime ?? HostNames.patience, HostNames.shortestLife),
                HostNames.longestLife
            )
        }
        record.validUntil = now + life
        records[name] = record
        return now + life
    }

    /// The next who needs it asks anew.
    mutating func doubt(_ name: String) { records[name]?.validUntil = nil }

    mutating func forget(_ name: String) {
        for address in addresses(of: name) { unlink(name, from: address) }
        records[name] = nil
    }

    private mutating func unlink(_ name: String, from address: IPAddress) {
        namesOfAddress[address]?.remove(name)
        if namesOfAddress[address]?.isEmpty == true { namesOfAddress[address] = nil }
    }
}
