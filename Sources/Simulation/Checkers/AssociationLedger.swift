internal import Configuration
internal import IPsecPrimitives
internal import PacketProtection

/// The SAs that each packet path has, by the commands that it was given.
struct AssociationLedger {
    struct Association {
        let identifier: SAIdentifier
        let policy: PolicyIdentifier
        let tunnel: TunnelPath?
        let spi: SPI
        let isOutbound: Bool
        /// Rank of the last activation; 0 for none. The highest of a policy is used.
        var activation: UInt64 = 0
        let installedAt: UInt64
    }

    private(set) var associations: [[SAIdentifier: Association]]
    private var lastActivation: UInt64 = 0
    /// The tunnel whose SAs are installed next.
    private var expected: TunnelPath?

    /// Tunnels whose SAs are others than when last asked.
    private var changed: Set<TunnelPath> = []

    init(gateways: Int) { associations = Array(repeating: [:], count: gateways) }

    mutating func expect(_ tunnel: TunnelPath) { expected = tunnel }

    mutating func forget(_ gateway: Int) {
        for association in associations[gateway].values { note(association.tunnel) }
        associations[gateway] = [:]
    }

    mutating func takeChanged() -> Set<TunnelPath> {
        defer { changed = [] }
        return changed
    }

    private mutating func note(_ tunnel: TunnelPath?) {
        if let tunnel { changed.insert(tunnel) }
    }

    mutating func apply(
        _ command: PacketPathCommand,
        at gateway: Int,
        _ now: UInt64
    ) -> Violation? {
        switch command {
        case .installOutbound(let parameters):
            var association = Association(
                identifier: parameters.identifier,
                policy: parameters.policy,
                tunnel: expected,
                spi: parameters.spi,
                isOutbound: true,
                installedAt: now
            )
            if parameters.isActive { association.activation = nextActivation() }
            return add(association, at: gateway, now)
        case .installInbound(let parameters):
            let isTaken = associations[gateway].values.contains {
                !$0.isOutbound && $0.spi == parameters.spi
            }
            if isTaken {
                return Violation(
                    checker: .reuse,
                    text: "g\(gateway) has two inbound SAs with SPI \(parameters.spi)",
                    time: now
                )
            }
            return add(
                Association(
                    identifier: parameters.identifier,
                    policy: parameters.policy,
                    tunnel: expected,
                    spi: parameters.spi,
                    isOutbound: false,
                    installedAt: now
                ),
                at: gateway,
                now
            )
        case .activateOutbound(let identifier):
            let rank = nextActivation()
            associations[gateway][identifier]?.activation = rank
            note(associations[gateway][identifier]?.tunnel)
        case .removeSA(let identifier):
            note(associations[gateway].removeValue(forKey: identifier)?.tunnel)
        default: break
        }
        return nil
    }

    private mutating func add(
        _ association: Association,
        at gateway: Int,
        _ now: UInt64
    ) -> Violation? {
        guard associations[gateway][association.identifier] == nil else {
            return Violation(
                checker: .reuse,
                text: "g\(gateway) gives \(association.identifier) twice",
                time: now
            )
        }
        associations[gateway][association.identifier] = association
        note(association.tunnel)
        return nil
    }

    private mutating func nextActivation() -> UInt64 {
        lastActivation += 1
        return lastActivation
    }

    /// The SPI by which packets of a tunnel leave; nil when they cannot.
    func outboundSPI(_ gateway: Int, _ tunnel: TunnelPath) -> SPI? {
        var best: Association?
        for association in associations[gateway].values
        where association.isOutbound && association.tunnel == tunnel
            && association.activation > best?.activation ?? 0
        { best = association }
        return best?.spi
    }

    func accepts(_ spi: SPI, at gateway: Int) -> Bool {
        associations[gateway].values.contains { !$0.isOutbound && $0.spi == spi }
    }

    /// SPIs of a tunnel's SAs in one direction, in order.
    func spis(_ gateway: Int, _ tunnel: TunnelPath, isOutbound: Bool) -> [SPI] {
        associations[gateway].values
            .filter { $0.isOutbound == isOutbound && $0.tunnel == tunnel }
            .map(\.spi).sorted { $0.rawValue < $1.rawValue }
    }
}
