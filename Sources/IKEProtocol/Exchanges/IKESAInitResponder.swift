internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// IKE_SA_INIT, the responder's side (RFC 7296 §1.2, §2.6).
///
/// Whoever sends here has proven nothing: no state and no key exchange before the limits have
/// been asked, and so many reports a second.
extension IKEEngine {
    private struct FirstRequest {
        let content: MessageContent
        let offer: SecurityAssociationPayload
        let keyExchange: KeyExchangePayload
        let nonce: [UInt8]
        /// Whose puzzle was solved.
        let solvedCookie: [UInt8]?

        /// Whether the initiator can do IKE_INTERMEDIATE.
        var takesAdditional: Bool { content.notify(.intermediateExchangeSupported) != nil }
    }

    func receiveInitRequest(_ datagram: IKEDatagram, _ header: MessageHeader, at now: Instant) {
        guard let key = firstRequestKey(datagram, header), !answersAgain(key, datagram) else {
            return
        }
        guard case .admitted(let cookie) = admit(datagram, header, at: now) else { return }
        let message: IKEMessage
        do {
            message = try IKEMessage(reading: datagram.bytes)
        } catch {
            return dropMalformed(error, datagram, header, at: now)
        }
        guard message.protection == .none, let content = MessageContent(message.payloads),
            let offer = content.securityAssociation, let keyExchange = content.keyExchange,
            let nonce = content.nonce
        else {
            counters.drop(.malformed)
            return refuseFirstRequest(
                .malformedInit("lacks a payload, or has one twice"),
                datagram,
                at: now
            )
        }
        let first = FirstRequest(
            content: content,
            offer: offer,
            keyExchange: keyExchange,
            nonce: nonce,
            solvedCookie: cookie
        )
        answer(first, key, datagram, header, at: now)
    }

    /// What a first request is known by; nil where it is none, and dropped.
    func firstRequestKey(_ datagram: IKEDatagram, _ header: MessageHeader) -> HalfOpenKey? {
        guard header.isFromOriginalInitiator, header.responderSPI == .zero,
            header.initiatorSPI != .zero, header.messageID == 0
        else {
            counters.drop(.malformed)
            return nil
        }
        guard datagram.bytes.count <= IKEEngine.maximumUnprovenOctets else {
            counters.drop(.oversized)
            return nil
        }
        guard !isShuttingDown else {
            counters.drop(.unexpectedExchange)
            return nil
        }
        return HalfOpenKey(remote: datagram.remote, request: datagram.bytes)
    }

    /// Whether the request has come before; then it gets the answer it got before.
    func answersAgain(_ key: HalfOpenKey, _ datagram: IKEDatagram) -> Bool {
        guard let sa = sas.halfOpen(key) else { return false }
        // Refused meanwhile: the first request has come late once more.
        guard case .halfOpen(let state) = sa.state else {
            counters.drop(.unexpectedExchange)
            return true
        }
        counters.answeredAgain += 1
        send(state.transcript.responderMessage, along: IKEPath(datagram))
        return true
    }

    /// RFC 7296 §3.10.1: INVALID_SYNTAX "may only be returned for and in an encrypted packet", and
    /// so our log alone hears of it (§2.21.1); a critical payload that is unknown is told in any
    /// case (§2.5).
    private func dropMalformed(
        _ error: MessageError,
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        at now: Instant
    ) {
        counters.drop(.malformed)
        if case .unsupportedCriticalPayload = error, let notify = error.notify {
            return answerUnprotected(datagram, header, notify, now)
        }
        refuseFirstRequest(.malformedInit("cannot be read: \(error)"), datagram, at: now)
    }

    private func answer(
        _ first: FirstRequest,
        _ key: HalfOpenKey,
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        at now: Instant
    ) {
        let candidates = connections.filter { $0.mayMeet(datagram) }
        guard let connection = candidates.first else {
            counters.drop(.noConnection)
            refuseFirstRequest(ConnectionChoice.noneMeets(datagram, connections), datagram, at: now)
            return answerUnprotected(datagram, header, NotifyPayload(.noProposalChosen), now)
        }
        if redirects(first.content, nonce: first.nonce, connection, datagram, header, at: now) {
            return
        }
        for candidate in candidates {
            guard
                let choice = try? ProposalSelection.choose(
                    from: first.offer.proposals,
                    accepting: candidate.proposals,
                    for: .ikeSA,
                    guessedMethod: first.keyExchange.method,
                    takesAdditional: first.takesAdditional
                ),
                let suite = IKESuite(choice.transforms)
            else { continue }
            guard suite.keyExchange == first.keyExchange.method else {
                // RFC 7296 §1.2: the initiator guessed another method; it has to begin anew. Outside
                // the limit of answers, as a COOKIE is: a flood of rubbish must not keep those out
                // who guess wrong, and the answer is smaller than the request.
                return sendClear(
                    datagram,
                    header,
                    [.notify(.invalidKE(wanted: suite.keyExchange))]
                )
            }
            return open(candidate, first, choice, suite, key, datagram, header, at: now)
        }
        let failure = ProposalMismatch.explain(
            offered: first.offer.proposals,
            accepted: candidates.flatMap(\.proposals),
            for: .ikeSA,
            takesAdditional: first.takesAdditional
        )
        // Of several that fit the addresses, none is known to be meant.
        let meant = candidates.count == 1 ? connection.name : nil
        refuseFirstRequest(failure, datagram, connection: meant, at: now)
        answerUnprotected(datagram, header, NotifyPayload(.noProposalChosen), now)
    }

