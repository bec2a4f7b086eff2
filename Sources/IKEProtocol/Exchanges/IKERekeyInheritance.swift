internal import IPsecPrimitives

/// Which new IKE SA inherits the Child SAs (RFC 7296 §2.8.2, §2.25.2).
///
/// When the peer's request to replace an IKE SA comes while ours is under way, its new IKE SA is a
/// candidate until our answer tells all four nonces: the new IKE SA "containing the lowest nonce
/// SHOULD be deleted by the node that created it, and the other surviving new IKE SA MUST inherit
/// all the Child SAs". It inherits sooner when the peer shows that it does not know of our request:
/// it deletes the old IKE SA, refuses our request, or uses the new one for Child SAs.
extension IKEEngine {
    /// A successor with the same ends as an IKE SA; not in the table yet.
    func successor(
        of old: IKESA,
        localSPI: IKESPI,
        peerSPI: IKESPI,
        isInitiator: Bool,
        at now: Instant
    ) -> IKESA {
        let sa = IKESA(
            localSPI: localSPI,
            peerSPI: peerSPI,
            isOriginalInitiator: isInitiator,
            connection: old.connection,
            path: old.path,
            state: .closed,
            now: now
        )
        sa.nat = old.nat
        sa.agreed = old.agreed
        // Its keys come from those of the old one (RFC 7296 §2.18).
        sa.usesPPK = old.usesPPK
        sa.loweredFragmentThreshold = old.loweredFragmentThreshold
        sa.isSessionInitiator = old.isSessionInitiator
        sa.supportsRedirect = old.supportsRedirect
        return sa
    }

    /// A new IKE SA takes over children, tasks and whatever waits to be tried again.
    func inherit(
        _ new: IKESA,
        _ keys: SAKeys,
        of old: IKESA,
        _ oldState: Established,
        at now: Instant
    ) {
        enter(new, keys, .current, oldState, at: now)
        takeOver(new, from: old, oldState, at: now)
    }

    /// The peer's new IKE SA, while our own request is under way.
    func noteRival(
        _ new: IKESA,
        _ keys: SAKeys,
        _ nonces: ChildNonces,
        of old: IKESA,
        _ oldState: Established,
        at now: Instant
    ) {
        enter(new, keys, .candidate(of: old.localSPI), oldState, at: now)
        arm(.expiry, of: new, at: now + old.connection.retransmission.patience)
        old.requests.change { exchange in
            guard case .rekeyIKESA(var ours) = exchange else { return false }
            ours.crossing = .init(lowestNonce: nonces.lowest, localSPI: new.localSPI)
            exchange = .rekeyIKESA(ours)
            return true
        }
    }

    /// The peer's new IKE SA that vies with an exchange of ours, unless the peer has deleted it.
    func candidate(of exchange: IKERekeyExchange) -> IKESA? {
        guard let spi = exchange.crossing?.localSPI, let sa = sas[spi],
            case .candidate? = sa.established?.standing
        else { return nil }
        return sa
    }

    func candidate(of old: IKESA) -> IKESA? {
        for outstanding in old.requests.outstanding {
            if case .rekeyIKESA(let exchange) = outstanding.exchange {
                return candidate(of: exchange)
            }
        }
        return nil
    }

    /// The peer's new IKE SA inherits, and our own request is forgotten.
    func adopt(_ rival: IKESA, of old: IKESA, _ oldState: Established, at now: Instant) {
        for outstanding in old.requests.outstanding {
            guard case .rekeyIKESA = outstanding.exchange else { continue }
            old.requests.abandon(outstanding.messageID)
            disarm(.retransmission(outstanding.messageID), of: old)
        }
        disarm(.expiry, of: rival)
        takeOver(rival, from: old, oldState, at: now)
        awaitDelete(of: old, at: now)
    }

    /// A message on a candidate that only makes sense if the peer has moved the children there.
    func adoptIfCandidate(_ sa: IKESA, _ state: Established, at now: Instant) {
        guard case .candidate(let spi) = state.standing, let old = sas[spi],
            let oldState = old.established
        else { return }
        adopt(sa, of: old, oldState, at: now)
    }

    /// Ours is the one that stays: RFC 7296 §2.8: "the initiator deletes the old IKE SA", and the
    /// peer, if it made one as well, its own.
    func win(
        _ new: (sa: IKESA, keys: SAKeys),
        against rival: IKESA?,
        of old: IKESA,
        _ oldState: Established,
        at now: Instant
    ) {
        rival?.established?.standing = .redundant
        inherit(new.sa, new.keys, of: old, oldState, at: now)
        old.timers = old.timers.filter { $0.key.isOfMessages }
        old.state = .closing(Closing(keys: oldState.keys, heir: new.sa.localSPI))
        startTasks(of: old, at: now)
    }

