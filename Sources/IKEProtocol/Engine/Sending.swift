internal import IKEMessages
internal import IPsecPrimitives

extension IKESA {
    /// The keys, in the states that have any.
    var keys: SAKeys? {
        switch state {
        case .initiating, .closed: nil
        case .authenticating(let state): state.keys
        case .halfOpen(let state): state.keys
        case .established(let state): state.keys
        case .closing(let state): state.keys
        }
    }
}

extension IKEEngine {
    func send(_ bytes: [UInt8], from local: Endpoint, to remote: Endpoint) {
        counters.sent += 1
        effects.append(.send(IKEDatagram(bytes: bytes, local: local, remote: remote)))
    }

    /// Sends a protected request. Precondition: none is outstanding.
    func request(
        _ exchange: IKEExchange,
        _ type: ExchangeType,
        _ payloads: [Payload],
        of sa: IKESA,
        at now: Instant
    ) {
        let header = MessageHeader(
            initiatorSPI: sa.initiatorSPI,
            responderSPI: sa.responderSPI,
            exchangeType: type,
            isFromOriginalInitiator: sa.isOriginalInitiator,
            isResponse: false,
            messageID: sa.requests.nextMessageID
        )
        guard let bytes = sa.keys?.seal(header, payloads, random: &random) else { return }
        request(exchange, bytes, of: sa, at: now)
    }

    /// Sends a request and waits for its answer.
    func request(_ exchange: IKEExchange, _ bytes: [UInt8], of sa: IKESA, at now: Instant) {
        sa.requests.outstanding = RequestWindow.Outstanding(
            messageID: sa.requests.nextMessageID,
            exchange: exchange,
            bytes: bytes
        )
        sa.requests.nextMessageID &+= 1
        send(bytes, from: sa.path.local, to: sa.path.remote)
        armRetransmission(of: sa, attempt: 1, at: now)
    }

    /// Answers a request, and remembers the answer in case the request comes again.
    func respond(to request: Request, of sa: IKESA, _ payloads: [Payload]) {
        let header = MessageHeader(
            initiatorSPI: sa.initiatorSPI,
            responderSPI: sa.responderSPI,
            exchangeType: request.header.exchangeType,
            isFromOriginalInitiator: sa.isOriginalInitiator,
            isResponse: true,
            messageID: request.header.messageID
        )
        guard let bytes = sa.keys?.seal(header, payloads, random: &random) else { return }
        sa.responses.answered(request.datagram.bytes, with: bytes)
        send(bytes, from: request.datagram.local, to: request.datagram.remote)
    }

    private func armRetransmission(of sa: IKESA, attempt: Int, at now: Instant) {
        let schedule = sa.connection.retransmission
        let wait = schedule.wait(afterAttempt: attempt, random: &random)
        arm(.retransmission, of: sa, at: now + wait)
    }

    func retransmit(_ sa: IKESA, at now: Instant) {
        guard var outstanding = sa.requests.outstanding else { return }
        if case .initiating(let state) = sa.state, let refusal = state.refusal {
            return fail(sa, refusal, at: now)
        }
        guard outstanding.attempts < sa.connection.retransmission.tries else {
            return giveUp(sa, at: now)
        }
        outstanding.attempts += 1
        sa.requests.outstanding = outstanding
        counters.retransmitted += 1
        report(
            .retransmitting(
                exchange: outstanding.exchange.name,
                attempt: outstanding.attempts,
                limit: sa.connection.retransmission.tries
            ),
            of: sa
        )
        send(outstanding.bytes, from: sa.path.local, to: sa.path.remote)
        armRetransmission(of: sa, attempt: outstanding.attempts, at: now)
    }

    /// RFC 7296 §2.4: after "repeated attempts to contact it have gone unanswered for a timeout
    /// period", an end may conclude that the other has failed.
    private func giveUp(_ sa: IKESA, at now: Instant) {
        report(.peerUnresponsive, of: sa)
        fail(
            sa,
            NegotiationFailure(
                subject: .peerUnresponsive,
                explanation: "\(sa.path.remote) did not answer "
                    + "\(sa.connection.retransmission.tries) sendings of "
                    + "\(sa.requests.outstanding?.exchange.name ?? "a request").",
                source: sa.connection.source,
                remedy: "See that the peer runs, that its address at \(sa.connection.source) is "
                    + "right, and that UDP ports \(settings.ikePort) and "
                    + "\(settings.natTraversalPort) pass in both directions."
            ),
            at: now
        )
    }
}
