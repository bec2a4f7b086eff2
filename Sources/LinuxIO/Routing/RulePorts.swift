internal import IPsecPrimitives

extension TrafficPolicy {
    /// The ports that a routing rule can match, or nil when no rule can stand for the policy.
    ///
    /// The kernel's rules know ports 1 to 65534, and no ICMP types. Where they cannot be exact, a
    /// protect policy takes in more, and the others are left to the guard and to the packet path,
    /// which are: nothing passes in clear that should not.
    var rulePorts: (local: PortRange, remote: PortRange)? {
        if localPorts.isAny, remotePorts.isAny { return (.any, .any) }
        let hasPorts = [6, 17, 33, 132, 136].contains(ipProtocol)
        guard hasPorts, !localPorts.isOpaque, !remotePorts.isOpaque,
            let local = localPorts.ofRules, let remote = remotePorts.ofRules
        else { return action == .protect ? (.any, .any) : nil }
        return (local, remote)
    }
}

extension PortRange {
    /// Those of them that rules know.
    fileprivate var ofRules: PortRange? {
        if isAny { return .any }
        return PortRange(max(lower, 1), through: min(upper, 65_534))
    }
}
