package import Configuration
package import IKECredentials
package import IKEProtocol
package import IPsecPrimitives
internal import PacketProtection

// Another configuration for a gateway that runs.
extension ConnectionController {
    /// What a new configuration would change, and whether it can be put in force at all.
    package func change(
        to configuration: GatewayConfiguration,
        credentials: CredentialStore,
        manualKeys: ManualKeys = ManualKeys()
    ) -> ConfigurationChange {
        var change = ConfigurationChange(
            from: self.configuration,
            self.credentials,
            self.manualKeys,
            to: configuration,
            credentials,
            manualKeys
        )
        change.refuse(manualConflicts(in: configuration))
        if !tellsMarks, let mark = configuration.firstTrafficMark { change.refuse(markAt: mark) }
        return change
    }

    /// Puts a new configuration in force; what it does not change goes on untouched.
    ///
    /// Policies are replaced first, so that no packet passes by one that is gone. Then the engine
    /// closes what is no longer allowed, and what was up begins again with the new values. An SA
    /// that is still allowed but was agreed on or set up otherwise is rekeyed, which loses nothing.
    /// A new secret counts from the next authentication on.
    ///
    /// Does nothing where `change` has refusals.
    package func reload(
        _ configuration: GatewayConfiguration,
        credentials: CredentialStore,
        manualKeys: ManualKeys = ManualKeys(),
        at now: Instant
    ) -> [ControlEffect] {
        let change = change(to: configuration, credentials: credentials, manualKeys: manualKeys)
        guard change.refusals.isEmpty, !isShuttingDown else { return [] }
        let (old, oldKeys) = (self.configuration, self.manualKeys)
        self.configuration = configuration
        self.credentials = credentials
        self.manualKeys = manualKeys
        settle(configuration)
        var effects: [ControlEffect] = []
        let policies = numbering.number(configuration)
        if change.changesPolicies || change.changesPopulated {
            effects.append(.packetPath(.replacePolicies(policies)))
        }
        setTraffic(into: &effects)
        let wanted = adoptTunnels(change, insteadOf: old, at: now, into: &effects)
        dropChangedManualPairs(since: old, oldKeys, into: &effects)
        absorb(
            engine.setConnections(
                configuration.negotiatedConnections.map(IKEConnection.init),
                credentials: credentials,
                changed: change.changedConnections,
                at: now
            ),
            at: now,
            into: &effects
        )
        for name in Set(connectionsOfName.values.joined()) { noteResolved(name) }
        if configuration.settings.linkMTU != old.settings.linkMTU { adoptLinkMTU(into: &effects) }
        installManualPairs(at: now, into: &effects)
        renewPairs(since: old, change.changedConnections, at: now, into: &effects)
        for path in wanted { initiate(path, packet: nil, at: now, into: &effects) }
        afterwards(at: now, into: &effects)
        return effects
    }

    /// The engine's part of `gateway`.
    package func adopt(_ settings: EngineSettings) { engine.settings = settings }

    /// Brings the records up to date.
    ///
    /// - Returns: the tunnels that ought to be up now, if they are not.
    private func adoptTunnels(
        _ change: ConfigurationChange,
        insteadOf old: GatewayConfiguration,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) -> [TunnelPath] {
        let paths = Set(orderedPaths)
        for connection in old.connections {
            for tunnel in connection.tunnels where !paths.contains(tunnel.path) {
                forget(tunnel.path, into: &effects)
            }
        }
        for name in change.removedConnections { connections[name] = nil }
        var wanted: [TunnelPath] = []
        for connection in configuration.connections {
            let hasChanged = change.changedConnections.contains(connection.name)
            if connections[connection.name] == nil {
                connections[connection.name] = ConnectionRecord(connection)
            } else {
                connections[connection.name]?.configuration = connection
                connections[connection.name]?.paths = connection.tunnels.map(\.path)
                // The answer would be for another peer, maybe; who still wants it asks again.
                if hasChanged { connections[connection.name]?.search = PeerSearch() }
            }
            for tunnel in connection.tunnels
            where adopt(tunnel, hasChanged: hasChanged, at: now) {
                wanted.append(tunnel.path)
            }
        }
        return wanted
    }

