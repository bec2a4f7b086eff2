internal import IKECredentials
internal import IKEMessages
internal import IPsecPrimitives

/// Several IKE SAs with one peer: by chance, because the peer began anew, or on purpose.
///
/// Both ends may begin at the same time, and then there are two. As with rekeying (RFC 7296
/// §2.8.2), what is random and known to both decides: the one with the lowest of the four SPIs goes
/// and its creator sees to that, once the other carries all that it did. A foreign peer sees no more
/// than a Delete.
extension IKEEngine {
    /// How long an older IKE SA waits for its maker to close it.
    static let overtakenPatience: Duration = .seconds(30)

    /// An IKE SA has come up; its first child, if any, is there.
    func settleDuplicates(of sa: IKESA, _ state: Established, at now: Instant) {
        for spi in sa.retires {
            if let old = sas[spi] { beginRetirement(of: old, in: sa, at: now) }
        }
        if !sa.isOriginalInitiator { absorbBeginnings(into: sa, at: now) }
        for other in duplicates(of: sa, state) where other.established?.isRetiring == false {
            settle(sa, and: other, at: now)
        }
        retireOthers(than: sa, at: now)
    }

    /// Other IKE SAs of the same connection with the same peer.
    func duplicates(of sa: IKESA, _ state: Established) -> [IKESA] {
        sas.others(than: sa, state).filter {
            $0.connection.name == sa.connection.name && $0.established?.standing == .current
        }
    }

    private func settle(_ sa: IKESA, and other: IKESA, at now: Instant) {
        guard !sa.retires.contains(other.localSPI), !other.retires.contains(sa.localSPI) else {
            return
        }
        if sa.overlaps(other), sa.isOriginalInitiator != other.isOriginalInitiator {
            let (loser, winner) = sa.rank < other.rank ? (sa, other) : (other, sa)
            guard loser.isOriginalInitiator else {
                return arm(.overtaken, of: loser, at: now + IKEEngine.overtakenPatience * 2)
            }
            winner.retires.append(loser.localSPI)
            loser.established?.isMerging = true
            beginRetirement(of: loser, in: winner, at: now)
            // The peer surely has the other when it answers there.
            if !winner.isOriginalInitiator { enqueue(.checkLiveness, of: winner, at: now) }
            return retireOthers(than: winner, at: now)
        }
        guard !sa.isOriginalInitiator, sa.connection.duplicates == .replace else { return }
        arm(.overtaken, of: other, at: now + IKEEngine.overtakenPatience)
        if other.requests.isEmpty { enqueue(.checkLiveness, of: other, at: now) }
    }

    /// This end has begun as well, but its first message is not proven to have come anywhere: it
    /// is forgotten, and what it was for goes to the IKE SA that is up.
    private func absorbBeginnings(into sa: IKESA, at now: Instant) {
        for other in sas.begun(for: sa.connection.name) {
            guard other.retires.isEmpty, other.path.remote.address == sa.path.remote.address
            else { continue }
            let wanted: [IKEEvent.Initiation]
            switch other.state {
            case .initiating(let state): wanted = state.wanted
            case .exchangingKeys(let state): wanted = state.wanted
            // Our proof is on its way, or more: for the peer the IKE SA may be there.
            case .authenticating, .halfOpen, .established, .closing, .closed: continue
            }
            discard(other)
            for initiation in wanted { enqueue(.createChild(initiation), of: sa, at: now) }
        }
    }

    // MARK: Make before break

    /// From now on nothing new goes to `old`, and `new` gets all that `old` has.
    private func beginRetirement(of old: IKESA, in new: IKESA, at now: Instant) {
        guard let oldState = old.established, let state = new.established else { return }
        oldState.isRetiring = true
        var kinds = Set(state.children.values.map(new.kind))
        // Of a peer that takes few children in each, others have some of them, or will.
        kinds.formUnion(childrenElsewhere(than: new, insteadOf: old))
        for child in old.childrenToMove(oldState) where !kinds.contains(old.kind(of: child)) {
            enqueue(.createChild(old.initiation(like: child)), of: new, at: now)
        }
        for outstanding in old.requests.outstanding {
            guard case .createChild(let exchange) = outstanding.exchange,
                exchange.replaces == nil, !exchange.isUnwanted
            else { continue }
            enqueue(.createChild(exchange.offer.initiation), of: new, at: now)
        }
        for (timer, _) in old.timers.sorted(by: { $0.value < $1.value }) {
            guard case .retry(.createChild(let initiation)) = timer else { continue }
            enqueue(.createChild(initiation), of: new, at: now)
        }
        for case .createChild(let initiation) in oldState.tasks {
            enqueue(.createChild(initiation), of: new, at: now)
        }
        // All else is about the old one itself, which may have to stay.
        oldState.tasks.removeAll { if case .createChild = $0 { true } else { false } }
    }

