internal import IPsecPrimitives

/// Reads `policies:` and puts the tunnels that it does not name behind it.
struct PolicySection {
    static let actions = ["bypass", "discard", "protect"]
    static let keys = ["local", "remote", "protocol", "local-port", "remote-port"]

    private let connections: [ConnectionConfiguration]
    private let problems: Problems
    /// By `connection/tunnel`.
    private let tunnels: [String: TunnelConfiguration]

    init(connections: [ConnectionConfiguration], problems: Problems) {
        self.connections = connections
        self.problems = problems
        tunnels = Dictionary(
            connections.flatMap(\.tunnels).map { ($0.path.description, $0) },
            uniquingKeysWith: { first, _ in first }
        )
    }

    func read(_ node: YAMLNode?) -> [PolicyConfiguration] {
        var policies: [PolicyConfiguration] = []
        var named: [TunnelPath: SourceLocation] = [:]
        for item in items(node) {
            guard let policy = read(item: item) else { continue }
            if case .protect(let path) = policy.action {
                if let earlier = named[path] {
                    problems.error(
                        at: policy.location,
                        "tunnel \"\(path)\" stands twice in policies",
                        hint: "remove one; the first is on line \(earlier.line)"
                    )
                    continue
                }
                named[path] = policy.location
            }
            policies.append(policy)
        }
        for connection in connections {
            for tunnel in connection.tunnels
            where named[tunnel.path] == nil && tunnel.interface == nil {
                policies.append(protect(tunnel, at: tunnel.location))
            }
        }
        return policies
    }

    private func items(_ node: YAMLNode?) -> ArraySlice<YAMLNode> {
        guard let node else { return [] }
        switch node.content {
        case .null: return []
        case .sequence(let items):
            if items.count > ConfigurationLimits.policies {
                problems.error(
                    at: node.location,
                    "policies has \(items.count) entries",
                    hint: "write at most \(ConfigurationLimits.policies)"
                )
            }
            return items.prefix(ConfigurationLimits.policies)
        case .scalar, .mapping:
            problems.error(
                at: node.location,
                "policies is \(node.kind), but its entries have an order",
                hint: "write a list: begin each entry with `- bypass:`, `- discard:` or "
                    + "`- protect:`"
            )
            return []
        }
    }

    private func read(item: YAMLNode) -> PolicyConfiguration? {
        let form =
            "write `- bypass: {remote: 10.9.0.0/16}`, `- discard: …` or "
            + "`- protect: branch/net`"
        guard
            let entries = MappingReader.entries(of: item, subject: "policy", problems: problems)
        else { return nil }
        guard entries.count == 1, let entry = entries.first else {
            problems.error(
                at: item.location,
                "a policy has one action, this one has \(entries.count)",
                hint: form
            )
            return nil
        }
        switch entry.key {
        case "bypass": return selectors(entry, action: .bypass)
        case "discard": return selectors(entry, action: .discard)
        case "protect": return protect(entry)
        default:
            let near = NearestWord.to(entry.key, among: PolicySection.actions)
            problems.error(
                at: entry.keyLocation,
                "unknown action \"\(shown(entry.key))\" of a policy",
                hint: near.map { "did you mean \"\($0)\"?" } ?? form
            )
            return nil
        }
    }

    private func protect(_ entry: YAMLEntry) -> PolicyConfiguration? {
        guard case .scalar(let text) = entry.value.content else {
            problems.error(
                at: entry.value.location,
                "\"protect\" is \(entry.value.kind)",
                hint: "write the tunnel's name, as in `protect: branch/net`"
            )
            return nil
        }
        guard let tunnel = tunnels[text] else {
            guard !problems.isFull else { return nil }
            let names = tunnels.keys.sorted()
            let near = NearestWord.to(text, among: names).map { "did you mean \"\($0)\"?" }
            problems.error(
                at: entry.value.location,
                "there is no tunnel \"\(shown(text))\"",
                hint: near ?? "write connection/tunnel, one of "
                    + names.prefix(8).joined(separator: ", ")
            )
            return nil
        }
        if let interface = tunnel.interface {
            problems.error(
                at: entry.value.location,
                "tunnel \"\(tunnel.path)\" is route-based: it carries what is routed to its "
                    + "interface \(interface.name.value), whatever the order of policies",
                hint: "remove the entry, or the interface of the tunnel"
            )
            return nil
        }
        return protect(tunnel, at: entry.keyLocation)
    }

