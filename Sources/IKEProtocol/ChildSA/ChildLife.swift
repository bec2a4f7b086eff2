internal import IKECredentials
internal import IKEMessages
internal import IPsecPrimitives

/// From the installation of a Child SA to its removal.
extension IKEEngine {
    func install(
        _ plan: ChildInstallationPlan,
        of sa: IKESA,
        _ state: Established,
        isUsedOutboundAtOnce: Bool
    ) {
        var child = plan.child
        let now = child.createdAt
        child.isUsedOutbound = isUsedOutboundAtOnce
        child.rekeyAt = child.policy.lifetime.rekeyAge(random: &random).map { now + $0 }
        state.children[child.inboundSPI] = child
        sas.assignChild(child.inboundSPI, to: sa)
        if let rekeyAt = child.rekeyAt { arm(.childRekey(child.inboundSPI), of: sa, at: rekeyAt) }
        if let age = child.policy.lifetime.expireAfter {
            arm(.childExpiry(child.inboundSPI), of: sa, at: now + age)
        }
        effects.append(
            .installChildSA(
                plan.installation(of: sa, state, isUsedOutboundAtOnce: isUsedOutboundAtOnce)
            )
        )
        if let old = child.replaces {
            report(
                .childSARekeyed(child.description, replaced: old),
                of: sa,
                child: child.policy.name
            )
        } else {
            var description = child.description
            description.isStreamed = sa.childPath.transport == .tcp
            report(.childSAEstablished(description), of: sa, child: child.policy.name)
        }
        watchTwins(of: sa, state, at: now)
    }

    /// `new` takes over from `old`, which lives until its Delete.
    func markReplaced(_ old: SPI, by new: SPI, of sa: IKESA, _ state: Established) {
        state.children[old]?.stage = .replaced(by: new)
        // What has stepped back for it, and is not gone yet, does so for its successor.
        for twin in state.children.values
        where twin.stage == .replaced(by: old)
            && sa.timers[.retry(.deleteChild(inboundSPI: twin.inboundSPI))] != nil
        {
            state.children[twin.inboundSPI]?.stage = .replaced(by: new)
        }
        disarm(.childRekey(old), of: sa)
        disarm(.retry(.rekeyChild(inboundSPI: old)), of: sa)
        state.tasks.removeAll { $0 == .rekeyChild(inboundSPI: old) }
    }

    func removeTimers(ofChild spi: SPI, of sa: IKESA) {
        for timer in [
            SATimer.childRekey(spi), .childExpiry(spi), .childRemoval(spi), .childUse(spi),
            .retry(.rekeyChild(inboundSPI: spi)), .retry(.deleteChild(inboundSPI: spi)),
        ] {
            disarm(timer, of: sa)
        }
    }

    /// Removes both halves at once.
    func removeChild(_ spi: SPI, of sa: IKESA) {
        sas.releaseChild(spi)
        removeTimers(ofChild: spi, of: sa)
        guard let state = sa.established, let child = state.children.removeValue(forKey: spi)
        else { return }
        // Where one is less, the peer may have room for another.
        state.isFull = false
        state.tasks.removeAll { task in
            task == .rekeyChild(inboundSPI: spi) || task == .deleteChild(inboundSPI: spi)
        }
        effects.append(.removeChildSA(inboundSPI: spi, outboundSPI: child.outboundSPI))
    }

    /// A child is deleted at both ends: one that was replaced lingers for packets in flight, any
    /// other goes at once.
    func childIsDeleted(
        _ child: ChildSA,
        of sa: IKESA,
        _ state: Established,
        because reason: IKEReport.ClosureReason,
        at now: Instant
    ) {
        switch child.stage {
        case .lingering: return
        case .replaced(let successor):
            // RFC 7296 §2.8: a request to close the replaced SA shows that the peer has the new. An
            // answer to such a request of ours shows nothing.
            if reason == .deletedByPeer { useSuccessor(successor, of: state) }
            linger(child.inboundSPI, of: sa, state, at: now)
        case .current where sa.isContended(child.inboundSPI):
            // RFC 7296 §2.8.1: the peer knows that its own lost; ours is still to come.
            for old in state.children.values where old.stage == .replaced(by: child.inboundSPI) {
                state.children[old.inboundSPI]?.stage = .current
            }
            linger(child.inboundSPI, of: sa, state, at: now)
        case .current:
            promoteSuccessor(of: child, sa, state)
            reviveReplaced(by: child.inboundSPI, of: sa, state, at: now)
            report(
                .childSAClosed(inboundSPI: child.inboundSPI, reason),
                of: sa,
                child: child.policy.name
            )
            removeChild(child.inboundSPI, of: sa)
            removeLingering(like: child, of: sa, state)
        }
    }

    /// What a child had replaced lingers for the sake of a tunnel that is closed now, and must not
    /// be sent by.
    private func removeLingering(like child: ChildSA, of sa: IKESA, _ state: Established) {
        guard state.currentChild(named: child.policy.name) == nil else { return }
        for old in state.children.values.sorted(by: { $0.inboundSPI < $1.inboundSPI })
        where old.policy.name == child.policy.name && old.stage == .lingering {
            removeChild(old.inboundSPI, of: sa)
        }
    }

