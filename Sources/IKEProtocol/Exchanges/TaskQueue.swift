internal import IKEMessages
internal import IPsecPrimitives

/// What this end wants to ask for, in order, as far as the window and what is under way allow.
extension IKEEngine {
    private static let refusalPatience: Duration = .seconds(300)
    /// Without a refusal for so long, what was refused has been settled, by whomever.
    private static let refusalPause: Duration = .seconds(60)
    /// RFC 7296 §2.25: "the peer MUST NOT immediately retry".
    private static let shortestRetry: Duration = .milliseconds(100)

    func enqueue(_ task: IKETask, of sa: IKESA, at now: Instant) {
        guard let state = sa.established, !state.isReplaced else { return }
        if !state.tasks.contains(task) { state.tasks.append(task) }
        startTasks(of: sa, at: now)
    }

    func startTasks(of sa: IKESA, at now: Instant) {
        releaseRequests(of: sa, at: now)
        if case .closing(let state) = sa.state {
            if sa.requests.isStuck {
                // No Delete could arrive; the peer has another IKE SA, or will miss us.
                shortenLinger(of: state.handedOver, at: now)
                return remember(sa, at: now)
            }
            // What our rekeying makes of it is to be closed as well, once it is known.
            guard sa.requests.isOpen, !sa.hasSentLastRequest, !sa.isRekeying else { return }
            return requestDelete(of: sa, at: now)
        }
        guard let state = sa.established else { return }
        while sa.requests.isOpen, let index = sa.nextTask(state) {
            start(state.tasks.remove(at: index), of: sa, state, at: now)
        }
    }

    /// Begins a task that still makes sense; one that does not is dropped.
    private func start(_ task: IKETask, of sa: IKESA, _ state: Established, at now: Instant) {
        switch task {
        case .createChild(let initiation): startChild(initiation, of: sa, state, at: now)
        case .rekeyChild(let spi): startChildRekey(spi, of: sa, state, at: now)
        case .rekeyIKESA: startIKERekey(of: sa, state, at: now)
        case .deleteChild(let spi):
            // Also for one that was never installed because the peer's answer made no sense.
            guard !sas.isFree(spi) else { return }
            request(
                .deleteChild(inboundSPI: spi),
                .informational,
                [.delete(state.deletePayload(for: spi))],
                of: sa,
                at: now
            )
        case .deleteIKESA(let reason): close(sa, because: reason, at: now)
        case .checkLiveness:
            request(.checkLiveness, .informational, livenessPayloads(of: sa), of: sa, at: now)
        case .updateAddresses: startAddressUpdate(of: sa, at: now)
        case .announceAddresses: startAnnouncement(of: sa, at: now)
        case .checkRoutability: startRoutabilityCheck(of: sa, at: now)
        case .redirect(let target): startRedirect(target, of: sa, at: now)
        case .tellCrashToken: startTellingToken(of: sa, at: now)
        case .requestTicket: startTicketRequest(of: sa, at: now)
        case .probePathMTU(let octets): startPathMTUProbe(octets, of: sa, at: now)
        case .complainOfSPI(let spi):
            request(
                .complainOfSPI,
                .informational,
                [.notify(NotifyPayload(unknownSPI: spi))],
                of: sa,
                at: now
            )
        }
    }

    func checkLiveness(of sa: IKESA, at now: Instant) {
        guard let state = sa.established, !state.isReplaced,
            let interval = sa.connection.livenessInterval
        else { return }
        let due = sa.lastHeard + interval
        guard now >= due else { return arm(.liveness, of: sa, at: due) }
        // Whatever is under way asks the same question.
        if sa.requests.isEmpty { enqueue(.checkLiveness, of: sa, at: now) }
        arm(.liveness, of: sa, at: now + interval)
    }

    /// A while, so long that the peer may be ready, with a random part, so that two ends do not
    /// collide again (RFC 7296 §2.25).
    ///
    /// Where one end replaces the IKE SA and the other a child, both are refused (§2.25.1, §2.25.2).
    /// The child goes first: it is the shorter exchange, and the IKE SA stays as it is meanwhile. Those
    /// that have time to spare wait (`deference`), or of many children there were always one.
    func retryLater(_ task: IKETask, of sa: IKESA, at now: Instant) {
        let shortest: Int64 = task == .rekeyIKESA ? 2500 : 500
        let wait = Duration.milliseconds(shortest + Int64(random.next32() % 1500))
        retry(task, of: sa, after: wait, at: now)
    }

    /// Tries again after `wait`, or sooner where what the task is to replace would be gone by then:
    /// in the middle of the time that is left, so that a few tries fit in.
    func retry(_ task: IKETask, of sa: IKESA, after wait: Duration, at now: Instant) {
        let end: Instant? =
            switch task {
            case .rekeyIKESA: sa.timers[.expiry]
            case .rekeyChild(let spi): sa.timers[.childExpiry(spi)]
            default: nil
            }
        let left = end.map { max(IKEEngine.shortestRetry, ($0 - now) / 2) }
        arm(.retry(task), of: sa, at: now + min(wait, left ?? wait))
    }

    /// TEMPORARY_FAILURE. RFC 7296 §2.25: "the peer MUST NOT immediately retry"; after "several
    /// minutes, it SHOULD conclude that the state information is out of sync and close the IKE SA".
    func refusedForNow(_ task: IKETask, of sa: IKESA, _ state: Established, at now: Instant) {
        let isOneOfMany = state.lastRefusal.map { now - $0 < IKEEngine.refusalPause } ?? false
        let since = isOneOfMany ? state.refusedSince ?? now : now
        state.refusedSince = since
        state.lastRefusal = now
        guard now - since >= IKEEngine.refusalPatience else {
            return retryLater(task, of: sa, at: now)
        }
        close(
            sa,
            because: .failed(
                "The peer has answered TEMPORARY_FAILURE for "
                    + "\((now - since).components.seconds) seconds, in the end to "
                    + "\(task.refusedWords(in: state)): the two ends no longer agree."
            ),
            at: now
        )
    }

