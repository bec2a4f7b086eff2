internal import IPsecPrimitives

/// What the network said that the paths to the peers carry, and which SAs go there.
struct PathMTUs {
    /// Addresses with an estimate; what comes on top of it is forgotten, for anyone may send it.
    static let limit = 65_536

    private var octets: [IPAddress: Int] = [:]
    private var pairs: [IPAddress: Set<SPI>] = [:]

    /// The largest outer packet to a peer, where it is known to be less than the link's.
    func known(to remote: IPAddress) -> Int? { octets[remote] }

    /// Pairs that go to a peer, in an order that is always the same.
    func pairs(to remote: IPAddress) -> [SPI] { (pairs[remote] ?? []).sorted() }

    /// False where there is nothing to note it for.
    mutating func learn(_ value: Int, to remote: IPAddress) -> Bool {
        guard pairs[remote] != nil, octets[remote] != nil || octets.count < PathMTUs.limit else {
            return false
        }
        octets[remote] = value
        return true
    }

    mutating func forget(_ remote: IPAddress) { octets[remote] = nil }

    mutating func insert(_ pair: SPI, to remote: IPAddress) {
        pairs[remote, default: []].insert(pair)
    }

    mutating func remove(_ pair: SPI, to remote: IPAddress) {
        pairs[remote]?.remove(pair)
        if pairs[remote]?.isEmpty == true { pairs[remote] = nil }
    }
}
