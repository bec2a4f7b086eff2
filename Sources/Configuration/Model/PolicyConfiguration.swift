package import IPsecPrimitives

/// One entry of the policy database (RFC 4301 §4.4.1); it covers both directions.
package struct PolicyConfiguration: Equatable, Sendable {
    package enum Action: Hashable, Sendable {
        case protect(TunnelPath)
        case bypass
        case discard
    }

    package let action: Action
    /// Our side of the packet. Local and remote of one version are combined each with each.
    package let local: [TrafficSelector]
    package let remote: [TrafficSelector]
    /// Where the entry stands; for a `protect` that `policies` does not name, where its tunnel does.
    package internal(set) var location: SourceLocation

    package init(
        action: Action,
        local: [TrafficSelector],
        remote: [TrafficSelector],
        location: SourceLocation
    ) {
        self.action = action
        self.local = local
        self.remote = remote
        self.location = location
    }

    /// Each local with each remote selector of its version, where their protocols agree.
    package var pairs: [(local: TrafficSelector, remote: TrafficSelector)] {
        local.flatMap { near in
            remote.filter { far in
                near.version == far.version
                    && (near.ipProtocol == 0 || far.ipProtocol == 0
                        || near.ipProtocol == far.ipProtocol)
            }.map { (near, $0) }
        }
    }
}
