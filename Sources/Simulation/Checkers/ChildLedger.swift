internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives

/// Every Child SA that a gateway got, held against its configuration and against the other end.
struct ChildLedger {
    /// The algorithms of a Child SA.
    struct Suite: Equatable, CustomStringConvertible {
        let encryption: Transform
        let integrity: UInt16
        let isExtendedSequence: Bool
        let securityProtocol: SecurityProtocol
        let mode: ChildMode

        var description: String {
            "\(securityProtocol) \(encryption) \(integrity) "
                + "\(isExtendedSequence ? "esn" : "noesn") \(mode)"
        }
    }

    /// One end of a Child SA.
    struct End {
        let gateway: Int
        let peering: Int
        let child: String
        let inboundSPI: SPI
        let outboundSPI: SPI
        let inboundKeys: UInt64
        let outboundKeys: UInt64
        let suite: Suite
        let local: [TrafficSelector]
        let remote: [TrafficSelector]
    }

    private let scenario: Scenario
    /// By gateway and inbound SPI: the ends that this life of the gateway has, or had.
    private var ends: [[SPI: End]]

    init(_ scenario: Scenario) {
        self.scenario = scenario
        ends = Array(repeating: [:], count: scenario.gateways.count)
    }

    mutating func forget(_ gateway: Int) { ends[gateway] = [:] }

    func end(_ gateway: Int, _ spi: SPI) -> End? { ends[gateway][spi] }

    mutating func installed(
        _ child: ChildSAInstallation,
        at gateway: Int,
        _ now: UInt64
    ) -> Violation? {
        func violation(_ checker: Checker, _ text: String) -> Violation {
            Violation(
                checker: checker,
                text:
                    "g\(gateway), \(child.connection)/\(child.child), SPIs \(child.inboundSPI) in "
                    + "and \(child.outboundSPI) out: \(text)",
                time: now
            )
        }
        guard
            let peering = scenario.peerings.first(where: {
                $0.name == child.connection && $0.isEnd(gateway)
            }), let tunnel = peering.tunnels.first(where: { $0.name == child.child })
        else { return violation(.selectors, "no such tunnel is configured") }
        if ends[gateway][child.inboundSPI] != nil {
            return violation(.reuse, "the inbound SPI was given before")
        }
        let end = ChildLedger.end(child, gateway, peering.number)
        ends[gateway][child.inboundSPI] = end
        let plan = tunnel.ends[peering.place(of: gateway)]
        if let text = outside(end.local, plan.local) { return violation(.selectors, text) }
        if let text = uncarried(child, plan) { return violation(.agreement, text) }
        if let text = outside(end.remote, plan.remote) { return violation(.selectors, text) }
        if child.peerIdentity != peering.end(of: gateway).remoteIdentity {
            return violation(.identity, "the peer is \(child.peerIdentity)")
        }
        for peer in peering.others(than: gateway) {
            guard let other = ends[peer][child.outboundSPI], other.outboundSPI == child.inboundSPI
            else { continue }
            return disagreement(end, other).map { violation(.agreement, $0) }
        }
        return nil
    }

    /// What an end did not want: the other protocol, or the other mode.
    private func uncarried(_ child: ChildSAInstallation, _ plan: TunnelEndPlan) -> String? {
        let isHeader = child.securityProtocol == .ah
        if isHeader ? plan.headerProposals.isEmpty : plan.espProposals.isEmpty {
            return "it has agreed on \(child.securityProtocol), which it is not configured for"
        }
        guard (child.mode == .transport) == plan.isTransport else {
            return "it has agreed on \(child.mode) mode, which it is not configured for"
        }
        return nil
    }

    private static func end(
        _ child: ChildSAInstallation,
        _ gateway: Int,
        _ peering: Int
    ) -> End {
        End(
            gateway: gateway,
            peering: peering,
            child: child.child,
            inboundSPI: child.inboundSPI,
            outboundSPI: child.outboundSPI,
            inboundKeys: fingerprint(child.inboundKeys),
            outboundKeys: fingerprint(child.outboundKeys),
            suite: Suite(
                encryption: child.encryption,
                integrity: child.integrity?.rawValue ?? 0,
                isExtendedSequence: child.isExtendedSequence,
                securityProtocol: child.securityProtocol,
                mode: child.mode
            ),
            local: child.localSelectors,
            remote: child.remoteSelectors
        )
    }

    private static func fingerprint(_ keys: ESPKeys) -> UInt64 {
        var result: UInt64 = 1
        for key in [keys.encryption, keys.integrity] {
            var bytes = key.copy()
            for byte in bytes { result = Dice.mix(result ^ UInt64(byte)) }
            wipe(&bytes)
        }
        return result
    }

    private func disagreement(_ end: End, _ other: End) -> String? {
        if end.inboundKeys != other.outboundKeys || end.outboundKeys != other.inboundKeys {
            return "the ends have different keys"
        }
        if end.suite != other.suite {
            return "the ends have different algorithms: \(end.suite) here, \(other.suite) there"
        }
        let isTranslated =
            end.suite.mode == .transport
            && [end, other].contains { scenario.gateways[$0.gateway].nat != nil }
        // RFC 7296 §2.23.1: each by the addresses that it sees.
        if !isTranslated,
            Set(end.local) != Set(other.remote) || Set(end.remote) != Set(other.local)
        {
            return "the ends have different selectors: \(end.local) and \(end.remote) here, "
                + "\(other.remote) and \(other.local) there"
        }
        if end.child != other.child { return "the other end takes it for \(other.child)" }
        return nil
    }

    /// What a selector covers beyond the policy.
    private func outside(_ selectors: [TrafficSelector], _ policy: [SelectorPlan]) -> String? {
        if selectors.isEmpty { return "no selectors" }
        return selectors.first { selector in
            !policy.contains { $0.holds(selector) }
        }.map { "\($0) is outside the policy" }
    }
}

extension SelectorPlan {
    /// Whether every packet of a selector is one of ours; reckoned here anew, for what the engine
    /// thinks of it is to be checked.
    func holds(_ selector: TrafficSelector) -> Bool {
        guard selector.first.version == network.version else { return false }
        guard first <= selector.first.bits, selector.last.bits <= last else { return false }
        guard ipProtocol == 0 || ipProtocol == selector.ipProtocol else { return false }
        return port == 0 || (selector.ports.lower == port && selector.ports.upper == port)
    }
}
