internal import Configuration
internal import IKEProtocol
package import IPsecPrimitives
internal import PacketProtection

// What the packet path tells.
extension ConnectionController {
    func handle(
        _ event: PacketPathEvent,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        switch event {
        case .acquire(let policy, let packet):
            acquire(policy, packet, at: now, into: &effects)
        case .softLifetimeReached(let association):
            lifetimeReached(association, .soft, at: now, into: &effects)
        case .hardLifetimeReached(let association):
            lifetimeReached(association, .hard, at: now, into: &effects)
        case .peerEndpointChanged(let association, let remote):
            guard let spi = pairOfAssociation[association] else { return }
            absorb(
                engine.handle(.peerEndpointChanged(inboundSPI: spi, remote: remote), at: now),
                at: now,
                into: &effects
            )
        case .firstPacketReceived(let association):
            guard let spi = pairOfAssociation[association] else { return }
            absorb(engine.handle(.childSAInUse(inboundSPI: spi), at: now), at: now, into: &effects)
        case .unknownSPI(let spi, let remote):
            absorb(engine.handle(.unknownSPI(spi, from: remote), at: now), at: now, into: &effects)
            strayTraffic(from: remote.address, at: now, into: &effects)
        case .commandFailed(let association, let failure):
            commandFailed(association, failure, at: now, into: &effects)
        // Of no concern to tunnels: who asked takes it.
        case .answer: return
        case .snapshot(let token, let snapshot):
            counters.arrived(token, snapshot)
            noteTraffic(snapshot, at: now, into: &effects)
            answerCounters(at: now, into: &effects)
        }
    }

    private func answerCounters(at now: Instant, into effects: inout [ControlEffect]) {
        for request in counters.takeSatisfied() { effects.append(.countersReady(request)) }
        if counters.needsAnother { readCounters(at: now, into: &effects) }
    }

    /// Answers with the counters known so far, where the packet path is silent.
    func giveUpCounters(at now: Instant, into effects: inout [ControlEffect]) {
        if counters.giveUp(at: now) { answerCounters(at: now, into: &effects) }
    }

    private func acquire(
        _ policy: PolicyIdentifier,
        _ packet: PacketTuple,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard let path = pathOfPolicy[policy], let record = tunnels[path] else { return }
        if isShuttingDown { return }
        // Nobody would make an SA for it.
        if isManual(path) { return effects.append(.packetPath(.dropHeldPackets(policy))) }
        // A further pair would keep it; the next packet finds it down, and brings it up again.
        if record.isUp, record.isHeldDown, engine.isEnding(path.tunnel, of: path.connection) {
            return effects.append(.packetPath(.dropHeldFlow(policy, packet)))
        }
        let isComing = record.isInitiating && record.hasPairsByPacket && isJoinable(path)
        if record.isUp || isComing { return extend(path, for: packet, at: now, into: &effects) }
        if record.standby == .clear {
            effects.append(.packetPath(.dropHeldPackets(policy)))
            return
        }
        guard now >= record.quietUntil else { return }
        guard !record.hasPairsByPacket || record.refused.allows(packet, at: now) else {
            return effects.append(.packetPath(.dropHeldFlow(policy, packet)))
        }
        initiate(path, packet: packet, at: now, into: &effects)
    }

    private func lifetimeReached(
        _ association: SAIdentifier,
        _ limit: IKEEvent.LifetimeLimit,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard let spi = pairOfAssociation[association] else { return }
        if let pair = pairs[spi], pair.isManual {
            return manualLifetimeReached(
                pair.tunnel,
                isOver: limit == .hard,
                at: now,
                into: &effects
            )
        }
        absorb(
            engine.handle(.childLifetimeReached(inboundSPI: spi, limit: limit), at: now),
            at: now,
            into: &effects
        )
    }

