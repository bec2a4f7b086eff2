internal import IPsecPrimitives

/// Both ends rekey the same Child SA (RFC 7296 §2.8.1), or close what the other is making
/// (§2.25.1).
extension ChildExchange {
    /// The peer rekeys the same child at the same time.
    struct Crossing {
        let lowestNonce: [UInt8]
        /// The inbound SPI of the child that the peer's exchange made.
        let inboundSPI: SPI
    }
}

extension IKEEngine {
    /// The peer's request to rekey `old` is answered with `new`. If ours is under way, the nonces
    /// decide once all are known.
    func noteCrossing(_ old: SPI, by new: SPI, _ nonces: ChildNonces, of sa: IKESA) {
        sa.requests.change { exchange in
            guard case .createChild(var ours) = exchange, ours.replaces == old else { return false }
            ours.crossing = ChildExchange.Crossing(lowestNonce: nonces.lowest, inboundSPI: new)
            exchange = .createChild(ours)
            return true
        }
    }

    /// Installs what our exchange made, and settles what becomes of the peer's.
    func settleRekey(
        _ plan: ChildInstallationPlan,
        _ exchange: ChildExchange,
        _ nonces: ChildNonces,
        of sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        let new = plan.child.inboundSPI
        if let crossing = exchange.crossing, nonces.lowest.precedes(crossing.lowestNonce),
            let winner = survivor(of: crossing, plan.child, state)
        {
            // RFC 7296 §2.8.1: the SA "created with the lowest of the four nonces SHOULD be closed
            // by the endpoint that created it". That is ours; the peer's replaces the old one.
            install(plan, of: sa, state, isUsedOutboundAtOnce: false)
            markReplaced(new, by: winner, of: sa, state)
            return enqueue(.deleteChild(inboundSPI: new), of: sa, at: now)
        }
        if exchange.crossing != nil, let old = exchange.replaces {
            // The peer knows the four nonces too, and goes no further.
            releaseFollowUps(of: state, replacing: old)
        }
        install(plan, of: sa, state, isUsedOutboundAtOnce: true)
        if let rival = exchange.crossing?.inboundSPI, state.children[rival]?.stage == .current {
            markReplaced(rival, by: new, of: sa, state)
        }
        guard let old = exchange.replaces, let replaced = state.children[old] else {
            return closeDuplicates(of: new, of: sa, state, at: now)
        }
        if replaced.stage != .lingering {
            markReplaced(old, by: new, of: sa, state)
            enqueue(.deleteChild(inboundSPI: old), of: sa, at: now)
        }
        // Where the peer has replaced it too, and we did not see that the two crossed.
        closeDuplicates(of: new, of: sa, state, at: now)
    }

    /// What has come of the peer's half of a crossing: it may have been rekeyed since, for an answer
    /// can be very late.
    private func survivor(
        of crossing: ChildExchange.Crossing,
        _ ours: ChildSA,
        _ state: Established
    ) -> SPI? {
        if let rival = state.children[crossing.inboundSPI], rival.stage != .lingering {
            return rival.inboundSPI
        }
        return state.children.values
            .filter { $0.stage == .current && $0.isLike(ours) }
            .max { ($0.createdAt, $0.inboundSPI) < ($1.createdAt, $1.inboundSPI) }?.inboundSPI
    }

    /// CHILD_SA_NOT_FOUND for a child that we want to rekey (RFC 7296 §2.25).
    func childIsNotFound(
        _ exchange: ChildExchange,
        of sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        // RFC 7296 §2.8.1: "it already knows there was simultaneous rekeying, so it can ignore the
        // error message".
        guard exchange.crossing == nil, let old = exchange.replaces,
            let child = state.children[old], child.stage == .current
        else { return }
        // RFC 7296 §2.25: it "SHOULD silently delete the Child SA (if it still exists) and send a
        // request to create a new Child SA from scratch".
        // What it had replaced is as good, if it is still there: the peer then never knew of `old`.
        promoteSuccessor(of: child, sa, state)
        let isRevived = reviveReplaced(by: old, of: sa, state, at: now)
        removeChild(old, of: sa)
        if exchange.isUnwanted || isRevived { return }
        enqueue(.createChild(exchange.offer.initiation), of: sa, at: now)
    }

    /// What our exchange made, the peer has closed before its answer came.
    func childIsStillborn(_ exchange: ChildExchange, of sa: IKESA) {
        sas.releaseChild(exchange.offer.inboundSPI)
        if exchange.replaces != nil || exchange.isUnwanted { return }
        report(
            .initiationFailed(ChildAnswerFailure.closedAtOnce(exchange.offer)),
            of: sa,
            child: exchange.offer.policy.name,
            packet: exchange.offer.initiation.packet
        )
    }