    private func open(
        _ connection: IKEConnection,
        _ first: FirstRequest,
        _ choice: ProposalSelection.Choice,
        _ suite: IKESuite,
        _ key: HalfOpenKey,
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        at now: Instant
    ) {
        let spi = freshIKESPI()
        let nonce = freshNonce()
        guard let keyExchange = try? freshAnswer(suite.keyExchange, to: first.keyExchange.data),
            let keys = SAKeys(
                suite: suite,
                secret: keyExchange.secret,
                isOriginalInitiator: false,
                context: IKEKeys.Context(
                    nonceInitiator: first.nonce,
                    nonceResponder: nonce,
                    spiInitiator: header.initiatorSPI,
                    spiResponder: spi
                )
            )
        else {
            counters.drop(.malformed)
            // RFC 6989 §2.5: for a value that is none of its group the responder "MAY send an
            // INVALID_SYNTAX error notification back".
            return answerUnprotected(datagram, header, NotifyPayload(.invalidSyntax), now)
        }
        let path = IKEPath(datagram)
        var nat = NATDetection.situation(
            first.content,
            initiatorSPI: header.initiatorSPI,
            responderSPI: .zero,
            path: path
        )
        nat.isForced = nat.isSupported && connection.forcesUDP(along: path)
        let (agreed, notifies) = agree(on: first.content, connection)
        let answer = header.answering(responderSPI: spi)
        let payload = KeyExchangePayload(method: suite.keyExchange, data: keyExchange.publicValue)
        let puzzle = authPuzzle(first.content, suite, hasSolved: first.solvedCookie != nil)
        let demand = puzzle.map { [Payload.notify($0.notify)] } ?? []
        let payloads =
            answerPayloads(choice, payload, nonce, answer, path, nat) + notifies + demand
        let response = IKEMessage.serialise(answer, payloads: payloads)
        let transcript = InitTranscript(
            initiatorMessage: datagram.bytes,
            responderMessage: response,
            initiatorNonce: first.nonce,
            responderNonce: nonce,
            isSignedInFull: agreed.contains(.fullTranscript)
        )
        var state = HalfOpen(keys: keys, transcript: transcript, key: key)
        state.remaining = suite.additionalKeyExchanges[...]
        state.puzzle = puzzle
        let sa = IKESA(
            localSPI: spi,
            peerSPI: header.initiatorSPI,
            isOriginalInitiator: false,
            connection: connection,
            path: path,
            state: .halfOpen(state),
            now: now
        )
        sa.nat = nat
        sa.agreed = agreed
        keep(sa, key, first, at: now)
        send(response, along: path)
    }

    private func keep(
        _ sa: IKESA,
        _ key: HalfOpenKey,
        _ first: FirstRequest,
        at now: Instant
    ) {
        sa.signatureHashes = SignatureHashes.read(first.content)
        sa.supportsRedirect = first.content.supportsRedirect
        sa.responses = ResponseWindow(nextMessageID: 1)
        sas.insert(sa)
        sas.rememberHalfOpen(key, sa, solvedCookie: first.solvedCookie)
        arm(.halfOpenExpiry, of: sa, at: now + halfOpenPatience)
    }

    private func answerPayloads(
        _ choice: ProposalSelection.Choice,
        _ keyExchange: KeyExchangePayload,
        _ nonce: [UInt8],
        _ header: MessageHeader,
        _ path: IKEPath,
        _ nat: NATSituation
    ) -> [Payload] {
        [
            .securityAssociation(choice.answer(spi: [])),
            .keyExchange(keyExchange),
            .nonce(NoncePayload(nonce: nonce)),
        ] + natAnswer(header, path, nat)
    }

    /// The NAT detection hashes of our answer, to a peer that sent its own.
    func natAnswer(_ header: MessageHeader, _ path: IKEPath, _ nat: NATSituation) -> [Payload] {
        guard nat.isSupported else { return [] }
        return NATDetection.notifies(
            initiatorSPI: header.initiatorSPI,
            responderSPI: header.responderSPI,
            path: path,
            isForged: nat.isForced,
            random: &random
        )
    }

    /// RFC 7296 §2.6: an answer before there is a responder's SPI has zero there.
    func sendClear(
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ payloads: [Payload]
    ) {
        send(
            IKEMessage.serialise(header.answering(responderSPI: .zero), payloads: payloads),
            along: IKEPath(datagram)
        )
    }

    func refuseFirstRequest(
        _ failure: NegotiationFailure,
        _ datagram: IKEDatagram,
        connection: String? = nil,
        at now: Instant
    ) {
        guard unprotectedReports.takes(at: now) else { return }
        effects.append(
            .report(
                IKEReport(
                    connection: connection,
                    remote: datagram.remote,
                    event: .refused(failure)
                )
            )
        )
    }
}

extension NegotiationFailure {
    fileprivate static func malformedInit(_ what: String) -> NegotiationFailure {
        NegotiationFailure(
            subject: .malformedMessage,
            explanation: "A first request (IKE_SA_INIT) \(what).",
            remedy: "Its sender errs, or somebody tries what happens; nothing is answered."
        )
    }
}
