internal import IPsecPrimitives

/// Finds among many policies of one IP version those that overlap one, without looking at all.
///
/// Of two prefixes that overlap, one holds the other: what overlaps a policy stands at a prefix that
/// holds its own, or begins within it.
struct OverlapSearch {
    private let policies: [TrafficPolicy]
    /// The side that tells more of the policies apart.
    private let side: KeyPath<TrafficPolicy, IPPrefix>
    private let lengths: [Int]
    private var places: [IPPrefix: [Int]] = [:]
    /// Every policy by where its prefix begins.
    private let ordered: [(first: UInt128, place: Int)]

    init(_ policies: [TrafficPolicy]) {
        self.policies = policies
        let isByRemote =
            Set(policies.map(\.remote)).count >= Set(policies.map(\.local)).count
        let side = isByRemote ? \TrafficPolicy.remote : \TrafficPolicy.local
        self.side = side
        lengths = Set(policies.map { $0[keyPath: side].length }).sorted()
        for (place, policy) in policies.enumerated() {
            places[policy[keyPath: side], default: []].append(place)
        }
        ordered = policies.enumerated()
            .map { (first: $0.element[keyPath: side].first.bits, place: $0.offset) }
            .sorted { $0.first < $1.first }
    }

    /// Places from those whose prefix is shortest to those whose is longest: what covers a policy
    /// comes before it.
    var fromShortToLong: [Int] {
        policies.indices.sorted {
            let lengths = (
                policies[$0][keyPath: side].length, policies[$1][keyPath: side].length
            )
            return lengths.0 == lengths.1 ? $0 < $1 : lengths.0 < lengths.1
        }
    }

    /// The places of those that overlap `policy`, in no order.
    func overlapping(_ policy: TrafficPolicy) -> [Int] {
        let prefix = policy[keyPath: side]
        var found: [Int] = []
        for length in lengths where length <= prefix.length {
            if let holder = prefix.holder(length: length), let here = places[holder] {
                found += here.filter { policies[$0].overlaps(policy) }
            }
        }
        for (first, place) in ordered[lowerBound(prefix.first.bits)...] {
            if first > prefix.last.bits { break }
            if policies[place][keyPath: side].length > prefix.length,
                policies[place].overlaps(policy)
            {
                found.append(place)
            }
        }
        return found
    }

    private func lowerBound(_ bits: UInt128) -> Int {
        var (lower, upper) = (0, ordered.count)
        while lower < upper {
            let middle = (lower + upper) / 2
            if ordered[middle].first < bits { lower = middle + 1 } else { upper = middle }
        }
        return lower
    }
}

extension TrafficPolicy {
    /// Whether some packet is covered by both.
    func overlaps(_ other: TrafficPolicy) -> Bool {
        remote.overlaps(other.remote) && local.overlaps(other.local)
            && (ipProtocol == other.ipProtocol || ipProtocol == 0 || other.ipProtocol == 0)
            && localPorts.intersection(other.localPorts) != nil
            && remotePorts.intersection(other.remotePorts) != nil
    }

    /// Whether each packet that `other` covers is covered here too.
    func covers(_ other: TrafficPolicy) -> Bool {
        remote.holds(other.remote) && local.holds(other.local)
            && (ipProtocol == 0 || ipProtocol == other.ipProtocol)
            && localPorts.covers(other.localPorts) && remotePorts.covers(other.remotePorts)
    }
}

extension IPPrefix {
    fileprivate func holds(_ other: IPPrefix) -> Bool {
        length <= other.length && contains(other.address)
    }

    fileprivate func overlaps(_ other: IPPrefix) -> Bool { holds(other) || other.holds(self) }

    /// The prefix of so many bits that holds it; nil where it is shorter itself.
    fileprivate func holder(length shorter: Int) -> IPPrefix? {
        guard shorter <= length else { return nil }
        let hostBits = version.addressBits - shorter
        let bits = hostBits == 128 ? 0 : address.bits & (UInt128.max << UInt128(hostBits))
        return IPPrefix(address: IPAddress(version: version, bits: bits), length: shorter)
    }
}
