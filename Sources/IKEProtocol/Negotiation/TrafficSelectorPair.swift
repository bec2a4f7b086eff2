internal import IPsecPrimitives

/// The traffic between two sides: packets that a selector of each covers (RFC 7296 §2.9).
struct TrafficSelectorPair: Hashable {
    var local: [TrafficSelector]
    var remote: [TrafficSelector]

    func intersection(_ other: TrafficSelectorPair) -> TrafficSelectorPair? {
        var work = SelectorWork()
        return intersection(other, &work)
    }

    /// What both cover; nil when that is nothing.
    ///
    /// Exact, unless a side needs more selectors than a payload holds or more work than is allowed:
    /// then the first ones count, which come from the first ones of `self`.
    func intersection(
        _ other: TrafficSelectorPair,
        _ work: inout SelectorWork
    ) -> TrafficSelectorPair? {
        let local = TrafficSelectorPair.intersection(local, other.local, &work)
        let remote = TrafficSelectorPair.intersection(remote, other.remote, &work)
        guard work.spend(2 * local.count * remote.count) else { return nil }
        if local.count == 1, remote.count == 1 {
            return local[0].mayMeet(remote[0])
                ? TrafficSelectorPair(local: local, remote: remote) : nil
        }
        // A selector counts with another on the other side of which a packet may be.
        let result = TrafficSelectorPair(
            local: local.filter { near in remote.contains { near.mayMeet($0) } },
            remote: remote.filter { far in local.contains { far.mayMeet($0) } }
        )
        return result.isEmpty ? nil : result
    }

    /// Whether no packet is between these.
    var isEmpty: Bool { local.isEmpty || remote.isEmpty }

    func covers(_ other: TrafficSelectorPair) -> Bool {
        var work = SelectorWork()
        return covers(other, &work)
    }

    /// Whether each packet between `other` is between these too; false as well where it takes more
    /// work than is allowed to tell.
    func covers(_ other: TrafficSelectorPair, _ work: inout SelectorWork) -> Bool {
        for selector in other.local where !selector.isCovered(by: local, &work) { return false }
        for selector in other.remote where !selector.isCovered(by: remote, &work) { return false }
        return true
    }

    func covers(_ packet: PacketSelector) -> Bool {
        local.contains { $0.covers(packet.source) }
            && remote.contains { $0.covers(packet.destination) }
    }

    /// Whether the first selectors of an offer, those of a packet if one asks, are covered.
    func coversFirst(of offered: TrafficSelectorPair) -> Bool {
        var work = SelectorWork()
        return coversFirst(of: offered, &work)
    }

    func coversFirst(of offered: TrafficSelectorPair, _ work: inout SelectorWork) -> Bool {
        guard let local = offered.local.first, let remote = offered.remote.first else {
            return false
        }
        return local.isCovered(by: self.local, &work) && remote.isCovered(by: self.remote, &work)
    }

    /// Whether an answer stays within this offer, as it must.
    func allows(_ answer: TrafficSelectorPair) -> Bool { !answer.isEmpty && covers(answer) }

    func cut(to count: Int) -> TrafficSelectorPair {
        TrafficSelectorPair(
            local: Array(local.prefix(count)),
            remote: Array(remote.prefix(count))
        )
    }

    private static func intersection(
        _ left: [TrafficSelector],
        _ right: [TrafficSelector],
        _ work: inout SelectorWork
    ) -> [TrafficSelector] {
        var result: [TrafficSelector] = []
        for first in left {
            for second in right {
                guard work.spend(1) else { return result }
                guard let common = first.intersection(second) else { continue }
                guard work.spend(2 * result.count) else { return result }
                if result.contains(where: { $0.covers(common) }) { continue }
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

    func isCovered(by others: [TrafficSelector]) -> Bool {
        var work = SelectorWork()
        return isCovered(by: others, &work)
    }

    /// Whether several selectors together cover this one; false as well where it takes more work
    /// than is allowed to tell.
    func isCovered(by others: [TrafficSelector], _ work: inout SelectorWork) -> Bool {
        guard work.spend(2 * others.count) else { return false }
        if others.contains(where: { $0.covers(self) }) { return true }
        let parts = others.filter { intersection($0)?.ipProtocol == ipProtocol }
        var rest = [self]
        // OPAQUE goes last: no range says "all ports that can be seen".
        for part in parts.filter({ !$0.ports.isOpaque }) + parts.filter(\.ports.isOpaque) {
            // A piece that is cut is as much work as several that are only compared.
            guard work.spend(4 * rest.count) else { return false }
            rest = rest.flatMap { $0.without(part) }
            if rest.isEmpty { return true }
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
