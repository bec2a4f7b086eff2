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
        /// Outbound, of the packets that it is for.
        var codePoints = CodePointSet()
        var path: OuterPath
        /// Rank of the last activation; 0 for none. The highest of a policy is used.
        var activation: UInt64 = 0
        let installedAt: UInt64
    }

    private(set) var associations: [[SAIdentifier: Association]]
    private var lastActivation: UInt64 = 0
    /// Whose SAs are installed next, by gateway, direction and SPI.
    private struct Expected: Hashable {
        let gateway: Int
        let isOutbound: Bool
        let spi: SPI
    }

    private var expected: [Expected: TunnelPath] = [:]

    /// Tunnels whose SAs are others than when last asked.
    private var changed: Set<TunnelPath> = []

    init(gateways: Int) { associations = Array(repeating: [:], count: gateways) }

    mutating func expect(_ tunnel: TunnelPath, inbound: SPI, outbound: SPI, at gateway: Int) {
        expected[Expected(gateway: gateway, isOutbound: false, spi: inbound)] = tunnel
        expected[Expected(gateway: gateway, isOutbound: true, spi: outbound)] = tunnel
    }

    /// The tunnel of an SA that is to be installed.
    func tunnel(_ spi: SPI, isOutbound: Bool, at gateway: Int) -> TunnelPath? {
        expected[Expected(gateway: gateway, isOutbound: isOutbound, spi: spi)]
    }

    private mutating func takeTunnel(_ spi: SPI, isOutbound: Bool, at gateway: Int) -> TunnelPath? {
        expected.removeValue(forKey: Expected(gateway: gateway, isOutbound: isOutbound, spi: spi))
    }

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
                tunnel: takeTunnel(parameters.spi, isOutbound: true, at: gateway),
                spi: parameters.spi,
                isOutbound: true,
                path: parameters.path,
                installedAt: now
            )
            association.codePoints = parameters.codePoints
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
                    tunnel: takeTunnel(parameters.spi, isOutbound: false, at: gateway),
                    spi: parameters.spi,
                    isOutbound: false,
                    path: parameters.path,
                    installedAt: now
                ),
                at: gateway,
                now
            )
        case .activateOutbound(let identifier):
            let rank = nextActivation()
            associations[gateway][identifier]?.activation = rank
            note(associations[gateway][identifier]?.tunnel)
        case .updatePath(let identifier, let path):
            associations[gateway][identifier]?.path = path
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
        outbound(gateway, tunnel)?.spi
    }

    /// The SA by which packets of a tunnel leave; nil when they cannot.
    func outbound(_ gateway: Int, _ tunnel: TunnelPath) -> Association? {
        var best: Association?
        for association in associations[gateway].values
        where association.isOutbound && association.tunnel == tunnel
            && association.activation > best?.activation ?? 0
        { best = association }
        return best
    }

    /// The SA that sends by an SPI.
    func outbound(_ spi: SPI, to remote: IPAddress, at gateway: Int) -> Association? {
        associations[gateway].values.first {
            $0.isOutbound && $0.spi == spi && $0.path.remote.address == remote
        }
    }

    func outbound(of tunnel: TunnelPath, at gateway: Int) -> [Association] {
        associations[gateway].values.filter { $0.isOutbound && $0.tunnel == tunnel }
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
