internal import IKEMessages
internal import IPsecPrimitives

/// The ways in which an IKE SA ends.
extension IKEEngine {
    /// Sendings of one request without an answer after which a peer is not expected to answer the
    /// next one soon.
    private static let silentAttempts = 3
    /// An answer is repeated for so long after the SA's end.
    private static let closedMemory: Duration = .seconds(30)

    /// Forgets an SA. Its children must be gone or have moved.
    func discard(_ sa: IKESA) {
        leaveStreams(of: sa)
        sas.remove(sa)
        sa.timers = [:]
        sa.state = .closed
    }

    /// Ends an SA without a word to the peer, and says why.
    func fail(_ sa: IKESA, _ failure: NegotiationFailure, at now: Instant) {
        defer { releaseRetired(by: sa, at: now) }
        switch sa.state {
        case .initiating(let state): reportFailure(failure, of: sa, wanted: state.wanted)
        case .exchangingKeys(let state): reportFailure(failure, of: sa, wanted: state.wanted)
        case .authenticating(let state): endProof(sa, state, failure)
        case .halfOpen: return refuse(sa, RefusedPeer(failure, of: sa.connection), at: now)
        case .established(let state):
            let reason: IKEReport.ClosureReason =
                failure.subject == .peerUnresponsive
                ? .peerUnresponsive : .failed(failure.explanation)
            end(sa, state, because: reason, at: now)
        case .closing, .closed: break  // Said already.
        }
        remember(sa, at: now)
    }

    /// As `fail`, of one whose peer is still to hear of it: the way there stays.
    func endUnproven(
        _ sa: IKESA,
        _ state: Authenticating,
        _ failure: NegotiationFailure,
        at now: Instant
    ) {
        endProof(sa, state, failure)
        sa.timers = [:]
        sa.requests.removeAll()
        releaseRetired(by: sa, at: now)
    }

    private func endProof(_ sa: IKESA, _ state: Authenticating, _ failure: NegotiationFailure) {
        if let child = state.child { sas.releaseChild(child.inboundSPI) }
        let first = state.child.map { [$0.initiation] } ?? []
        reportFailure(failure, of: sa, wanted: first + state.wanted)
    }

    /// As `fail`, of a half-open SA whose connection need not be the one that refuses.
    func refuse(_ sa: IKESA, _ refusal: RefusedPeer, at now: Instant) {
        guard case .halfOpen(let state) = sa.state else { return }
        effects.append(
            .report(
                IKEReport(
                    connection: refusal.connection,
                    child: nil,
                    remote: sa.path.remote,
                    event: .refused(refusal.failure)
                )
            )
        )
        // Counts as half-open as long as it is remembered: it costs as much, and whoever fails has
        // proven nothing.
        sa.refusedKey = state.key
        remember(sa, at: now)
    }

    private func reportFailure(
        _ failure: NegotiationFailure,
        of sa: IKESA,
        wanted: [IKEEvent.Initiation]
    ) {
        // A trial has failed, and no more: the IKE SA that it was to replace is there.
        if sa.path.transport == .udp,
            sa.retires.contains(where: { sas[$0]?.path.transport == .tcp })
        {
            report(.udpStillBlocked, of: sa)
            // Whoever has joined it meanwhile gets nothing by that one.
            let retired = sa.retires.compactMap { sas[$0] }
            let joined = wanted.filter { initiation in
                guard let policy = policy(for: initiation, sa.connection) else { return true }
                return !retired.contains { $0.satisfies(initiation, by: policy) }
            }
            if joined.isEmpty || !sa.isAskedFor { return }
            return tell(failure, joined, of: sa)
        }
        if wanted.isEmpty { return report(.initiationFailed(failure), of: sa) }
        tell(failure, wanted, of: sa)
    }

    private func tell(
        _ failure: NegotiationFailure,
        _ wanted: [IKEEvent.Initiation],
        of sa: IKESA
    ) {
        for initiation in wanted {
            report(
                .initiationFailed(failure),
                of: sa,
                child: initiation.child,
                packet: initiation.packet
            )
        }
    }

    /// Removes the children and says that the SA is over.
    ///
    /// - Returns: the inbound SPIs of children that others have taken over.
    @discardableResult
    func end(
        _ sa: IKESA,
        _ state: Established,
        because reason: IKEReport.ClosureReason,
        at now: Instant
    ) -> [SPI] {
        var handedOver: [SPI] = []
        releaseOffers(of: sa)
        releaseFollowUps(of: state)
        settleTickets(of: sa, because: reason, at: now)
        releaseRetired(by: sa, at: now)
        for child in state.children.values where child.stage == .current {
            reviveTwins(of: child.inboundSPI, sa, state, at: now)
        }
        for child in state.children.values.sorted(by: { $0.inboundSPI < $1.inboundSPI }) {
            if reason.mayHavePacketsInFlight,
                handOver(child, of: sa, state, because: reason, at: now)
            {
                handedOver.append(child.inboundSPI)
                continue
            }
            promoteSuccessor(of: child, sa, state, goesWithIKESA: true)
            if child.stage == .current {
                report(
                    .childSAClosed(inboundSPI: child.inboundSPI, reason),
                    of: sa,
                    child: child.policy.name
                )
            }
            removeChild(child.inboundSPI, of: sa)
        }
        if !state.isReplaced { report(.ikeSAClosed(reason), of: sa) }
        if reason != .requested { reportUnfinished(sa, state) }
        state.tasks = []
        return handedOver
    }

