package import IPsecPrimitives

/// Rekeying that somebody asks for, where otherwise an age or an amount does (RFC 7296 §2.8).
extension IKEEngine {
    /// Inbound SPIs of a connection's Child SAs that nothing has replaced yet; `child` names which,
    /// nil stands for all.
    package func replaceableChildren(of connection: String, child: String?) -> [SPI] {
        var found: [SPI] = []
        for sa in sas.ofConnection(connection) {
            guard let state = sa.established, !state.isReplaced else { continue }
            for one in state.children.values
            where one.stage == .current && (child == nil || one.policy.name == child) {
                found.append(one.inboundSPI)
            }
        }
        return found
    }

    /// Local SPIs of the IKE SAs of a connection that `IKEEvent.rekeyIKESA` replaces.
    package func replaceableIKESAs(of connection: String) -> [IKESPI] {
        sas.ofConnection(connection).filter { $0.established?.isReplaced == false }
            .map(\.localSPI)
    }

    func rekeyIKESAs(of connection: String, at now: Instant) {
        for sa in sas.ofConnection(connection) { enqueue(.rekeyIKESA, of: sa, at: now) }
    }
}