    /// The peer closes a Child SA that this end does not know, perhaps not yet: our exchange made
    /// it, and the answer is still on its way.
    func noteDeletion(ofUnknown spi: SPI, by sa: IKESA) {
        for outstanding in sa.requests.outstanding {
            guard case .createChild = outstanding.exchange else { continue }
            sa.requests.change(outstanding.messageID) { exchange in
                guard case .createChild(var child) = exchange,
                    child.deletedMeanwhile.count < ChildExchange.deletionLimit
                else { return }
                child.deletedMeanwhile.append(spi)
                exchange = .createChild(child)
            }
        }
    }
}

extension IKESA {
    /// Whether a child of the peer's vies with one that is still to come from our own exchange.
    func isContended(_ spi: SPI) -> Bool {
        requests.contains { exchange in
            if case .createChild(let ours) = exchange {
                ours.crossing?.inboundSPI == spi
            } else {
                false
            }
        }
    }

    /// Whether an exchange of ours about a Child SA waits for its answer.
    var isMakingChild: Bool {
        requests.contains { if case .createChild = $0 { true } else { false } }
    }
}

// Which of several Child SAs that do the same is used.
extension IKEEngine {
    /// How long a child that is one more of the same selectors waits for the peer to use it.
    private static let furtherPatience: Duration = .seconds(5)

    /// A new child of the responder's. RFC 7296 §2.8: "the responder MAY defer sending messages on a
    /// new SA" until the initiator surely has it, "either it receives one or a timeout has occurred".
    /// That is done where an older SA carries the traffic meanwhile, also one of another IKE SA with
    /// the same peer (§2.8.3).
    func useOutboundWhenSafe(_ spi: SPI, of sa: IKESA, _ state: Established, at now: Instant) {
        guard let child = state.children[spi] else { return }
        let hasOthers = state.children.values.contains {
            $0.inboundSPI != spi && $0.doesSame(as: child) && $0.isUsedOutbound
                && $0.stage == .current
        }
        if child.traits.peerCodePoints != nil, hasOthers {
            // The peer may have none of its packets to send by it.
            return arm(.childUse(spi), of: sa, at: now + IKEEngine.furtherPatience)
        }
        // The twin's end settles which of the two stays, and when that is used.
        if hasFreshTwin(child, of: sa, state, at: now) { return }
        let isCovered = sas.others(than: sa, state).contains { other in
            other.connection.name == sa.connection.name
                && other.established?.children.values.contains {
                    // Also one that is replaced, until the peer shows that it has the successor.
                    $0.doesSame(as: child) && $0.stage != .lingering && $0.isUsedOutbound
                } ?? false
        }
        if !isCovered { useOutbound(spi, of: state) }
    }

    /// The child is about to go: one that does the same and waited takes over, unless another is
    /// used already.
    ///
    /// - Parameter goesWithIKESA: whether all the others of its IKE SA go as well.
    func promoteSuccessor(
        of child: ChildSA,
        _ sa: IKESA,
        _ state: Established,
        goesWithIKESA: Bool = false
    ) {
        guard child.stage != .lingering, child.isUsedOutbound else { return }
        var candidates: [(child: ChildSA, state: Established)] = []
        for other in (goesWithIKESA ? [] : [sa]) + duplicates(of: sa, state) {
            guard let there = other.established else { continue }
            for candidate in there.orderedChildren
            where candidate.isLike(child) && candidate.stage == .current
                && candidate.inboundSPI != child.inboundSPI
            {
                candidates.append((candidate, there))
            }
        }
        // Of several of the same selectors, each is followed by its like, if that is there.
        let followers = candidates.filter {
            $0.child.traits.resource?.slot == child.traits.resource?.slot
        }
        if !followers.isEmpty { candidates = followers }
        guard !candidates.contains(where: \.child.isUsedOutbound) else { return }
        let last = candidates.map(\.child.createdAt).max()
        guard let waiting = candidates.last(where: { $0.child.createdAt == last }) else { return }
        useOutbound(waiting.child.inboundSPI, of: waiting.state)
    }
}

extension ChildSA {
    /// Whether packets of one could go by the other.
    func doesSame(as other: ChildSA) -> Bool {
        policy.name == other.policy.name && selectors == other.selectors
    }
}