    /// RFC 7296 §2.8.3: a child that the peer makes in an IKE SA which is being replaced comes in the
    /// new one as well, before the old one goes.
    func moveLate(_ spi: SPI, of old: IKESA, _ state: Established, at now: Instant) {
        guard let child = state.children[spi],
            let new = replacements(for: old).first(where: {
                $0.retires.contains(old.localSPI) && $0.established?.standing == .current
            }),
            let newState = new.established
        else { return }
        let kind = old.kind(of: child)
        let present = newState.orderedChildren.filter { $0.stage == .current }.map(new.kind)
        if (present + new.childrenToCome).contains(kind) { return }
        enqueue(.createChild(old.initiation(like: child)), of: new, at: now)
    }

    /// What the others do or make that have their part in replacing an IKE SA.
    private func childrenElsewhere(than new: IKESA, insteadOf old: IKESA) -> [ChildKind] {
        replacements(for: old).filter { $0 !== new && $0.retires.contains(old.localSPI) }
            .flatMap { partner in
                let present = partner.established?.orderedChildren.filter { $0.stage == .current }
                return partner.childrenToCome + (present ?? []).map(partner.kind)
            }
    }

    /// Closes those that `sa` replaces, as soon as nothing more is to come up in it, nor in others that
    /// have their part in that.
    func retireOthers(than sa: IKESA, at now: Instant) {
        guard !sa.retires.isEmpty, sa.hasItsPart else { return }
        for spi in sa.retires {
            guard let old = sas[spi], old.established != nil else {
                sa.retires.removeAll { $0 == spi }
                continue
            }
            let partners = replacements(for: old).filter { $0.retires.contains(spi) }
            guard partners.allSatisfy(\.hasItsPart) else { continue }
            for partner in partners { partner.retires.removeAll { $0 == spi } }
            close(old, because: .superseded, at: now)
        }
    }

    /// What is to replace others has come to nothing, and they are to stay.
    func releaseRetired(by sa: IKESA, at now: Instant) {
        let retired = sa.retires
        sa.retires = []
        for spi in retired { release(spi, at: now) }
    }

    private func release(_ spi: IKESPI, at now: Instant) {
        guard let old = sas[spi], let state = old.established, state.isRetiring,
            !replacements(for: old).contains(where: { $0.retires.contains(spi) })
        else { return }
        state.isRetiring = false
        state.isMerging = false
        watchTwins(of: old, state, at: now)
    }

    /// `sa` has no room for what others have, whose place it was to take only because one is enough.
    ///
    /// - Returns: those that stay for that reason.
    func leaveUnmerged(by sa: IKESA, at now: Instant) -> [IKESA] {
        let merged = sa.retires.compactMap { sas[$0] }
            .filter { $0.established?.isMerging == true }
        for other in merged {
            sa.retires.removeAll { $0 == other.localSPI }
            release(other.localSPI, at: now)
        }
        return merged.filter { $0.established?.isRetiring == false }
    }

    /// The maker of an older IKE SA has not closed it. It goes if others do all that it does.
    func closeOvertaken(_ sa: IKESA, at now: Instant) {
        guard let state = sa.established, !state.isReplaced else { return }
        let present = state.orderedChildren.filter { $0.stage == .current }
        // One that does nothing, for which all that it did is done by others, is less than any.
        let isEmpty = present.isEmpty && sa.childrenToCome.isEmpty
        let others = duplicates(of: sa, state).filter { isEmpty || $0.overtakes(sa) }
        let children = others.compactMap(\.established).flatMap(\.orderedChildren)
            .filter { $0.stage == .current }
        let isCovered = present.allSatisfy { child in
            children.contains { $0.doesSame(as: child) }
        }
        guard !others.isEmpty, isCovered else { return }
        close(sa, because: .superseded, at: now)
    }

    /// A child of an IKE SA that ends: where another IKE SA does the same, packets in flight still
    /// arrive for a while; false where none does.
    func handOver(
        _ child: ChildSA,
        of sa: IKESA,
        _ state: Established,
        because reason: IKEReport.ClosureReason,
        at now: Instant
    ) -> Bool {
        guard child.stage != .lingering else { return false }
        let heirs = duplicates(of: sa, state).filter { other in
            other.established?.children.values.contains {
                $0.isLike(child) && $0.stage == .current
            } ?? false
        }
        guard let heir = heirs.last, let there = heir.established else { return false }
        promoteSuccessor(of: child, sa, state, goesWithIKESA: true)
        for twin in there.orderedChildren
        where twin.isLike(child) && twin.stage == .current && twin.isUsedOutbound {
            // Preferred again, whichever was used last.
            effects.append(.useChildSAOutbound(inboundSPI: twin.inboundSPI))
        }
        removeTimers(ofChild: child.inboundSPI, of: sa)
        state.children[child.inboundSPI] = nil
        there.children[child.inboundSPI] = child
        sas.assignChild(child.inboundSPI, to: heir)
        linger(child.inboundSPI, of: heir, there, at: now)
        // Until the peer has heard of the end, which can take a few sendings.
        if reason != .deletedByPeer {
            arm(
                .childRemoval(child.inboundSPI),
                of: heir,
                at: now + max(settings.replacedSALinger, IKEEngine.overtakenPatience)
            )
        }
        return true
    }

