internal import IPsecPrimitives

/// Warns of tunnels that take the traffic within their own local network, as one to everywhere
/// does: hosts there could then not reach this machine, nor each other through it.
enum LocalTrafficCheck {
    /// As in `ShadowCheck`.
    private static let selectorLimit = 5000

    static func run(_ policies: [PolicyConfiguration], _ problems: Problems) {
        var selectors = 0
        for (index, policy) in policies.enumerated() {
            selectors += policy.local.count + policy.remote.count
            guard selectors <= selectorLimit else { return }
            guard case .protect(let path) = policy.action else { continue }
            let taken = policy.pairs.first { pair in
                takesLocalTraffic(pair.local, pair.remote)
                    && !policies[..<index].contains { spares($0, pair.local, pair.remote) }
            }
            guard let taken else { continue }
            let network = addresses(taken.local)
            problems.warning(
                at: policy.location,
                "tunnel \"\(path)\" takes the traffic within its own local network \(network), "
                    + "which its remote \(taken.remote) covers",
                hint: "put first into policies: "
                    + "- bypass: {local: \"\(network)\", remote: \"\(network)\"}"
            )
        }
    }

    /// One host has no traffic within; two ends of the same network leave nothing to spare.
    private static func takesLocalTraffic(
        _ local: TrafficSelector,
        _ remote: TrafficSelector
    ) -> Bool {
        guard local.first != local.last else { return false }
        let near = addresses(local)
        let far = addresses(remote)
        return far.covers(near) && !near.covers(far)
    }

    /// Whether an entry decides before about all that the tunnel would take: a bypass lets it
    /// pass, a discard says that it should not.
    private static func spares(
        _ policy: PolicyConfiguration,
        _ local: TrafficSelector,
        _ remote: TrafficSelector
    ) -> Bool {
        if case .protect = policy.action { return false }
        let within = TrafficSelector(
            first: local.first,
            last: local.last,
            ipProtocol: remote.ipProtocol,
            ports: remote.ports
        )
        guard let within else { return false }
        return policy.local.contains { $0.covers(local) }
            && policy.remote.contains { $0.covers(within) }
    }

    private static func addresses(_ selector: TrafficSelector) -> TrafficSelector {
        TrafficSelector(first: selector.first, last: selector.last) ?? selector
    }
}