    /// A pair that the packet path could not take is worth nothing: the peer must know.
    private func commandFailed(
        _ association: SAIdentifier,
        _ reason: PacketPathEvent.CommandFailure,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard reason != .unknownSA, let spi = pairOfAssociation[association],
            let path = pairs[spi]?.tunnel
        else { return }
        let failure = NegotiationFailure(
            subject: .resources,
            explanation: "the packet path cannot take the SAs of \(path): "
                + (reason == .tooManySAs ? "its table is full" : "their SPI is taken"),
            remedy: "close tunnels that are not needed"
        )
        if pairs[spi]?.isManual == true {
            return manualPairFailed(path, failure, at: now, into: &effects)
        }
        connections[path.connection]?.failure = RecordedFailure(failure: failure, at: now)
        absorb(
            engine.handle(.discardChildSA(inboundSPI: spi, failure.explanation), at: now),
            at: now,
            into: &effects
        )
    }

    /// RFC 4301 §8.2.1 and §6.1.1: anyone may have sent it, so it is believed within bounds.
    ///
    /// - Parameter floor: the least that is believed, in octets; over IPv6 1280 at least.
    /// - Returns: octets of outer packet, or nil for 0: less than that, but unknown.
    package static func believedMTU(
        _ octets: Int,
        of version: IPVersion,
        linkMTU: Int,
        floor: Int = 576
    ) -> Int? {
        guard octets > 0 else { return nil }
        return min(max(octets, version == .v4 ? floor : max(floor, 1280)), linkMTU)
    }

    /// RFC 8201 §4: such a message "MUST NOT increase" the estimate; time does (RFC 1191 §6.3), since
    /// the path may have changed, or the word of it may have been forged.
    func pathMTU(
        to remote: IPAddress,
        octets: Int,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        let believed = ConnectionController.believedMTU(
            octets,
            of: remote.version,
            linkMTU: linkMTU(to: remote),
            floor: configuration.settings.pathMTUFloor
        )
        guard let believed, believed < configuration.settings.linkMTU,
            pathMTUs.learn(believed, to: remote)
        else { return }
        timers.set(.pathMTU(remote), at: now + configuration.settings.pathMTUMemory)
        doubtInSearch(remote, at: now)
        setLinkMTU(to: remote, into: &effects)
    }

    /// Tries again what the link carries: the path may have changed.
    func doubtPathMTU(to remote: IPAddress, into effects: inout [ControlEffect]) {
        pathMTUs.forget(remote)
        setLinkMTU(to: remote, into: &effects)
    }

    /// The largest outer packet that the path to a peer carries, as far as it is known.
    func linkMTU(to remote: IPAddress) -> Int {
        let link = configuration.settings.linkMTU
        return min(link, pathMTUs.known(to: remote) ?? link)
    }

    func setLinkMTU(to remote: IPAddress, into effects: inout [ControlEffect]) {
        let octets = linkMTU(to: remote)
        for spi in pathMTUs.pairs(to: remote) {
            guard let pair = pairs[spi] else { continue }
            effects.append(.packetPath(.setLinkMTU(pair.outbound, octets: octets)))
            effects.append(.packetPath(.setLinkMTU(pair.inbound, octets: octets)))
        }
    }

    /// Asks the packet path for its counters, unless an answer is on its way.
    func readCounters(at now: Instant, into effects: inout [ControlEffect]) {
        counters.schedule(from: now, every: readingInterval)
        if let token = counters.begin(at: now) { effects.append(.packetPath(.query(token: token))) }
    }

    /// Traffic is the best sign of life (RFC 7296 §2.4).
    private func noteTraffic(
        _ snapshot: PacketPathSnapshot,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard !snapshot.isOutbound else { return }
        for association in snapshot.associations {
            guard let use = association.lastUse,
                let spi = pairOfAssociation[association.identifier],
                pairs[spi].map({ !$0.isManual && $0.lastInboundUse ?? .origin < use }) ?? false
            else { continue }
            pairs[spi]?.lastInboundUse = use
            absorb(
                engine.handle(.trafficReceived(inboundSPI: spi), at: now),
                at: now,
                into: &effects
            )
        }
    }
}
