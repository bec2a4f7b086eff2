internal import Configuration
internal import IPsecPrimitives
internal import PacketProtection

/// Names the entries of the policy database so that one that stays keeps its name over reloads:
/// packets that wait and SAs in place are bound to it.
///
/// A tunnel's entry is the same as long as the tunnel's name is; what passes in clear or is
/// dropped is known by what it covers. A name is never used again for something else.
struct PolicyNumbering {
    private enum Entry: Hashable {
        case tunnel(TunnelPath)
        /// Of several that say the same, each has its own number.
        case plain(PolicyConfiguration.Action, [TrafficSelector], [TrafficSelector], number: Int)
        /// What nothing else covers.
        case rest
    }

    /// Of each tunnel; and its place among the entries, counted from zero.
    private(set) var policyOfTunnel: [TunnelPath: PolicyIdentifier] = [:]
    private(set) var placeOfTunnel: [TunnelPath: Int] = [:]

    private var names: [Entry: PolicyIdentifier] = [:]
    private var lastName: UInt32?

    /// - Returns: the policy database, first match first; the last entry covers everything.
    mutating func number(_ configuration: GatewayConfiguration) -> [PolicyEntry] {
        let old = names
        var repeated: [Entry: Int] = [:]
        names = [:]
        var entries: [PolicyEntry] = []
        policyOfTunnel = [:]
        placeOfTunnel = [:]
        for (place, policy) in configuration.policies.enumerated() {
            let entry: Entry
            if case .protect(let path) = policy.action {
                entry = .tunnel(path)
            } else {
                let first = Entry.plain(policy.action, policy.local, policy.remote, number: 0)
                let number = repeated[first, default: 0]
                repeated[first] = number + 1
                entry = .plain(policy.action, policy.local, policy.remote, number: number)
            }
            let identifier = name(entry, old)
            entries.append(
                PolicyEntry(
                    identifier: identifier,
                    action: PolicyAction(policy.action),
                    selectors: SelectorPair.pairs(local: policy.local, remote: policy.remote)
                )
            )
            if case .tunnel(let path) = entry {
                policyOfTunnel[path] = identifier
                placeOfTunnel[path] = place
            }
        }
        entries.append(rest(configuration, name(.rest, old)))
        return entries
    }

    private mutating func name(
        _ entry: Entry,
        _ old: [Entry: PolicyIdentifier]
    ) -> PolicyIdentifier {
        let name: PolicyIdentifier
        if let known = old[entry] {
            name = known
        } else {
            let number = lastName.map { $0 + 1 } ?? 0
            lastName = number
            name = PolicyIdentifier(rawValue: number)
        }
        names[entry] = name
        return name
    }

    /// RFC 4301 §5.1: what nothing covers is discarded, unless the operator says otherwise.
    private func rest(
        _ configuration: GatewayConfiguration,
        _ identifier: PolicyIdentifier
    ) -> PolicyEntry {
        PolicyEntry(
            identifier: identifier,
            action: configuration.settings.defaultPolicy == .bypass ? .bypass : .discard,
            selectors: [IPVersion.v4, .v6].map {
                SelectorPair(local: .everything($0), remote: .everything($0))
            }
        )
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