    /// What was asked for and will not come from this SA any more: under way, waiting for its
    /// turn, or waiting for the peer to be ready.
    private func reportUnfinished(_ sa: IKESA, _ state: Established) {
        var unfinished: [IKEEvent.Initiation] = []
        for outstanding in sa.requests.outstanding {
            guard case .createChild(let exchange) = outstanding.exchange,
                exchange.replaces == nil, !exchange.isUnwanted
            else { continue }
            unfinished.append(exchange.offer.initiation)
        }
        for case .createChild(let initiation) in state.tasks { unfinished.append(initiation) }
        for (timer, _) in sa.timers.sorted(by: { $0.value < $1.value }) {
            if case .retry(.createChild(let initiation)) = timer { unfinished.append(initiation) }
        }
        // What took its place may have done it.
        let others = duplicates(of: sa, state)
        unfinished.removeAll { initiation in
            guard let policy = policy(for: initiation, sa.connection) else { return false }
            return others.contains { $0.satisfies(initiation, by: policy) }
        }
        for initiation in unfinished {
            report(
                .initiationFailed(
                    NegotiationFailure(
                        subject: .peerUnresponsive,
                        explanation: "The IKE SA ended before the Child SA was there.",
                        source: sa.connection.source,
                        remedy: "Try again."
                    )
                ),
                of: sa,
                child: initiation.child,
                packet: initiation.packet
            )
        }
    }

    /// Ends an established SA and tells the peer (RFC 7296 §1.4.1).
    func close(_ sa: IKESA, because reason: IKEReport.ClosureReason, at now: Instant) {
        guard let state = sa.established else {
            if case .closing = sa.state { return }
            if case .closed = sa.state { return }
            releaseRetired(by: sa, at: now)
            return discardUnestablished(sa)
        }
        if let rival = candidate(of: sa) { close(rival, because: reason, at: now) }
        let handedOver = end(sa, state, because: reason, at: now)
        sas.forgetPeer(of: sa)
        sa.timers = sa.timers.filter { $0.key.isOfMessages }
        var closing = Closing(keys: state.keys, handedOver: handedOver)
        if case .replaced(by: let spi) = state.standing { closing.heir = spi }
        sa.state = .closing(closing)
        takeStandby(of: sa, at: now)
        startTasks(of: sa, at: now)
    }

    /// RFC 7296 §2.8: "the Delete payload to delete itself MUST be the last request sent over the
    /// old IKE SA".
    func requestDelete(of sa: IKESA, at now: Instant) {
        request(.deleteIKESA, .informational, [.delete(.ikeSA)], of: sa, at: now)
    }

    private func discardUnestablished(_ sa: IKESA) {
        report(.ikeSAClosed(.requested), of: sa)
        guard case .authenticating(let state) = sa.state else { return discard(sa) }
        // For the peer the SA is there as soon as it has our request: its answer is awaited, and
        // then comes the Delete.
        if let child = state.child { sas.releaseChild(child.inboundSPI) }
        sa.timers = sa.timers.filter { $0.key.isOfMessages }
        sa.state = .closing(Closing(keys: state.keys))
    }

    /// Keeps the last answer for a while, in case the peer asks again.
    func remember(_ sa: IKESA, at now: Instant) {
        guard sa.responses.hasAnswers else { return discard(sa) }
        leaveStreams(of: sa)
        sas.forgetPeer(of: sa)
        sa.timers = [:]
        sa.requests.removeAll()
        sa.reassemblies = []
        sa.state = .closed
        arm(.oblivion, of: sa, at: now + IKEEngine.closedMemory)
    }

    func shutDown(at now: Instant) {
        isShuttingDown = true
        // Where the window is full, the Delete follows the answer to what is under way
        // (RFC 7296 §2.3).
        for sa in sas.all() {
            // Whoever has not answered so many sendings is told where its window has room, and not
            // waited for.
            let isSilent = sa.requests.outstanding.contains {
                $0.attempts >= IKEEngine.silentAttempts
            }
            close(sa, because: .requested, at: now)
            if isSilent { discard(sa) }
        }
    }
}

extension IKEReport.ClosureReason {
    /// Whether the peer may still send by what ends.
    fileprivate var mayHavePacketsInFlight: Bool {
        self != .requested && self != .peerRestarted && self != .peerUnresponsive
    }
}
