// What two configurations have in common, wherever it stands in their files.

extension SourceLocation {
    fileprivate static let nowhere = SourceLocation(file: "", line: 0, column: 0)
}

extension ConnectionConfiguration {
    /// Whether both say the same of the peer and of each tunnel.
    package func saysTheSame(as other: ConnectionConfiguration) -> Bool {
        placeless == other.placeless
    }

    /// Whether both say the same of the peer, whatever tunnels there are.
    package func hasSamePeer(as other: ConnectionConfiguration) -> Bool {
        var (left, right) = (placeless, other.placeless)
        left.tunnels = []
        right.tunnels = []
        return left == right
    }

    private var placeless: ConnectionConfiguration {
        var result = self
        result.location = .nowhere
        result.retransmission.location = .nowhere
        result.tunnels = tunnels.map(\.placeless)
        return result
    }
}

extension RetransmissionConfiguration {
    package func saysTheSame(as other: RetransmissionConfiguration) -> Bool {
        initial == other.initial && factor == other.factor && tries == other.tries
    }
}

extension TunnelConfiguration {
    package func saysTheSame(as other: TunnelConfiguration) -> Bool {
        placeless == other.placeless
    }

    fileprivate var placeless: TunnelConfiguration {
        var result = self
        result.location = .nowhere
        return result
    }
}

extension PolicyConfiguration {
    package func saysTheSame(as other: PolicyConfiguration) -> Bool {
        action == other.action && local == other.local && remote == other.remote
    }
}

extension GatewaySettings {
    package func saysTheSame(as other: GatewaySettings) -> Bool {
        var (left, right) = (self, other)
        left.location = .nowhere
        right.location = .nowhere
        return left == right
    }
}
