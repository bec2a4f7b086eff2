internal import IPsecPrimitives

/// The guard's chains for ICMP errors, which are judged by the packet that they quote: an error about a
/// packet that a policy protects shows its header, and often its content, to whoever sees the error.
///
/// RFC 4301 §6.2: an error about what came by an SA passes by the SA that carries the answers, whoever
/// sent the error. Where errors can be marked they get a mark here that leads them to the device;
/// where they cannot, they are dropped. In the other direction an error in clear about what was sent by
/// an SA is forged, or leaked by the peer: what is true of that packet comes by the SA.
///
/// Where a quotation does not show what a policy asks for (a header with options, a fragment behind the
/// first, an extension header, an end too soon), a policy that protects takes it and others do not:
/// what is led to the device so is judged again there.
struct ErrorChains {
    enum Direction: String {
        /// About what came by an SA.
        case outbound
        /// About what was sent by one.
        case inbound
    }

    /// What errors get that are to pass by an SA; nil where there is no such mark.
    let mark: PacketMark?
    private let policies: [(version: IPVersion, groups: [QuotedPolicies.Group])]

    init(_ plan: GuardPlan) {
        mark = plan.mark.forErrors
        policies = [IPVersion.v4, .v6].compactMap { version in
            let quoted = QuotedPolicies(plan.policies, version)
            return quoted.groups.isEmpty ? nil : (version, quoted.groups)
        }
    }

    /// Whether no policy protects anything.
    var isEmpty: Bool { policies.isEmpty }

    /// Leads ICMP to the chains of a direction; other packets go on.
    func jump(_ direction: Direction) -> String {
        let elements = policies.map { version, _ in
            "\(version == .v4 ? 1 : 58) : jump errors_\(version)_\(direction.rawValue)"
        }
        return "meta l4proto vmap { \(elements.joined(separator: ", ")) }"
    }

    /// Every chain by name, those first that others go to.
    func chains() -> [(name: String, rules: [String])] {
        [Direction.outbound, .inbound].flatMap { direction in
            policies.flatMap { version, groups in
                let verdict = verdict(direction)
                let quotation = Quotation(version, direction)
                let chain = (
                    name: "errors_\(version)_\(direction.rawValue)",
                    rules: [quotation.otherMessages]
                        + groups.flatMap { quotation.rules($0, verdict) }
                )
                guard groups.contains(where: \.isPortBound) else { return [chain] }
                return [(quotation.unseenName, quotation.unseenRules(verdict)), chain]
            }
        }
    }

    private func verdict(_ direction: Direction) -> String {
        switch direction {
        case .inbound: return "counter drop comment \"error in clear about what an SA carried\""
        case .outbound:
            guard let mark else { return ErrorChains.drop }
            let kept = GuardPlan.hexadecimal(~mark.mask)
            let value = GuardPlan.hexadecimal(mark.value)
            return "counter meta mark set meta mark & \(kept) | \(value)"
        }
    }

    /// What becomes of an error that would leave in clear.
    static let drop = "counter drop comment \"error about what came by an SA\""
}

/// Where a quoted packet stands in an error: behind eight octets of ICMP (RFC 792, RFC 4443 §2.4 (c)).
private struct Quotation {
    let version: IPVersion
    let direction: ErrorChains.Direction

    init(_ version: IPVersion, _ direction: ErrorChains.Direction) {
        self.version = version
        self.direction = direction
    }

    private var source: String { version == .v4 ? "@th,160,32" : "@th,128,128" }
    private var destination: String { version == .v4 ? "@th,192,32" : "@th,256,128" }
    private var ipProtocol: String { version == .v4 ? "@th,136,8" : "@th,112,8" }
    /// Behind a header without options or extensions.
    private var ports: [String] {
        version == .v4 ? ["@th,224,16", "@th,240,16"] : ["@th,384,16", "@th,400,16"]
    }

    var unseenName: String { "unseen_\(version)_\(direction.rawValue)" }

    /// Messages that quote nothing leave the chain. RFC 792 and RFC 1475, RFC 2521; RFC 4443 §2.1. A
    /// redirect is a router's word to its neighbour: what it says of our own packets is no leak.
    var otherMessages: String {
        switch (version, direction) {
        case (.v4, .outbound): "icmp type != { 3, 4, 5, 11, 12, 31, 40 } return"
        case (.v4, .inbound): "icmp type != { 3, 4, 11, 12, 31, 40 } return"
        case (.v6, _): "icmpv6 type > 127 return"
        }
    }

    /// For what matches a policy but for ports: those are there to be seen, and others, or the policy
    /// that protects takes it.
    func unseenRules(_ verdict: String) -> [String] {
        // A load beyond the packet's end matches nothing, not even every value.
        let isLongEnough = "\(ports[1]) & 0 == 0"
        switch version {
        case .v4: return ["\(GuardPlan.quotesPorts) \(isLongEnough) return", verdict]
        case .v6: return ["\(isLongEnough) return", verdict]
        }
    }