    /// The peer has heard of the end of an IKE SA, and sends by what was handed over no more.
    func shortenLinger(of handedOver: [SPI], at now: Instant) {
        for spi in handedOver {
            guard let heir = sas.owner(ofChild: spi),
                heir.established?.children[spi]?.stage == .lingering
            else { continue }
            arm(.childRemoval(spi), of: heir, at: now + settings.replacedSALinger)
        }
    }

    /// An IKE SA was rekeyed: whoever is to replace it, replaces its successor.
    func followRetirement(from old: IKESA, to new: IKESA) {
        for sa in replacements(for: new) {
            guard let index = sa.retires.firstIndex(of: old.localSPI) else { continue }
            sa.retires[index] = new.localSPI
        }
        new.retires = old.retires
        old.retires = []
    }

    /// Those that might be there to replace an IKE SA: with the same peer, or still on their way.
    func replacements(for sa: IKESA) -> [IKESA] {
        let begun = sas.begun(for: sa.connection.name)
        guard let state = sa.established else { return begun }
        return sas.between(local: state.localIdentity, remote: state.remoteIdentity) + begun
    }

    /// Refuses a peer that has an IKE SA, or too many of them.
    ///
    /// - Returns: those that it has.
    func requireRoom(
        for identity: Identity,
        _ connection: IKEConnection,
        _ sa: IKESA,
        _ content: MessageContent,
        at now: Instant
    ) throws(RefusedPeer) -> [IKESA] {
        let others = sas.between(local: connection.localIdentity, remote: identity)
        guard others.count < settings.ikeSALimitPerPeer else {
            throw RefusedPeer(.tooManySAs(of: identity, connection), of: connection)
        }
        // Whoever resumes an IKE SA has lost it.
        guard connection.duplicates == .refuse, content.notify(.initialContact) == nil,
            !sa.isBeingResumed
        else { return others }
        let older = others.filter {
            $0.connection.name == connection.name && $0.isEstablished(before: sa.createdAt)
        }
        if older.isEmpty { return others }
        // Should it be dead, there is room soon.
        for other in older where other.requests.isEmpty {
            enqueue(.checkLiveness, of: other, at: now)
        }
        throw RefusedPeer(.duplicate(of: identity, connection), of: connection)
    }
}

extension IKESA {
    /// The same at both ends, and as good as a nonce.
    var rank: UInt64 { min(localSPI.rawValue, peerSPI.rawValue) }

    /// Whether each was begun when the other was not there yet.
    fileprivate func overlaps(_ other: IKESA) -> Bool {
        guard let ours = established, let theirs = other.established else { return false }
        return createdAt <= theirs.establishedAt && other.createdAt <= ours.establishedAt
    }

    fileprivate func overtakes(_ other: IKESA) -> Bool {
        guard let ours = established, let theirs = other.established else { return false }
        return overlaps(other) ? rank > other.rank : ours.authenticatedAt > theirs.authenticatedAt
    }

    fileprivate var isBeingResumed: Bool {
        if case .halfOpen(let state) = state { state.resumption != nil } else { false }
    }

    func isEstablished(before instant: Instant) -> Bool {
        established.map { $0.establishedAt < instant } ?? false
    }

    fileprivate func isMakingMore(_ state: Established) -> Bool {
        let isWaiting = timers.keys.contains {
            if case .retry(.createChild) = $0 { true } else { false }
        }
        return isWaiting
            || state.tasks.contains { if case .createChild = $0 { true } else { false } }
    }

    /// Whether all is there that was to come up in it.
    fileprivate var hasItsPart: Bool {
        guard let established, !established.isReplaced else { return false }
        return requests.isEmpty && !isMakingMore(established)
    }

    /// Children that were asked for and are not there yet.
    var childrenToCome: [ChildKind] {
        var wanted: [IKEEvent.Initiation] = []
        switch state {
        case .initiating(let state): wanted = state.wanted
        case .exchangingKeys(let state): wanted = state.wanted
        case .authenticating(let state):
            wanted = state.wanted
            if let child = state.child { wanted.append(child.initiation) }
        case .established(let state):
            for case .createChild(let initiation) in state.tasks { wanted.append(initiation) }
            for case .retry(.createChild(let initiation)) in timers.keys {
                wanted.append(initiation)
            }
            for outstanding in requests.outstanding {
                guard case .createChild(let exchange) = outstanding.exchange,
                    exchange.replaces == nil, !exchange.isUnwanted
                else { continue }
                wanted.append(exchange.offer.initiation)
            }
        case .halfOpen, .closing, .closed: break
        }
        return wanted.compactMap { $0.kind(in: connection) }
    }
}

extension NegotiationFailure {
    fileprivate static func duplicate(
        of identity: Identity,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .resources,
            explanation: "\(identity) already has an IKE SA, and duplicates are refused.",
            source: connection.source,
            remedy: "Write duplicates: replace or keep at \(connection.source), or end the other."
        )
    }

    fileprivate static func tooManySAs(
        of identity: Identity,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .resources,
            explanation: "\(identity) has as many IKE SAs as one peer may have.",
            source: connection.source,
            remedy: "See why the peer makes so many."
        )
    }
}
