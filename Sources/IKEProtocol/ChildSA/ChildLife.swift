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
            report(.childSAEstablished(child.description), of: sa, child: child.policy.name)
        }
    }

    /// `new` takes over from `old`, which lives until its Delete.
    func markReplaced(_ old: SPI, by new: SPI, of sa: IKESA, _ state: Established) {
        state.children[old]?.stage = .replaced(by: new)
        disarm(.childRekey(old), of: sa)
        disarm(.retry(.rekeyChild(inboundSPI: old)), of: sa)
        state.tasks.removeAll { $0 == .rekeyChild(inboundSPI: old) }
    }

    /// Removes both halves at once.
    func removeChild(_ spi: SPI, of sa: IKESA) {
        sas.releaseChild(spi)
        for timer in [
            SATimer.childRekey(spi), .childExpiry(spi), .childRemoval(spi),
            .retry(.rekeyChild(inboundSPI: spi)), .retry(.deleteChild(inboundSPI: spi)),
        ] {
            disarm(timer, of: sa)
        }
        guard let state = sa.established, let child = state.children.removeValue(forKey: spi)
        else { return }
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
            // RFC 7296 §2.8: a request to close the replaced SA shows that the peer has the new.
            useOutbound(successor, of: state)
            state.children[child.inboundSPI]?.stage = .lingering
            disarm(.childExpiry(child.inboundSPI), of: sa)
            arm(.childRemoval(child.inboundSPI), of: sa, at: now + settings.replacedSALinger)
        case .current:
            reviveReplaced(by: child.inboundSPI, of: sa, state, at: now)
            report(
                .childSAClosed(inboundSPI: child.inboundSPI, reason),
                of: sa,
                child: child.policy.name
            )
            removeChild(child.inboundSPI, of: sa)
        }
    }

    /// A successor goes, and what it was to replace stays.
    func reviveReplaced(
        by spi: SPI,
        of sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        for old in state.children.values.sorted(by: { $0.inboundSPI < $1.inboundSPI })
        where old.stage == .replaced(by: spi) {
            state.children[old.inboundSPI]?.stage = .current
            disarm(.retry(.deleteChild(inboundSPI: old.inboundSPI)), of: sa)
            effects.append(.useChildSAOutbound(inboundSPI: old.inboundSPI))
            retryLater(.rekeyChild(inboundSPI: old.inboundSPI), of: sa, at: now)
        }
    }

    func useOutbound(_ spi: SPI, of state: Established) {
        guard state.children[spi]?.isUsedOutbound == false else { return }
        state.children[spi]?.isUsedOutbound = true
        effects.append(.useChildSAOutbound(inboundSPI: spi))
    }

    func childIsInUse(_ spi: SPI, at now: Instant) {
        guard let sa = sas.owner(ofChild: spi), let state = sa.established else { return }
        sa.lastHeard = now
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
            report(.childSAClosed(inboundSPI: spi, .expired), of: sa, child: child.policy.name)
        // The peer never deleted what it replaced: its successor is all that is left.
        case .replaced(let successor): useOutbound(successor, of: state)
        case .lingering: return removeChild(spi, of: sa)
        }
        removeChild(spi, of: sa)
        if child.suite.securityProtocol == .ah { state.strayAuthenticationSPIs.insert(spi) }
        // The SPI stays ours until the peer has answered.
        sas.assignChild(spi, to: sa)
        enqueue(.deleteChild(inboundSPI: spi), of: sa, at: now)
    }
}
