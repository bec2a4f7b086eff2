internal import Configuration
internal import IPsecPrimitives
internal import PacketProtection

/// Asks the packet path's policy database about one packet, and says why the answer is what it is.
struct PolicyJudge {
    private let configuration: GatewayConfiguration
    private let question: PacketQuestion
    private let tuple: PacketTuple
    private let compiled: CompiledPolicies

    /// How many policies that do not decide are told of; who has more reads `cygnet check`.
    private static let passedOverLimit = 5

    init(_ configuration: GatewayConfiguration, _ question: PacketQuestion) {
        self.configuration = configuration
        self.question = question
        let named = Set(
            configuration.policies.flatMap { ($0.local + $0.remote).map(\.ipProtocol) }
        )
        // RFC 3692 §2.1 leaves 253 and 254 to experiments: who names them names few others.
        let unnamed = (1...254).reversed().map(UInt8.init).first { !named.contains($0) }
        tuple = question.tuple(unnamed: unnamed ?? .max)
        compiled = CompiledPolicies(
            configuration.policies.enumerated().map { place, policy in
                PolicyEntry(
                    identifier: PolicyIdentifier(rawValue: UInt32(place)),
                    action: .discard,
                    selectors: SelectorPair.pairs(local: policy.local, remote: policy.remote)
                )
            }
        )
    }

    func verdict(isOutbound: Bool) -> PacketExplanation.Verdict {
        let place = compiled.firstMatch(tuple, isOutbound: isOutbound)
        let passedOver = passedOver(before: place, isOutbound: isOutbound)
        guard let place else { return defaultVerdict(passedOver, isOutbound: isOutbound) }
        let policy = configuration.policies[place]
        var verdict = PacketExplanation.Verdict(
            action: "discard",
            order: place + 1,
            file: policy.location.file,
            line: policy.location.line,
            local: policy.local.map(\.description),
            remote: policy.remote.map(\.description),
            passedOver: passedOver,
            byRoute: byRoute(isOutbound: isOutbound),
            consequences: [],
            hints: hints(passedOver)
        )
        switch policy.action {
        case .discard: verdict.consequences = ["it is dropped"]
        case .bypass:
            verdict.action = "bypass"
            verdict.consequences = ["it passes in clear, untouched"]
        case .protect(let path):
            verdict.action = "protect"
            verdict.tunnel = path.description
            let tunnel = tunnel(path)
            verdict.tunnelLine = tunnel?.location.line
            verdict.consequences = consequences(path, tunnel, isOutbound: isOutbound)
        }
        return verdict
    }

    private func defaultVerdict(
        _ passedOver: [PacketExplanation.PassedOver],
        isOutbound: Bool
    ) -> PacketExplanation.Verdict {
        let isBypass = configuration.settings.defaultPolicy == .bypass
        var hints = hints(passedOver)
        if compiled.firstMatch(tuple, isOutbound: !isOutbound) != nil {
            hints = []
        } else if !isBypass, hints.isEmpty {
            hints = ["a tunnel's local and remote, or an entry of policies, must cover it to pass"]
        }
        return PacketExplanation.Verdict(
            action: isBypass ? "bypass" : "discard",
            local: [],
            remote: [],
            passedOver: passedOver,
            byRoute: byRoute(isOutbound: isOutbound),
            consequences: [isBypass ? "it passes in clear, untouched" : "it is dropped"],
            hints: hints
        )
    }

    private func tunnel(_ path: TunnelPath) -> TunnelConfiguration? {
        configuration.connections.lazy.flatMap(\.tunnels).first { $0.path == path }
    }

    // MARK: Routes