    func receiveResponse(
        _ content: MessageContent,
        _ header: MessageHeader,
        _ message: OpenedMessage,
        _ sa: IKESA,
        at now: Instant
    ) {
        guard let outstanding = sa.requests[header.messageID] else { return }
        guard outstanding.exchange.type == header.exchangeType else {
            return counters.drop(.unexpectedExchange)
        }
        if content.notify(.invalidSyntax) != nil, sa.established != nil {
            // RFC 7296 §2.21.3: "fatal in both peers, meaning that the IKE SA is deleted without
            // needing an explicit Delete payload".
            let failure = InformationalFailure.calledMalformed(outstanding.exchange, sa.connection)
            report(.errorFromPeer(notify: NotifyType.invalidSyntax.description), of: sa)
            return fail(sa, failure, at: now)
        }
        sa.requests.remove(header.messageID)
        disarm(.retransmission(header.messageID), of: sa)
        switch (outstanding.exchange, sa.state) {
        case (.ikeIntermediate, .exchangingKeys(let state)):
            receiveIntermediateResponse(content, message, sa, state, at: now)
        case (.ikeAuth, .authenticating(let state)):
            receiveAuthResponse(content, sa, state, at: now)
        case (.createChild(let exchange), .established(let state)) where exchange.followUp != nil:
            receiveFollowUpResponse(content, .child(exchange), sa, state, at: now)
        case (.rekeyIKESA(let exchange), .established(let state)) where exchange.followUp != nil:
            receiveFollowUpResponse(content, .ikeSA(exchange), sa, state, at: now)
        case (.createChild(let exchange), .established(let state)):
            receiveChildResponse(content, exchange, sa, state, at: now)
        case (.rekeyIKESA(let exchange), .established(let state)):
            receiveIKERekeyResponse(content, exchange, sa, state, at: now)
        case (.deleteChild(let spi), .established(let state)):
            receiveChildDeleteResponse(spi, sa, state, at: now)
        case (.rekeyIKESA(let exchange), .closing(let state)):
            closeSuccessor(content, exchange, sa, state, at: now)
        case (.updateAddresses(let update), .established(let state)):
            receiveUpdateResponse(content, update, sa, state, at: now)
        case (.announceAddresses(let addresses), .established):
            receiveAnnouncementResponse(content, addresses, sa)
        case (.checkRoutability(let check), .established(let state)):
            receiveRoutabilityResponse(content, check, sa, state, at: now)
        case (.requestTicket, .established(let state)):
            takeTicket(content, of: sa, state, at: now)
        case (.probePathMTU(let octets), .established):
            pathMTUProbeAnswered(octets, outstanding, of: sa)
        case (.checkLiveness, .established): compareMapping(of: sa, content, at: now)
        case (.deleteIKESA, .closing(let state)):
            shortenLinger(of: state.handedOver, at: now)
            remember(sa, at: now)
        case (.tellAuthenticationFailure, _): remember(sa, at: now)
        case (.ikeAuth, .closing) where content.authentication == nil:
            // Refused: the peer has nothing to delete.
            remember(sa, at: now)
        // The SA is being closed: whatever the answer says, the Delete comes next.
        default: break
        }
    }

    func receiveRequest(_ request: Request, _ sa: IKESA, at now: Instant) {
        switch (request.header.exchangeType, sa.state) {
        case (.ikeIntermediate, .halfOpen(let state)):
            receiveIntermediateRequest(request, sa, state, at: now)
        // RFC 9370 §2.2.2: the key exchanges that were agreed on come first.
        case (.ikeAuth, .halfOpen(let state)) where state.remaining.isEmpty:
            receiveAuthRequest(request, sa, state, at: now)
        case (.ikeFollowUpKE, .established(let state)):
            receiveFollowUpRequest(request, sa, state, at: now)
        case (.ikeFollowUpKE, .closing):
            respond(to: request, of: sa, [.notify(NotifyPayload(.stateNotFound))])
        case (.createChildSA, .established(let state)):
            receiveCreateChildRequest(request, sa, state, at: now)
        case (.informational, .established), (.informational, .closing):
            receiveInformationalRequest(request, sa, at: now)
        case (.createChildSA, .closing):
            respond(to: request, of: sa, [.notify(NotifyPayload(.temporaryFailure))])
        default:
            counters.drop(.unexpectedExchange)
            // A half-open SA waits on for IKE_AUTH; elsewhere the peer, which is authentic, is told.
            if sa.established != nil {
                refuseSyntax(of: request, sa, "is of an exchange that has no place here", at: now)
            }
        }
    }
}

extension IKEExchange {
    var type: ExchangeType {
        switch self {
        case .ikeSAInit: .ikeSAInit
        case .ikeSessionResume: .ikeSessionResume
        case .ikeIntermediate: .ikeIntermediate
        case .ikeAuth: .ikeAuth
        case .createChild, .rekeyIKESA: isFollowUp ? .ikeFollowUpKE : .createChildSA
        case .deleteChild, .deleteIKESA, .checkLiveness, .tellAuthenticationFailure,
            .updateAddresses, .announceAddresses, .checkRoutability, .redirect, .tellCrashToken,
            .requestTicket, .complainOfSPI, .probePathMTU:
            .informational
        }
    }
}
