internal import IPsecPrimitives

/// The search for the largest IP datagram that a path carries, by probes that the peer answers
/// (RFC 8899 §5.3): no message of a router is believed, and none is needed, so that a path that
/// swallows large packets without a word is found.
///
/// The link's size is tried first, which ends the search on most paths. Where that does not arrive, the
/// estimate falls to the base at once, and halving finds the size between. No more than `probes` are
/// sent for one search; each is one exchange.
struct PathMTUSearch: Hashable {
    /// RFC 8899 §5.1.2 has 1200 octets for transports; every IPv6 link carries 1280.
    static let base = 1280
    /// Sizes closer than this are not told apart.
    private static let step = 8
    /// From 1280 to 65,535 in halves, with the first three.
    static let probes = 16

    /// MIN_PLPMTU, which is not probed for.
    let minimum: Int
    /// What packets may have meanwhile.
    private(set) var estimate: Int
    /// The largest size that arrived in this search; nil: none yet.
    private var arrived: Int?
    /// The smallest that did not.
    private var lost: Int?
    private var sent = 0
    /// MAX_PLPMTU: what the link carries, or the largest size below it that can be sent.
    private var ceiling: Int

    init(link: Int, version: IPVersion, estimate: Int) {
        ceiling = link
        minimum = min(version == .v4 ? 576 : PathMTUSearch.base, link)
        self.estimate = min(max(estimate, minimum), link)
    }

    /// The size to try; nil when the search is over.
    var next: Int? {
        guard sent < PathMTUSearch.probes else { return nil }
        guard let lost else {
            guard let arrived else { return estimate > minimum ? estimate : ceiling }
            return arrived < ceiling ? ceiling : nil
        }
        if arrived == nil, PathMTUSearch.base < lost, PathMTUSearch.base > minimum {
            return PathMTUSearch.base
        }
        let lower = arrived ?? minimum
        return lost - lower > PathMTUSearch.step ? lower + (lost - lower) / 2 : nil
    }

    /// Takes note of what became of a probe.
    ///
    /// - Parameters:
    ///   - asked: what `next` said.
    ///   - octets: what was sent: a little less where a cipher works in blocks.
    mutating func took(asked: Int, octets: Int, hasArrived: Bool) {
        sent += 1
        guard hasArrived else {
            lost = min(lost ?? .max, octets)
            // RFC 8899 §4.3: a black hole.
            if estimate >= octets {
                estimate = arrived ?? (octets > PathMTUSearch.base ? PathMTUSearch.base : minimum)
            }
            estimate = max(estimate, minimum)
            return
        }
        if asked >= ceiling { ceiling = min(ceiling, octets) }
        // Sizes that the cipher makes the same are not told apart.
        if let arrived, octets <= arrived { lost = min(lost ?? .max, asked) }
        arrived = max(arrived ?? 0, octets)
        estimate = max(arrived ?? octets, minimum)
    }
}
