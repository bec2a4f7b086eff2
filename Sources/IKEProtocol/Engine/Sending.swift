internal import IKEMessages
internal import IPsecPrimitives

extension IKESA {
    /// Whether there is a way for messages at the moment.
    var canSend: Bool { path.transport == .udp || !isStreamLost }

    /// The keys, in the states that have any.
    var keys: SAKeys? {
        switch state {
        case .initiating, .closed: nil
        case .exchangingKeys(let state): state.keys
        case .authenticating(let state): state.keys
        case .halfOpen(let state): state.keys
        case .established(let state): state.keys
        case .closing(let state): state.keys
        }
    }
}

extension IKEEngine {
    func send(_ bytes: [UInt8], along path: IKEPath, isUncut: Bool = false) {
        counters.sent += 1
        var datagram = IKEDatagram(
            bytes: bytes,
            local: path.local,
            remote: path.remote,
            transport: path.transport
        )
        datagram.isUncut = isUncut
        effects.append(.send(datagram))
    }

    /// Sends a protected request, as soon as the peer's window has room for it.
    func request(
        _ exchange: IKEExchange,
        _ type: ExchangeType,
        _ payloads: [Payload],
        of sa: IKESA,
        at now: Instant
    ) {
        let header = requestHeader(type, of: sa)
        var payloads = payloads
        if let announcement = windowAnnouncement(type, of: sa) { payloads.append(announcement) }
        guard let keys = sa.keys,
            let message = seal(header, ProtectedContent(payloads), with: keys, of: sa)
        else { return }
        request(exchange, message, of: sa, at: now)
    }

    /// Sends a request and waits for its answer.
    func request(_ exchange: IKEExchange, _ message: SentMessage, of sa: IKESA, at now: Instant) {
        let request = sa.requests.add(exchange, message)
        if !request.isHeld { start(request, of: sa, at: now) }
    }

    /// Sends what had to wait for room in the window (RFC 7296 §2.3).
    func releaseRequests(of sa: IKESA, at now: Instant) {
        while let request = sa.requests.release() { start(request, of: sa, at: now) }
    }

    private func start(_ request: RequestWindow.Outstanding, of sa: IKESA, at now: Instant) {
        // Where the connection is gone, it leaves as soon as there is another.
        if sa.canSend { send(request.message, along: sa.path) }
        armRetransmission(request.messageID, of: sa, attempt: 1, at: now)
    }

    /// Answers a request, and remembers the answer in case the request comes again.
    func respond(to request: Request, of sa: IKESA, _ payloads: [Payload]) {
        let header = responseHeader(to: request, of: sa)
        var payloads = payloads
        if let announcement = windowAnnouncement(header.exchangeType, of: sa) {
            payloads.append(announcement)
        }
        respond(to: request, of: sa, header, ProtectedContent(payloads))
    }

    func requestHeader(_ type: ExchangeType, of sa: IKESA) -> MessageHeader {
        MessageHeader(
            initiatorSPI: sa.initiatorSPI,
            responderSPI: sa.responderSPI,
            exchangeType: type,
            isFromOriginalInitiator: sa.isOriginalInitiator,
            isResponse: false,
            messageID: sa.requests.nextMessageID
        )
    }

    func responseHeader(to request: Request, of sa: IKESA) -> MessageHeader {
        MessageHeader(
            initiatorSPI: sa.initiatorSPI,
            responderSPI: sa.responderSPI,
            exchangeType: request.header.exchangeType,
            isFromOriginalInitiator: sa.isOriginalInitiator,
            isResponse: true,
            messageID: request.header.messageID
        )
    }

    func respond(
        to request: Request,
        of sa: IKESA,
        _ header: MessageHeader,
        _ content: ProtectedContent
    ) {
        guard let keys = sa.keys,
            let message = seal(
                header,
                content,
                with: keys,
                of: sa,
                threshold: threshold(for: request, of: sa),
                transport: request.datagram.transport
            )
        else { return }
        sa.responses.answered(
            request.identity,
            header.messageID,
            with: message,
            at: request.receivedAt
        )
        rememberAnswers(of: sa, at: request.receivedAt)
        send(message, along: IKEPath(request.datagram))
    }

    /// RFC 7383 §2.5.1: the responder may go by "the maximum size of the received IKE Fragment
    /// message IP datagrams".
    private func threshold(for request: Request, of sa: IKESA) -> Int? {
        guard let largest = request.largestFragment, let ours = sa.fragmentThreshold else {
            return nil
        }
        let path = IKEPath(request.datagram)
        return min(
            ours,
            largest + path.datagramOverhead(natTraversalPort: settings.natTraversalPort)
        )
    }

    func armRetransmission(
        _ messageID: UInt32,
        of sa: IKESA,
        attempt: Int,
        at now: Instant
    ) {
        let schedule = sa.connection.retransmission
        // RFC 9329 §6.2: on a reliable transport, a request is sent once, and "if no response is
        // received within some reasonable period of time, the IKE SA is deleted".
        let wait =
            sa.path.transport == .tcp
            ? schedule.total : schedule.wait(afterAttempt: attempt, random: &random)
        arm(.retransmission(messageID), of: sa, at: now + wait)
    }

    func retransmit(_ messageID: UInt32, of sa: IKESA, at now: Instant) {
        guard let outstanding = sa.requests[messageID] else { return }
        if case .initiating(let state) = sa.state {
            if let refusal = state.refusal { return fail(sa, refusal, at: now) }
            if state.keys.isResumed, outstanding.attempts >= IKEEngine.resumptionTries {
                return beginFromScratch(
                    insteadOf: sa,
                    state,
                    because: "the peer does not answer",
                    at: now
                )
            }
        }
        guard outstanding.attempts < tries(of: sa), sa.path.transport == .udp else {
            return giveUp(outstanding.exchange, of: sa, at: now)
        }
        var message = outstanding.message
        var attempt = outstanding.attempts + 1
        if attempt > IKEEngine.sendingsOfASize, let smaller = cutSmaller(message, of: sa) {
            sa.requests.replace(messageID, with: smaller)
            message = smaller
            attempt = 1
        }
        sa.requests.noteSending(of: messageID)
        counters.retransmitted += 1
        report(
            .retransmitting(
                exchange: outstanding.exchange.name,
                attempt: attempt,
                limit: tries(of: sa)
            ),
            of: sa
        )
        send(message, along: sa.path)
        probePaths(of: sa, message, attempt: attempt, at: now)
        armRetransmission(messageID, of: sa, attempt: attempt, at: now)
    }

    /// RFC 7296 §2.4: after "repeated attempts to contact it have gone unanswered for a timeout
    /// period", an end may conclude that the other has failed.
    private func giveUp(_ exchange: IKEExchange, of sa: IKESA, at now: Instant) {
        report(.peerUnresponsive, of: sa)
        fail(
            sa,
            NegotiationFailure(
                subject: .peerUnresponsive,
                explanation: sa.path.transport == .tcp
                    ? "\(sa.path.remote) did not answer \(exchange.name) by TCP."
                    : "\(sa.path.remote) did not answer \(tries(of: sa)) sendings of "
                        + "\(exchange.name).",
                source: sa.connection.source,
                remedy: "See that the peer runs, that its address at \(sa.connection.source) is "
                    + "right, and that UDP ports \(settings.ikePort) and "
                    + "\(settings.natTraversalPort) pass in both directions."
            ),
            at: now
        )
    }
}
