internal import Configuration
internal import IPsecPrimitives
internal import PacketProtection

extension GatewayConfiguration {
    /// The ordered policy database of the packet path; an entry's identifier is its place.
    var policyEntries: [PolicyEntry] {
        var entries = policies.enumerated().map { index, policy in
            PolicyEntry(
                identifier: PolicyIdentifier(rawValue: UInt32(index)),
                action: PolicyAction(policy.action),
                selectors: SelectorPair.pairs(local: policy.local, remote: policy.remote)
            )
        }
        let everything = [IPVersion.v4, .v6].map {
            SelectorPair(local: .everything($0), remote: .everything($0))
        }
        // RFC 4301 §5.1: what nothing covers is discarded, unless the operator says otherwise.
        entries.append(
            PolicyEntry(
                identifier: PolicyIdentifier(rawValue: UInt32(policies.count)),
                action: settings.defaultPolicy == .bypass ? .bypass : .discard,
                selectors: everything
            )
        )
        return entries
    }

    /// The place in the policy database of each tunnel.
    var policyOfTunnel: [TunnelPath: PolicyIdentifier] {
        var result: [TunnelPath: PolicyIdentifier] = [:]
        for (index, policy) in policies.enumerated() {
            if case .protect(let path) = policy.action, result[path] == nil {
                result[path] = PolicyIdentifier(rawValue: UInt32(index))
            }
        }
        return result
    }
}

extension PolicyAction {
    init(_ action: PolicyConfiguration.Action) {
        self =
            switch action {
            case .protect: .protect
            case .bypass: .bypass
            case .discard: .discard
            }
    }
}
