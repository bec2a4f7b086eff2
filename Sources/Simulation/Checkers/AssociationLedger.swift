internal import IPsecPrimitives
internal import PacketProtection

/// The SAs that each packet path has, by the commands that it was given.
struct AssociationLedger {
    struct Association {
        let identifier: SAIdentifier
        let policy: PolicyIdentifier
        let spi: SPI
        let isOutbound: Bool
        /// Rank of the last activation; 0 for none. The highest of a policy is used.
        var activation: UInt64 = 0
        let installedAt: UInt64
        weak var cipher: AnyObject?
    }

    private(set) var associations: [[SAIdentifier: Association]]
    private var lastActivation: UInt64 = 0
    /// Ciphers that were in use; each must be gone once its SA is.
    private var removedCiphers: [WeakReference] = []

    init(gateways: Int) { associations = Array(repeating: [:], count: gateways) }

    mutating func forget(_ gateway: Int) { associations[gateway] = [:] }

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
                spi: parameters.spi,
                isOutbound: true,
                installedAt: now,
                cipher: parameters.cipher
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
                    spi: parameters.spi,
                    isOutbound: false,
                    installedAt: now,
                    cipher: parameters.cipher
                ),
                at: gateway,
                now
            )
        case .activateOutbound(let identifier):
            let rank = nextActivation()
            associations[gateway][identifier]?.activation = rank
        case .removeSA(let identifier):
            associations[gateway][identifier] = nil
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
        return nil
    }

    private mutating func nextActivation() -> UInt64 {
        lastActivation += 1
        return lastActivation
    }

    /// The SPI by which packets of a policy leave; nil when they cannot.
    func outboundSPI(_ gateway: Int, _ policy: PolicyIdentifier) -> SPI? {
        var best: Association?
        for association in associations[gateway].values
        where association.isOutbound && association.policy == policy
            && association.activation > best?.activation ?? 0
        { best = association }
        return best?.spi
    }

    func accepts(_ spi: SPI, at gateway: Int) -> Bool {
        associations[gateway].values.contains { !$0.isOutbound && $0.spi == spi }
    }

    func outboundCount(_ gateway: Int, _ policy: PolicyIdentifier) -> Int {
        associations[gateway].values.count {
            $0.isOutbound && $0.policy == policy
        }
    }
}

struct WeakReference {
    weak var object: AnyObject?
}
