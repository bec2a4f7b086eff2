internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// The first exchange of an IKE SA, the initiator's side: IKE_SA_INIT (RFC 7296 §1.2) or
/// IKE_SESSION_RESUME (RFC 5723 §4.3.2), as `FirstKeys` tells.
extension IKEEngine {
    func sendFirstRequest(_ sa: IKESA, _ initiating: Initiating, at now: Instant) {
        var state = initiating
        if sa.nat.isForced, state.forgedNATHash == nil {
            state.forgedNATHash = random.bytes(NATDetection.hashLength)
        }
        var payloads: [Payload] = []
        payloads.reserveCapacity(PayloadChain.usualPayloads)
        if let cookie = state.cookie {
            payloads.append(.notify(NotifyPayload(.cookie, data: cookie)))
        }
        if let solution = state.solution { payloads.append(.puzzleSolution(solution)) }
        payloads += state.keys.payloads(state.nonce)
        payloads += NATDetection.notifies(
            initiatorSPI: sa.localSPI,
            responderSPI: .zero,
            path: sa.path,
            forgedSource: state.forgedNATHash
        )
        payloads += state.keys.notifies(of: supportNotifies(sa.connection))
        payloads += redirectSupport(sa, from: state.wanted.first?.redirectedFrom)
        let header = MessageHeader(
            initiatorSPI: sa.localSPI,
            responderSPI: .zero,
            exchangeType: state.keys.exchange.type,
            isFromOriginalInitiator: true,
            isResponse: false,
            messageID: 0
        )
        state.request = IKEMessage.serialise(header, payloads: payloads)
        sa.state = .initiating(state)
        // RFC 7296 §2.6: a repetition with a COOKIE has the message ID zero again.
        sa.requests = RequestWindow()
        request(state.keys.exchange, SentMessage(state.request), of: sa, at: now)
    }

    func receiveFirstResponse(
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ sa: IKESA,
        _ state: Initiating,
        at now: Instant
    ) {
        guard header.exchangeType == state.keys.exchange.type, header.isResponse,
            header.messageID == 0
        else { return counters.drop(.unexpectedExchange) }
        guard datagram.remote == sa.path.remote, datagram.transport == sa.path.transport else {
            return counters.drop(.unexpectedSource)
        }
        // An answer is there, and its puzzle is worked on.
        guard state.answer == nil else { return counters.drop(.repeatedResponse) }
        guard let message = try? IKEMessage(reading: datagram.bytes), message.protection == .none,
            let content = MessageContent(message.payloads)
        else { return counters.drop(.malformed) }
        guard state.keys.areAnswered(by: content) else {
            return receiveFirstNotify(content, sa, state, at: now)
        }
        let answer = FirstAnswer(content: content, datagram: datagram, header: header)
        receiveFirstAnswer(answer, sa, state, at: now)
    }

    /// Another gateway, a COOKIE, or what the exchange has for refusals.
    private func receiveFirstNotify(
        _ content: MessageContent,
        _ sa: IKESA,
        _ state: Initiating,
        at now: Instant
    ) {
        if followsInitRedirect(content, sa, nonce: state.nonce, wanted: state.wanted, at: now) {
            return
        }
        if let cookie = content.notify(.cookie), (1...64).contains(cookie.data.count) {
            return show(cookie.data, content.notify(.puzzle), sa, state, at: now)
        }
        switch state.keys {
        case .exchanged(let keyPair, let offer):
            receiveInitRefusal(content, keyPair, offer, sa, state, at: now)
        case .resumed: receiveResumeRefusal(content, sa, state, at: now)
        }
    }

    private func show(
        _ cookie: [UInt8],
        _ puzzle: NotifyPayload?,
        _ sa: IKESA,
        _ initiating: Initiating,
        at now: Instant
    ) {
        var state = initiating
        guard state.restarts < state.keys.restartLimit, cookie != state.cookie else {
            return counters.drop(.unexpectedExchange)
        }
        state.restarts += 1
        counters.cookiesShown += 1
        state.cookie = cookie
        state.refusal = nil
        // RFC 8019 §4.5: whoever has a ticket is asked for a COOKIE, and served before others.
        if let puzzle, !state.keys.isResumed {
            return receivePuzzle(puzzle, cookie, sa, state, at: now)
        }
        state.search = nil
        state.solution = nil
        report(.cookieDemandedByPeer, of: sa)
        sendFirstRequest(sa, state, at: now)
    }

    func receiveFirstAnswer(
        _ answer: FirstAnswer,
        _ sa: IKESA,
        _ state: Initiating,
        at now: Instant
    ) {
        guard answer.header.responderSPI != .zero, let nonce = answer.content.nonce else {
            return counters.drop(.malformed)
        }
        let context = IKEKeys.Context(
            nonceInitiator: state.nonce,
            nonceResponder: nonce,
            spiInitiator: sa.localSPI,
            spiResponder: answer.header.responderSPI
        )
        switch state.keys {
        case .exchanged(let keyPair, let offer):
            guard let keys = agreedKeys(keyPair, offer, answer, context, sa, state, at: now) else {
                return
            }
            let transcript = acceptFirstAnswer(answer, context, sa, state)
            exchangeKeys(
                keys.suite.additionalKeyExchanges[...],
                sa,
                keys,
                transcript,
                wanted: state.wanted,
                at: now
            )
        case .resumed(let ticket):
            guard let keys = SAKeys(resuming: ticket, context) else {
                return counters.drop(.malformed)
            }
            let transcript = acceptFirstAnswer(answer, context, sa, state)
            // From here on the peer may count the ticket as used.
            forgetTicket(of: sa.connection.name)
            startAuthentication(
                sa,
                keys,
                transcript,
                resuming: ticket,
                wanted: state.wanted,
                at: now
            )
        }
    }

    /// The IKE SA as the answer makes it.
    private func acceptFirstAnswer(
        _ answer: FirstAnswer,
        _ context: IKEKeys.Context,
        _ sa: IKESA,
        _ state: Initiating
    ) -> InitTranscript {
        sa.peerSPI = answer.header.responderSPI
        sa.requests.removeAll()
        disarm(.retransmission(0), of: sa)
        sa.agreed = state.keys.extensions(agreed(in: answer.content, sa.connection))
        sa.signatureHashes = SignatureHashes.read(answer.content)
        learnPath(of: sa, answer.content, answer.datagram)
        return InitTranscript(
            initiatorMessage: state.request,
            responderMessage: answer.datagram.bytes,
            initiatorNonce: context.nonceInitiator,
            responderNonce: context.nonceResponder,
            isSignedInFull: sa.agreed.contains(.fullTranscript)
        )
    }
}
