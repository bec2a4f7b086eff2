internal import Configuration
internal import IKEProtocol
package import IPsecPrimitives
internal import PacketProtection

// SAs whose keys are manual (RFC 4301 §4.5.1): there as long as the configuration has them, and beside
// the engine, which knows nothing of them but that their SPIs are taken.
extension ConnectionController {
    func isManual(_ path: TunnelPath) -> Bool { tunnels[path]?.configuration.manualKeys != nil }

    /// The manual pair of an inbound SPI; nil where there is none.
    package func manualAssociation(inboundSPI: SPI) -> ManualAssociation? {
        manualAssociations[inboundSPI]
    }

    /// Keeps the engine from choosing what is taken.
    func reserveManualSPIs() {
        engine.takenSPIs = Set(
            configuration.manualTunnels.compactMap { $0.manualKeys?.inbound.spi.value }
        )
    }

    /// Installs the manual pairs that are not there.
    func installManualPairs(at now: Instant, into effects: inout [ControlEffect]) {
        for connection in configuration.connections where connection.isManual {
            for tunnel in connection.tunnels where manualPair(of: tunnel.path) == nil {
                guard let keys = manualKeys[tunnel.path],
                    let proposal = tunnel.manualProposal,
                    let child = ChildSAInstallation(
                        tunnel,
                        of: connection,
                        keys: keys,
                        natPort: configuration.settings.natPort
                    )
                else { continue }
                install(child, at: now, into: &effects)
                guard pairs[child.inboundSPI]?.isManual == true else { continue }
                let description = IKEReport.ChildSADescription(manual: child, proposal)
                manualAssociations[child.inboundSPI] = ManualAssociation(
                    description: description,
                    installedAt: now
                )
                tell(
                    IKEReport(
                        connection: connection.name,
                        child: tunnel.name,
                        event: .childSAEstablished(description)
                    ),
                    into: &effects
                )
            }
        }
    }

    /// Takes out the pairs that a new configuration has otherwise, or no more; the others stay, and
    /// their sequence numbers go on.
    func dropChangedManualPairs(
        since old: GatewayConfiguration,
        _ oldKeys: ManualKeys,
        into effects: inout [ControlEffect]
    ) {
        for connection in old.connections where connection.isManual {
            let now = configuration.connection(named: connection.name)
            for tunnel in connection.tunnels {
                if let now, let other = now.tunnels.first(where: { $0.path == tunnel.path }),
                    now.isManual, now.hasSamePeer(as: connection),
                    other.hasSameManualAssociations(as: tunnel),
                    manualKeys.hasSameKeys(as: oldKeys, for: tunnel.path)
                {
                    continue
                }
                dropManualPair(of: tunnel.path, into: &effects)
            }
        }
    }

    private func dropManualPair(of path: TunnelPath, into effects: inout [ControlEffect]) {
        guard let spi = manualPair(of: path) else { return }
        removePair(spi, into: &effects)
        tunnels[path]?.pairs.removeAll { $0 == spi }
    }

    private func manualPair(of path: TunnelPath) -> SPI? {
        tunnels[path]?.pairs.first { pairs[$0]?.isManual == true }
    }

    /// SPIs that a configuration has for manual keys and that the engine has given away before.
    func manualConflicts(in configuration: GatewayConfiguration) -> [Located<SPI>] {
        configuration.manualTunnels.compactMap(\.manualKeys?.inbound.spi)
            .filter { engine.hasChosen($0.value) }
    }

    /// What lies in the way of a request about tunnels with manual keys; nil: nothing.
    func manualObstacle(_ wanted: [TunnelPath], toTakeDown: Bool) -> NegotiationFailure? {
        guard let path = wanted.first(where: { isManual($0) && (toTakeDown || !isUp($0)) }) else {
            return nil
        }
        let source = tunnels[path]?.configuration.location.description
        guard toTakeDown else {
            return connections[path.connection]?.failure?.failure
                ?? NegotiationFailure(
                    subject: .connection,
                    explanation: "the keys of \(path) are manual, and its SAs are not in place",
                    source: source,
                    remedy: "see in the log why"
                )
        }
        return NegotiationFailure(
            subject: .connection,
            explanation: "the keys of \(path) are manual: its SAs are there as long as the "
                + "configuration has them",
            source: source,
            remedy:
                "take the tunnel out of the configuration, or write a discard policy before it, "
                + "and reload"
        )
    }

    private func isUp(_ path: TunnelPath) -> Bool { tunnels[path]?.isUp == true }

    /// A manual pair has carried what it may. Nothing makes another, so that nothing leaves until
    /// somebody does.
    func manualLifetimeReached(
        _ path: TunnelPath,
        isOver: Bool,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard let tunnel = tunnels[path]?.configuration else { return }
        let limit = tunnel.lifetimePackets.value == nil ? "lifetime-bytes" : "lifetime-packets"
        let both = tunnel.lifetimeBytes.value != nil && tunnel.lifetimePackets.value != nil
        let keys = both ? "lifetime-bytes or lifetime-packets" : limit
        let located =
            both || limit == "lifetime-bytes"
            ? tunnel.lifetimeBytes.location : tunnel.lifetimePackets.location
        let failure = NegotiationFailure(
            subject: .resources,
            explanation: isOver
                ? "the manual keys of \(path) have carried as much as \(keys) allows: what would go by "
                    + "them is dropped"
                : "the manual keys of \(path) have carried nearly as much as \(keys) allows; then what "
                    + "would go by them is dropped",
            source: located.description,
            remedy: "write new keys and SPIs at both ends, and reload"
        )
        connections[path.connection]?.failure = RecordedFailure(failure: failure, at: now)
        tell(failure, of: path, into: &effects)
    }

    /// A manual pair that the packet path, or the cipher, does not take.
    func manualPairFailed(
        _ path: TunnelPath,
        _ failure: NegotiationFailure,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        dropManualPair(of: path, into: &effects)
        connections[path.connection]?.failure = RecordedFailure(failure: failure, at: now)
        tell(failure, of: path, into: &effects)
    }
}
