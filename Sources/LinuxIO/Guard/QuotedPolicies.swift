internal import IPsecPrimitives

/// The policies of one IP version, as they decide about packets that ICMP errors quote.
///
/// What the first of many policies says is asked of a few sets, however many policies there are:
/// those that say the same, and of which none overlaps another, share one. Policies keep their order
/// where it matters, which is where two overlap and say different things.
struct QuotedPolicies {
    /// What a set of policies looks at.
    enum Shape: Hashable {
        case addresses
        case protocols
        /// Ports, or types and codes, of one protocol.
        case ports(UInt8)
    }

    struct Group {
        let shape: Shape
        /// Whether what it covers must pass by an SA; else it stands before others that say so.
        let isProtected: Bool
        var policies: [TrafficPolicy]

        /// Whether it protects by what a quotation may fail to show.
        var isPortBound: Bool {
            if case .ports = shape { return isProtected }
            return false
        }
    }

    /// In the order in which they decide.
    let groups: [Group]

    init(_ policies: [TrafficPolicy], _ version: IPVersion) {
        let ordered = policies.filter { $0.version == version }
        // Behind the last that protects, everything says the same: that nothing is protected.
        guard let end = ordered.lastIndex(where: { $0.action == .protect }) else {
            groups = []
            return
        }
        let deciding = ordered[...end].filter { $0.action == .protect || !$0.isWithoutPorts }
        let all = QuotedPolicies.layered(deciding).flatMap { layer in
            // In one layer nothing overlaps what says otherwise: any order serves.
            [false, true].flatMap { isProtected in
                let alike = layer.filter { ($0.action == .protect) == isProtected }
                return QuotedPolicies.byShape(alike).flatMap { shape, policies in
                    QuotedPolicies.disjoint(policies).map {
                        Group(shape: shape, isProtected: isProtected, policies: $0)
                    }
                }
            }
        }
        let last = all.lastIndex { $0.isProtected } ?? -1
        groups = Array(all[...last])
    }

    /// Each policy in the first layer behind those that come before it, overlap it and say otherwise.
    private static func layered(_ policies: [TrafficPolicy]) -> [[TrafficPolicy]] {
        var layers = [Int](repeating: 0, count: policies.count)
        let places = Dictionary(grouping: policies.indices) { policies[$0].action == .protect }
        if places.count > 1 {
            let searches = places.mapValues { OverlapSearch($0.map { policies[$0] }) }
            for (place, policy) in policies.enumerated() {
                let otherwise = policy.action != .protect
                guard let others = places[otherwise] else { continue }
                let before = searches[otherwise]?.overlapping(policy).lazy
                    .map { others[$0] }.filter { $0 < place }.map { layers[$0] + 1 }
                layers[place] = before?.max() ?? 0
            }
        }
        var result = [[TrafficPolicy]](repeating: [], count: (layers.max() ?? -1) + 1)
        for (policy, layer) in zip(policies, layers) { result[layer].append(policy) }
        return result
    }

    private static func byShape(
        _ policies: [TrafficPolicy]
    ) -> [(shape: Shape, policies: [TrafficPolicy])] {
        var result: [(shape: Shape, policies: [TrafficPolicy])] = []
        var places: [Shape: Int] = [:]
        for policy in policies {
            let shape = policy.quotedShape
            if let place = places[shape] {
                result[place].policies.append(policy)
            } else {
                places[shape] = result.count
                result.append((shape, [policy]))
            }
        }
        return result
    }

    /// The same policies, in as few parts as serve, of which none has two that overlap. What another
    /// one covers is left out.
    static func disjoint(_ policies: [TrafficPolicy]) -> [[TrafficPolicy]] {
        let search = OverlapSearch(policies)
        var partOf = [Int?](repeating: nil, count: policies.count)
        var parts: [[TrafficPolicy]] = []
        for place in search.fromShortToLong {
            let policy = policies[place]
            let placed = search.overlapping(policy).filter { partOf[$0] != nil }
            if placed.contains(where: { policies[$0].covers(policy) }) { continue }
            let taken = Set(placed.compactMap { partOf[$0] })
            let part = (0...).first { !taken.contains($0) } ?? parts.count
            if part == parts.count { parts.append([]) }
            parts[part].append(policy)
            partOf[place] = part
        }
        return parts
    }
}

extension TrafficPolicy {
    /// Whether only packets without visible ports match, such as fragments behind the first.
    var isWithoutPorts: Bool { localPorts.isOpaque || remotePorts.isOpaque }

    fileprivate var quotedShape: QuotedPolicies.Shape {
        if ipProtocol == 0 { return .addresses }
        return localPorts.isAny && remotePorts.isAny ? .protocols : .ports(ipProtocol)
    }
}
