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

    private(set) var policyOfTunnel: [TunnelPath: PolicyIdentifier] = [:]
    /// Of policy-based tunnels: the place among the entries, counted from zero.
    private(set) var placeOfTunnel: [TunnelPath: Int] = [:]
    /// Of route-based tunnels. A number that has become free serves for another tunnel at the next
    /// reload at the earliest, when nothing that is under way means the old one any more.
    private(set) var deviceOfTunnel: [TunnelPath: DeviceNumber] = [:]

    /// Of entries that are no tunnel's: the place among the entries, counted from zero.
    private(set) var placeOfPlain: [PolicyIdentifier: Int] = [:]
    /// The entry that covers what no other does.
    private(set) var rest: PolicyIdentifier?

    private var names: [Entry: PolicyIdentifier] = [:]
    private var lastName: UInt32?

    /// - Returns: the policy database, first match first; the last entry of the shared device covers
    ///   everything. Behind it is one entry for each route-based tunnel, of its own device.
    mutating func number(_ configuration: GatewayConfiguration) -> [PolicyEntry] {
        let old = names
        var repeated: [Entry: Int] = [:]
        names = [:]
        var entries: [PolicyEntry] = []
        policyOfTunnel = [:]
        placeOfTunnel = [:]
        placeOfPlain = [:]
        let tunnels = configuration.connections.flatMap(\.tunnels)
        let portTunnels = Set(
            tunnels.filter(\.carriage.populated.value.needPorts).map(\.path)
        )
        let flowTunnels = Set(
            tunnels.filter { !$0.carriage.populated.value.isEmpty }.map(\.path)
        )
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
                entries[place].needsPorts = portTunnels.contains(path)
                entries[place].asksByFlow = flowTunnels.contains(path)
                policyOfTunnel[path] = identifier
                placeOfTunnel[path] = place
            } else {
                placeOfPlain[identifier] = place
            }
        }
        let last = name(.rest, old)
        rest = last
        entries.append(everythingElse(configuration, last))
        numberDevices(configuration.routeBasedTunnels)
        for tunnel in configuration.routeBasedTunnels {
            let identifier = name(.tunnel(tunnel.path), old)
            policyOfTunnel[tunnel.path] = identifier
            guard let device = deviceOfTunnel[tunnel.path] else { continue }
            var entry = PolicyEntry(
                identifier: identifier,
                action: .protect,
                selectors: SelectorPair.pairs(
                    local: tunnel.local.map(\.value),
                    remote: tunnel.remote.map(\.value)
                ),
                device: device
            )
            entry.needsPorts = portTunnels.contains(tunnel.path)
            entry.asksByFlow = flowTunnels.contains(tunnel.path)
            entries.append(entry)
        }
        return entries
    }

    private mutating func numberDevices(_ tunnels: [TunnelConfiguration]) {
        let old = deviceOfTunnel
        var taken = Set(old.values)
        var next = DeviceNumber.shared.rawValue + 1
        deviceOfTunnel = [:]
        for tunnel in tunnels {
            if let known = old[tunnel.path] {
                deviceOfTunnel[tunnel.path] = known
                continue
            }
            while taken.contains(DeviceNumber(rawValue: next)) { next += 1 }
            guard next < DeviceNumber.limit else { return }
            let number = DeviceNumber(rawValue: next)
            taken.insert(number)
            deviceOfTunnel[tunnel.path] = number
        }
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
    private func everythingElse(
        _ configuration: GatewayConfiguration,
        _ identifier: PolicyIdentifier
    ) -> PolicyEntry {
        var entry = PolicyEntry(
            identifier: identifier,
            action: configuration.settings.defaultPolicy == .bypass ? .bypass : .discard,
            selectors: [IPVersion.v4, .v6].map {
                SelectorPair(local: .everything($0), remote: .everything($0))
            }
        )
        entry.isRemainder = true
        return entry
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