    private func byRoute(isOutbound: Bool) -> [PacketExplanation.ByRoute] {
        let far = isOutbound ? tuple.destination : tuple.source
        return configuration.routeBasedTunnels.compactMap { tunnel in
            guard let interface = tunnel.interface else { return nil }
            let own = PolicyEntry(
                identifier: PolicyIdentifier(rawValue: 0),
                action: .protect,
                selectors: SelectorPair.pairs(
                    local: tunnel.local.map(\.value),
                    remote: tunnel.remote.map(\.value)
                )
            )
            guard CompiledPolicies([own]).firstMatch(tuple, isOutbound: isOutbound) != nil else {
                return nil
            }
            let route = interface.routes.first { TrafficSelector(prefix: $0.value).contains(far) }
            return PacketExplanation.ByRoute(
                interface: interface.name.value,
                tunnel: tunnel.path.description,
                file: tunnel.location.file,
                line: tunnel.location.line,
                route: route?.value.description
            )
        }
    }

    // MARK: Consequences

    private func consequences(
        _ path: TunnelPath,
        _ tunnel: TunnelConfiguration?,
        isOutbound: Bool
    ) -> [String] {
        let place = tunnel.map { " (line \($0.location.line))" } ?? ""
        guard isOutbound else {
            return [
                "it is taken out of tunnel \(path)\(place), by an SA that was agreed on for it",
                "in clear, or by another tunnel, it is dropped",
            ]
        }
        var lines = ["it is protected by tunnel \(path)\(place), never sent in clear"]
        if tunnel?.carriage.mode.value == .transport { lines.append("in transport mode") }
        if let name = TrafficExplanation.className(of: question, path, in: configuration) {
            lines.append("it waits for its turn in traffic class \(name)")
        }
        switch tunnel?.start.value {
        case .onTraffic, .atBoot:
            lines.append("while the tunnel is not up, it is held and brings the tunnel up")
        case .byHand:
            lines.append(
                "while the tunnel is not up, it is dropped: `cygnet up \(path)`, or the peer, "
                    + "brings it up"
            )
        case nil: break
        }
        return lines
    }

    // MARK: Policies that do not decide

    private func passedOver(
        before place: Int?,
        isOutbound: Bool
    ) -> [PacketExplanation.PassedOver] {
        var result: [PacketExplanation.PassedOver] = []
        for (index, policy) in configuration.policies.enumerated() {
            guard index != place else { break }
            guard result.count < PolicyJudge.passedOverLimit,
                let reason = refusal(policy, isOutbound: isOutbound)
            else { continue }
            result.append(
                PacketExplanation.PassedOver(
                    order: index + 1,
                    file: policy.location.file,
                    line: policy.location.line,
                    reason: reason
                )
            )
        }
        return result
    }

    /// Why a policy that covers both addresses does not take the packet; nil where it does not even
    /// cover these.
    private func refusal(_ policy: PolicyConfiguration, isOutbound: Bool) -> String? {
        let near = isOutbound ? tuple.source : tuple.destination
        let far = isOutbound ? tuple.destination : tuple.source
        let pairs = SelectorPair.pairs(local: policy.local, remote: policy.remote).filter {
            $0.local.contains(near) && $0.remote.contains(far)
        }
        guard let pair = pairs.first else { return nil }
        let wanted = pairs.map { max($0.local.ipProtocol, $0.remote.ipProtocol) }
        guard wanted.contains(where: { $0 == 0 || $0 == tuple.ipProtocol }) else {
            return "it takes \(and(wanted.map(IPProtocolName.name))) only"
        }
        let sides = [("here", pair.local), ("there", pair.remote)].filter { !$0.1.ports.isAny }
        return "it takes " + and(sides.map { "\($0.1) \($0.0)" }) + " only"
    }

    private func hints(_ passedOver: [PacketExplanation.PassedOver]) -> [String] {
        guard !passedOver.isEmpty else { return [] }
        if question.ipProtocol == nil {
            return ["policies tell protocols apart here: --protocol tcp asks for that one"]
        }
        if tuple.sourcePort == nil {
            return ["policies tell ports or types apart here: give them to ask for one"]
        }
        return []
    }
}