    /// - Returns: whether the tunnel ought to be up now, if it is not.
    private func adopt(
        _ tunnel: TunnelConfiguration,
        hasChanged: Bool,
        at now: Instant
    ) -> Bool {
        let path = tunnel.path
        let startsAtBoot = tunnel.start.value == .atBoot
        guard let old = tunnels[path]?.configuration else {
            insert(tunnel)
            return startsAtBoot
        }
        tunnels[path]?.configuration = tunnel
        let resources = tunnel.carriage.resources.value
        if resources != old.carriage.resources.value, let record = tunnels[path] {
            // The peer may want more than it did.
            let hasSlots = record.pairs.contains { pairs[$0]?.traffic.slot != nil }
            if hasSlots, resources > old.carriage.resources.value {
                tunnels[path]?.keepsResources = true
            }
            if tunnels[path]?.keepsResources == true { timers.set(.resources(path), at: .origin) }
        }
        if tunnel.carriage.codePointSets != old.carriage.codePointSets {
            tunnels[path]?.classes.reset()
            // Pairs of other classes become pairs of these by rekeying, which comes first.
            expectClasses(path, within: .seconds(3), at: now)
        }
        guard hasChanged, let record = tunnels[path] else { return false }
        if tunnel.start != old.start || tunnel.onLoss != old.onLoss {
            tunnels[path]?.standby = TunnelConfiguration.OnLoss(after: tunnel.start.value)
        }
        let isRestarting = tunnels[path]?.standby == .restart
        // One that is being ended by hand stays so.
        let wasWanted =
            (!record.isHeldDown || record.isAskedForAgain)
            && (record.isUp || record.isInitiating
                || (isRestarting && timers[isSet: .retry(path)]))
        // What is under way with other values is given up by the engine and begins again below.
        tunnels[path]?.isInitiating = false
        tunnels[path]?.failures = 0
        tunnels[path]?.quietUntil = .origin
        tunnels[path]?.needsPacket = false
        tunnels[path]?.refused = RefusedTraffic()
        tunnels[path]?.underWay = PairsUnderWay()
        if tunnel.manualKeys != nil {
            // What IKE would have begun again is the configuration's now.
            timers.cancel(.retry(path))
            timers.cancel(.resources(path))
            timers.cancel(.classes(path))
            return false
        }
        let isNewlyWanted = startsAtBoot && old.start.value != .atBoot
        if startsAtBoot, !record.isHeldDown || isNewlyWanted { return true }
        if !isRestarting { timers.cancel(.retry(path)) }
        return wasWanted
    }

    /// A tunnel that is no longer in the configuration.
    private func forget(_ path: TunnelPath, into effects: inout [ControlEffect]) {
        timers.cancel(.retry(path))
        timers.cancel(.resources(path))
        timers.cancel(.classes(path))
        for (token, outcome) in requests.failed(path, .unconfigured(path)) {
            effects.append(.requestEnded(token, outcome))
        }
        settleDown(path, into: &effects)
        guard let record = tunnels.removeValue(forKey: path) else { return }
        pathOfPolicy[record.policy] = nil
        for spi in record.pairs {
            guard let pair = removePair(spi, into: &effects) else { continue }
            settleRekeys(ofRemoved: pair, into: &effects)
        }
    }

    /// Replaces SAs that the packet path would set up otherwise now.
    private func renewPairs(
        since old: GatewayConfiguration,
        _ changed: Set<String>,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        for connection in old.connections where changed.contains(connection.name) {
            for tunnel in connection.tunnels {
                guard let record = tunnels[tunnel.path],
                    !record.configuration.isCarriedAs(tunnel)
                else { continue }
                for spi in record.pairs
                where pairs[spi]?.isManual == false {
                    absorb(
                        engine.handle(
                            .childLifetimeReached(inboundSPI: spi, limit: .soft),
                            at: now
                        ),
                        at: now,
                        into: &effects
                    )
                }
            }
        }
    }

    private func adoptLinkMTU(into effects: inout [ControlEffect]) {
        for pair in pairs.values.sorted(by: { $0.outbound.rawValue < $1.outbound.rawValue }) {
            let octets = linkMTU(to: pair.remoteAddress)
            effects.append(.packetPath(.setLinkMTU(pair.outbound, octets: octets)))
            effects.append(.packetPath(.setLinkMTU(pair.inbound, octets: octets)))
        }
    }
}

extension NegotiationFailure {
    fileprivate static func unconfigured(_ path: TunnelPath) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "\(path) is no longer in the configuration",
            remedy: "put it back, or ask for another"
        )
    }
}