    func rules(_ group: QuotedPolicies.Group, _ verdict: String) -> [String] {
        let verdict = group.isProtected ? verdict : "return"
        switch group.shape {
        case .addresses: return [addresses(group.policies) + " " + verdict]
        case .protocols:
            let key = "\(source) . \(destination) . \(ipProtocol)"
            let exact =
                "\(key) "
                + GuardPlan.set(group.policies.map { "\(element($0)) . \($0.ipProtocol)" })
            guard group.isProtected, version == .v6 else { return ["\(exact) \(verdict)"] }
            return ["\(exact) \(verdict)"] + hidden(group.policies, verdict)
        case .ports(let number): return rules(group, ofProtocol: number, verdict)
        }
    }

    private func rules(
        _ group: QuotedPolicies.Group,
        ofProtocol number: UInt8,
        _ verdict: String
    ) -> [String] {
        let key = ([source, destination] + ports).joined(separator: " . ")
        let visible = version == .v4 ? GuardPlan.quotesPorts + " " : ""
        var rules = QuotedPolicies.disjoint(group.policies.compactMap(withPorts)).map { part in
            let elements = part.map { "\(element($0)) . \(portElement($0))" }
            return "\(visible)\(ipProtocol) \(number) \(key) \(GuardPlan.set(elements)) \(verdict)"
        }
        guard group.isProtected else { return rules }
        for part in withoutPorts(group.policies) {
            rules.append("\(ipProtocol) \(number) \(addresses(part)) jump \(unseenName)")
        }
        return version == .v4 ? rules : rules + hidden(group.policies, verdict)
    }

    /// Behind an extension header nothing is found: RFC 4301 §5.1.2 has a chain of them walked, which
    /// the device does.
    private func hidden(_ policies: [TrafficPolicy], _ verdict: String) -> [String] {
        let hiding = GuardPlan.set(GuardPlan.hiding.sorted().map(String.init))
        return withoutPorts(policies).map { "\(ipProtocol) \(hiding) \(addresses($0)) \(verdict)" }
    }

    private func withoutPorts(_ policies: [TrafficPolicy]) -> [[TrafficPolicy]] {
        QuotedPolicies.disjoint(
            policies.map { TrafficPolicy($0.action, local: $0.local, remote: $0.remote) }
        )
    }

    private func addresses(_ policies: [TrafficPolicy]) -> String {
        "\(source) . \(destination) \(GuardPlan.set(policies.map(element)))"
    }

    /// The quoted packet's source and destination that a policy covers.
    private func element(_ policy: TrafficPolicy) -> String {
        switch direction {
        case .outbound: "\(range(policy.remote)) . \(range(policy.local))"
        case .inbound: "\(range(policy.local)) . \(range(policy.remote))"
        }
    }

    private func portElement(_ policy: TrafficPolicy) -> String {
        switch direction {
        case .outbound: "\(range(policy.remotePorts)) . \(range(policy.localPorts))"
        case .inbound: "\(range(policy.localPorts)) . \(range(policy.remotePorts))"
        }
    }

    /// The policy as the place of ports in the quoted packet shows it; nil where it is not about ports
    /// that are there to be seen.
    private func withPorts(_ policy: TrafficPolicy) -> TrafficPolicy? {
        if [1, 58, 135].contains(policy.ipProtocol) { return withTypes(policy) }
        return policy.isWithoutPorts ? nil : policy
    }

    /// Type and code stand where the first port does, the type of a Mobility Header where the second
    /// one begins. A policy that protects takes what the sender's
    /// side names, and another only what both do.
    private func withTypes(_ policy: TrafficPolicy) -> TrafficPolicy? {
        let sender = direction == .outbound ? policy.remotePorts : policy.localPorts
        let types =
            policy.action == .protect
            ? sender : policy.localPorts.intersection(policy.remotePorts)
        guard let types, !types.isOpaque else { return nil }
        var result = policy
        let isFirst = policy.ipProtocol != 135
        // Behind it is an octet that says nothing.
        let shown = isFirst ? types : PortRange(types.lower, through: types.upper | 0xff) ?? types
        let isRemote = (direction == .outbound) == isFirst
        result.localPorts = isRemote ? .any : shown
        result.remotePorts = isRemote ? shown : .any
        return result
    }

    private func range(_ ports: PortRange) -> String {
        ports.lower == ports.upper ? "\(ports.lower)" : "\(ports.lower)-\(ports.upper)"
    }

    /// nft knows what lies behind ICMP as numbers only.
    private func range(_ prefix: IPPrefix) -> String {
        let first = "0x" + String(prefix.first.bits, radix: 16)
        guard prefix.length < version.addressBits else { return first }
        return "\(first)-0x" + String(prefix.last.bits, radix: 16)
    }
}

extension GuardPlan {
    /// An IPv4 header without options, of a packet that is no fragment behind the first.
    fileprivate static let quotesPorts = "@th,64,8 0x45 @th,112,16 & 0x1fff == 0"
}