    private func protect(
        _ tunnel: TunnelConfiguration,
        at location: SourceLocation
    ) -> PolicyConfiguration {
        PolicyConfiguration(
            action: .protect(tunnel.path),
            local: tunnel.local.map(\.value),
            remote: tunnel.remote.map(\.value),
            location: location
        )
    }

    private func selectors(
        _ entry: YAMLEntry,
        action: PolicyConfiguration.Action
    ) -> PolicyConfiguration? {
        guard
            let reader = MappingReader(
                entry.value,
                subject: "policy \"\(entry.key)\"",
                keys: PolicySection.keys,
                problems: problems
            )
        else { return nil }
        let ipProtocol = reader.value("protocol", default: 0, SelectorText.number(ofProtocol:))
            .value
        if ipProtocol == 0, let port = reader.node("local-port") ?? reader.node("remote-port") {
            problems.error(
                at: port.location,
                "a port without a protocol",
                hint: "add `protocol: tcp` or `protocol: udp`"
            )
            return nil
        }
        func ports(_ key: String) -> PortRange {
            reader.value(key, default: .any) { (text) throws(Complaint) in
                try PortText.parse(text, ipProtocol)
            }.value
        }
        let local = reader.list(
            "local",
            atMost: ConfigurationLimits.selectors,
            SelectorText.parse
        )
        let remote = reader.list(
            "remote",
            atMost: ConfigurationLimits.selectors,
            SelectorText.parse
        )
        let limited = [
            narrow(local ?? everything(like: remote), ipProtocol, ports("local-port"), reader),
            narrow(remote ?? everything(like: local), ipProtocol, ports("remote-port"), reader),
        ]
        let policy = PolicyConfiguration(
            action: action,
            local: limited[0],
            remote: limited[1],
            location: entry.keyLocation
        )
        if policy.pairs.isEmpty, !limited[0].isEmpty, !limited[1].isEmpty {
            problems.error(
                at: entry.keyLocation,
                "this policy covers nothing: local and remote networks are "
                    + "of different IP versions or protocols",
                hint: "write networks of one IP version and protocol"
            )
            return nil
        }
        return policy
    }

    /// What a side covers that is not written: everything, of the other side's IP versions.
    private func everything(
        like other: [Located<TrafficSelector>]?
    ) -> [Located<TrafficSelector>] {
        let versions = other.map { Set($0.map(\.value.version)) } ?? [.v4, .v6]
        let nowhere = SourceLocation(file: "", line: 0, column: 0)
        return [IPVersion.v4, .v6].filter(versions.contains)
            .map { Located(.everything($0), at: nowhere) }
    }

    private func narrow(
        _ selectors: [Located<TrafficSelector>],
        _ ipProtocol: UInt8,
        _ ports: PortRange,
        _ reader: MappingReader
    ) -> [TrafficSelector] {
        guard ipProtocol != 0 else { return selectors.map(\.value) }
        return selectors.compactMap { selector in
            guard selector.value.ipProtocol == 0 else {
                problems.error(
                    at: selector.location,
                    "\(selector.value) names a protocol, and so does \"protocol\"",
                    hint: "name it in one place"
                )
                return nil
            }
            let isOtherICMP =
                (ipProtocol == 1 && selector.value.version == .v6)
                || ([58, 135].contains(ipProtocol) && selector.value.version == .v4)
            guard !isOtherICMP else { return nil }
            return TrafficSelector(
                first: selector.value.first,
                last: selector.value.last,
                ipProtocol: ipProtocol,
                ports: ports
            )
        }
    }
}
