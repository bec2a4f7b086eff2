internal import IPsecPrimitives

/// Which policies come before the exceptions for what neighbours on one link need among themselves.
struct LinkOrder {
    /// Those before the first that is wider than a range of the link, and of those behind it the ones
    /// that name such a range, or a part of it.
    let leading: [TrafficPolicy]
    let trailing: [TrafficPolicy]
    /// The ranges that a policy covers only by being wide.
    let exempt: [IPPrefix]
    private let ranges: [IPPrefix]

    /// - Parameter policies: of that version alone.
    init(_ policies: [TrafficPolicy], _ version: IPVersion) {
        let ranges = LinkOrder.ranges(version)
        func isWide(_ policy: TrafficPolicy) -> Bool {
            policy.action != .bypass && ranges.contains { policy.remote.surrounds($0) }
        }
        func isOnLink(_ policy: TrafficPolicy) -> Bool {
            LinkOrder.isOnLink(policy, ranges)
        }
        let first = policies.firstIndex(where: isWide) ?? policies.endIndex
        leading = policies[..<first] + policies[first...].filter(isOnLink)
        trailing = policies[first...].filter { !isOnLink($0) }
        exempt = ranges.filter { range in
            policies.contains { $0.action != .bypass && $0.remote.surrounds(range) }
        }
        self.ranges = ranges
    }

    /// Whether a policy's remote side lies within a range of the link.
    func isOnLink(_ policy: TrafficPolicy) -> Bool { LinkOrder.isOnLink(policy, ranges) }

    private static func isOnLink(_ policy: TrafficPolicy, _ ranges: [IPPrefix]) -> Bool {
        ranges.contains { $0 == policy.remote || $0.surrounds(policy.remote) }
    }

    private static func ranges(_ version: IPVersion) -> [IPPrefix] {
        let texts =
            switch version {
            case .v4: ["224.0.0.0/4", "169.254.0.0/16", "255.255.255.255"]
            case .v6: ["ff00::/8", "fe80::/10"]
            }
        return texts.compactMap { IPPrefix($0) }
    }
}

extension IPPrefix {
    /// Whether `other` lies within and is smaller.
    fileprivate func surrounds(_ other: IPPrefix) -> Bool {
        length < other.length && contains(other.address)
    }
}
