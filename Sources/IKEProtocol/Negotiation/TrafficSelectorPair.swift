internal import IPsecPrimitives

/// The traffic between two sides: packets that a selector of each covers (RFC 7296 §2.9).
struct TrafficSelectorPair: Hashable {
    var local: [TrafficSelector]
    var remote: [TrafficSelector]

    /// What both cover; nil when that is nothing.
    ///
    /// Exact, unless a side needs more selectors than a payload holds: then the first ones count,
    /// which come from the first ones of `self`.
    func intersection(_ other: TrafficSelectorPair) -> TrafficSelectorPair? {
        let local = TrafficSelectorPair.intersection(local, other.local)
        let remote = TrafficSelectorPair.intersection(remote, other.remote)
        // A selector counts with another on the other side of which a packet may be.
        let result = TrafficSelectorPair(
            local: local.filter { near in remote.contains { near.mayMeet($0) } },
            remote: remote.filter { far in local.contains { far.mayMeet($0) } }
        )
        return result.isEmpty ? nil : result
    }

    /// Whether no packet is between these.
    var isEmpty: Bool { local.isEmpty || remote.isEmpty }

    /// Whether each packet between `other` is between these too.
    func covers(_ other: TrafficSelectorPair) -> Bool {
        other.local.allSatisfy { $0.isCovered(by: local) }
            && other.remote.allSatisfy { $0.isCovered(by: remote) }
    }

    func covers(_ packet: PacketSelector) -> Bool {
        local.contains { $0.covers(packet.source) }
            && remote.contains { $0.covers(packet.destination) }
    }

    /// Whether the first selectors of an offer, those of a packet if one asks, are covered.
    func coversFirst(of offered: TrafficSelectorPair) -> Bool {
        guard let local = offered.local.first, let remote = offered.remote.first else {
            return false
        }
        return local.isCovered(by: self.local) && remote.isCovered(by: self.remote)
    }

    /// Whether an answer stays within this offer, as it must.
    func allows(_ answer: TrafficSelectorPair) -> Bool { !answer.isEmpty && covers(answer) }

    /// Whether all of it lies between one address and another.
    var isBetweenTwoAddresses: Bool {
        Set(local.flatMap { [$0.first, $0.last] }).count == 1
            && Set(remote.flatMap { [$0.first, $0.last] }).count == 1
    }

    func cut(to count: Int) -> TrafficSelectorPair {
        TrafficSelectorPair(
            local: Array(local.prefix(count)),
            remote: Array(remote.prefix(count))
        )
    }

    private static func intersection(
        _ left: [TrafficSelector],
        _ right: [TrafficSelector]
    ) -> [TrafficSelector] {
        var result: [TrafficSelector] = []
        for first in left {
            for second in right {
                guard let common = first.intersection(second),
                    !result.contains(where: { $0.covers(common) })
                else { continue }
                result.removeAll { common.covers($0) }
                result.append(common)
                if result.count == TrafficSelectorNarrowing.limit { return result }
            }
        }
        return result
    }
}

extension TrafficSelector {
    /// Whether one packet can have one end in each.
    func mayMeet(_ other: TrafficSelector) -> Bool {
        version == other.version
            && (ipProtocol == 0 || other.ipProtocol == 0 || ipProtocol == other.ipProtocol)
    }

    /// Whether several selectors together cover this one.
    func isCovered(by others: [TrafficSelector]) -> Bool {
        if others.contains(where: { $0.covers(self) }) { return true }
        // More pieces than any sensible payload leaves are taken for something left over.
        // OPAQUE goes last: no range says "all ports that can be seen".
        var rest = [self]
        for other in others.filter({ !$0.ports.isOpaque }) + others.filter(\.ports.isOpaque) {
            rest = rest.flatMap { $0.without(other) }
            if rest.isEmpty { return true }
            if rest.count > 4 * TrafficSelectorNarrowing.limit { return false }
        }
        return false
    }

    /// What is left where `other` covers nothing.
    private func without(_ other: TrafficSelector) -> [TrafficSelector] {
        guard let common = intersection(other), common.ipProtocol == ipProtocol else {
            return [self]
        }
        var rest: [TrafficSelector] = []
        func keep(_ first: UInt128, _ last: UInt128, _ ports: PortRange) {
            let piece = TrafficSelector(
                first: IPAddress(version: version, bits: first),
                last: IPAddress(version: version, bits: last),
                ipProtocol: ipProtocol,
                ports: ports
            )
            if let piece { rest.append(piece) }
        }
        if first.bits < common.first.bits { keep(first.bits, common.first.bits - 1, ports) }
        if common.last.bits < last.bits { keep(common.last.bits + 1, last.bits, ports) }
        for piece in ports.without(common.ports) {
            keep(common.first.bits, common.last.bits, piece)
        }
        return rest
    }
}

extension PortRange {
    /// What is left without `part`, which lies within. ANY includes OPAQUE (RFC 4301 §4.4.1.1).
    fileprivate func without(_ part: PortRange) -> [PortRange] {
        if self == part { return [] }
        if part.isOpaque { return [self] }
        var rest: [PortRange] = []
        if lower < part.lower { rest += [PortRange(lower, through: part.lower - 1)!] }
        if part.upper < upper { rest += [PortRange(part.upper + 1, through: upper)!] }
        if isAny { rest.append(.opaque) }
        return rest
    }
}