    /// Packets in flight still arrive for a while.
    func linger(_ spi: SPI, of sa: IKESA, _ state: Established, at now: Instant) {
        state.children[spi]?.stage = .lingering
        disarm(.childRekey(spi), of: sa)
        disarm(.childExpiry(spi), of: sa)
        arm(.childRemoval(spi), of: sa, at: now + settings.replacedSALinger)
    }

    /// The peer has shown that it has the direct successor of a child that goes, and nothing about
    /// those that replaced the successor in turn.
    private func useSuccessor(_ successor: SPI, of state: Established) {
        var next = state.children[successor]
        // As many steps as there are children at most, whatever the stages say.
        for _ in state.children.keys {
            guard let child = next, child.stage != .lingering, !child.isUsedOutbound else { return }
            guard case .replaced(let spi) = child.stage else { break }
            next = state.children[spi]
        }
        useOutbound(successor, of: state)
    }

    /// A successor goes, and what it was to replace stays.
    @discardableResult
    func reviveReplaced(
        by spi: SPI,
        of sa: IKESA,
        _ state: Established,
        at now: Instant
    ) -> Bool {
        let hasTwins = reviveTwins(of: spi, sa, state, at: now)
        return revive(replacedBy: spi, of: sa, state, at: now) || hasTwins
    }

    func revive(
        replacedBy spi: SPI,
        of sa: IKESA,
        _ state: Established,
        at now: Instant
    ) -> Bool {
        var isRevived = false
        for old in state.children.values.sorted(by: { $0.inboundSPI < $1.inboundSPI })
        where old.stage == .replaced(by: spi) && !old.isUnwanted {
            isRevived = true
            state.tasks.removeAll { $0 == .deleteChild(inboundSPI: old.inboundSPI) }
            state.children[old.inboundSPI]?.stage = .current
            disarm(.retry(.deleteChild(inboundSPI: old.inboundSPI)), of: sa)
            effects.append(.useChildSAOutbound(inboundSPI: old.inboundSPI))
            retryLater(.rekeyChild(inboundSPI: old.inboundSPI), of: sa, at: now)
        }
        return isRevived
    }

    func useOutbound(_ spi: SPI, of state: Established) {
        // One that lingers is over for the peer, whatever arrives by it late.
        guard let child = state.children[spi], !child.isUsedOutbound, child.stage != .lingering,
            !hasUsedSuccessor(child, state)
        else { return }
        state.children[spi]?.isUsedOutbound = true
        effects.append(.useChildSAOutbound(inboundSPI: spi))
    }

    /// Whether what has taken a child's place, or the place of that in turn, carries traffic already.
    private func hasUsedSuccessor(_ child: ChildSA, _ state: Established) -> Bool {
        var next = child
        // As many steps as there are children at most, whatever the stages say.
        for _ in state.children.keys {
            guard case .replaced(let spi) = next.stage, let successor = state.children[spi]
            else { return false }
            if successor.isUsedOutbound { return true }
            next = successor
        }
        return false
    }

    /// The peer has not used a child, and has had its time to get the answer that makes it.
    func childIsSurelyThere(_ spi: SPI, of sa: IKESA) {
        guard let state = sa.established else { return }
        useOutbound(spi, of: state)
    }

    func childIsInUse(_ spi: SPI, at now: Instant) {
        guard let sa = sas.owner(ofChild: spi), let state = sa.established else { return }
        // RFC 4555 §3.12: with MOBIKE, only of packets by the right path, which `trafficReceived` tells.
        if sa.mobility == nil { sa.lastHeard = now }
        useOutbound(spi, of: state)
    }

    func childAges(_ spi: SPI, _ limit: IKEEvent.LifetimeLimit, at now: Instant) {
        guard let sa = sas.owner(ofChild: spi) else { return }
        switch limit {
        case .soft: enqueue(.rekeyChild(inboundSPI: spi), of: sa, at: now)
        case .hard: expireChild(spi, of: sa, at: now)
        }
    }

    /// The end of a child that nothing has replaced in time.
    func expireChild(_ spi: SPI, of sa: IKESA, at now: Instant) {
        guard let state = sa.established, let child = state.children[spi] else { return }
        switch child.stage {
        case .current:
            promoteSuccessor(of: child, sa, state)
            reviveTwins(of: spi, sa, state, at: now)
            report(.childSAClosed(inboundSPI: spi, .expired), of: sa, child: child.policy.name)
        // The peer never deleted what it replaced: its successor is all that is left.
        case .replaced(let successor): useSuccessor(successor, of: state)
        case .lingering: return removeChild(spi, of: sa)
        }
        removeChild(spi, of: sa)
        // As the peer does when it hears of it.
        if child.stage == .current { removeLingering(like: child, of: sa, state) }
        deleteAbsent(spi, child.suite.securityProtocol, of: sa, at: now)
    }
}
