internal import IPsecPrimitives

/// What a new configuration means for an SA that is there.
extension IKEEngine {
    func adopt(_ sa: IKESA, at now: Instant) {
        guard let connection = connection(named: sa.connection.name),
            connection.hasSamePeer(as: sa.connection)
        else { return close(sa, because: .unconfigured, at: now) }
        sa.connection = connection
        guard let state = sa.established else { return }
        for spi in state.children.keys.sorted() {
            guard let child = state.children[spi], child.stage == .current else { continue }
            let policy = connection.children.first { $0.name == child.policy.name }
            if let policy, policy.hasSameTraffic(as: child.policy) { continue }
            enqueue(.deleteChild(inboundSPI: spi), of: sa, at: now)
        }
    }
}

extension IKEConnection {
    fileprivate func hasSamePeer(as other: IKEConnection) -> Bool {
        localAddress == other.localAddress && remoteAddress == other.remoteAddress
            && remotePrefixes == other.remotePrefixes && localIdentity == other.localIdentity
            && remoteIdentity == other.remoteIdentity && encapsulation == other.encapsulation
    }
}

extension ChildPolicy {
    fileprivate func hasSameTraffic(as other: ChildPolicy) -> Bool {
        localSelectors == other.localSelectors && remoteSelectors == other.remoteSelectors
    }
}