    /// The peer's stays, and the peer deletes the old one; this end deletes its own.
    func lose(
        _ new: (sa: IKESA, keys: SAKeys),
        to rival: IKESA,
        of old: IKESA,
        _ oldState: Established,
        at now: Instant
    ) {
        adopt(rival, of: old, oldState, at: now)
        new.sa.state = .closing(Closing(keys: new.keys))
        sas.insert(new.sa)
        startTasks(of: new.sa, at: now)
    }

    /// RFC 7296 §2.25.2: an IKE SA that is closed while it is replaced takes its successor along.
    func closeSuccessor(
        _ content: MessageContent,
        _ exchange: IKERekeyExchange,
        _ sa: IKESA,
        _ state: Closing,
        at now: Instant
    ) {
        var answer = content
        var additional: [SecretBytes] = []
        if let followUp = exchange.followUp {
            // The peer makes nothing before the last of them (RFC 9370 §2.2.4).
            guard followUp.remaining.isEmpty, let secret = followUp.secret(with: content) else {
                return
            }
            answer = followUp.answer
            additional = followUp.secrets + [secret]
        }
        let made = complete(
            exchange,
            answer,
            sa,
            keys: state.keys,
            additional: additional,
            at: now
        )
        guard let new = made else { return }
        new.sa.state = .closing(Closing(keys: new.keys))
        sas.insert(new.sa)
        startTasks(of: new.sa, at: now)
    }

    /// Should the peer never delete what it has replaced, this end does.
    func awaitDelete(of old: IKESA, at now: Instant) {
        arm(.expiry, of: old, at: now + old.connection.retransmission.patience)
    }

    private func enter(
        _ new: IKESA,
        _ keys: SAKeys,
        _ standing: Established.Standing,
        _ oldState: Established,
        at now: Instant
    ) {
        let state = Established(
            keys: keys,
            localIdentity: oldState.localIdentity,
            remoteIdentity: oldState.remoteIdentity,
            now: now
        )
        state.standing = standing
        state.authenticatedAt = oldState.authenticatedAt
        state.isResumed = oldState.isResumed
        new.state = .established(state)
        sas.insert(new)
    }

    private func takeOver(
        _ new: IKESA,
        from old: IKESA,
        _ oldState: Established,
        at now: Instant
    ) {
        guard let state = new.established else { return }
        releaseFollowUps(of: oldState)
        sas.forgetPeer(of: old)
        state.standing = .current
        sas.rememberPeer(of: new, state)
        state.internalAddresses = oldState.internalAddresses
        state.children = oldState.children
        oldState.children = [:]
        state.strayAuthenticationSPIs = oldState.strayAuthenticationSPIs
        sas.moveChildren(from: old, to: new)
        state.isRetiring = oldState.isRetiring
        state.isMerging = oldState.isMerging
        followRetirement(from: old, to: new)
        for (timer, deadline) in old.timers where timer.isOfChildren {
            arm(timer, of: new, at: deadline)
        }
        state.tasks = oldState.tasks.filter { $0 != .rekeyIKESA && $0 != .checkLiveness }
        oldState.tasks = []
        // A configuration that came meanwhile may have no place for what was agreed on.
        if !new.connection.proposals.allow(state.keys.suite.transforms, for: .ikeSA) {
            state.tasks.append(.rekeyIKESA)
        }
        inheritMobility(new, state, from: old, at: now)
        oldState.standing = .replaced(by: new.localSPI)
        old.timers = old.timers.filter { $0.key.isOfMessages }
        armLifetime(of: new, state, at: now)
        report(.ikeSARekeyed(new.description(state), replaced: old.localSPI), of: new)
        renewTicket(in: new, after: old, at: now)
        startTasks(of: new, at: now)
    }
}

extension SATimer {
    /// Whether it goes with the children to a new IKE SA.
    fileprivate var isOfChildren: Bool {
        switch self {
        case .childRekey, .childExpiry, .childRemoval, .childUse, .overtaken, .twins: true
        case .retry(let task): task != .rekeyIKESA
        default: false
        }
    }
}

extension IKESA {
    /// Whether the peer's new IKE SA already vies with our request for one.
    var hasRivalSuccessor: Bool {
        requests.contains { exchange in
            if case .rekeyIKESA(let ours) = exchange { ours.crossing != nil } else { false }
        }
    }
}
