internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// A first request that was admitted and can be read.
struct FirstRequest {
    let content: MessageContent
    let nonce: [UInt8]
    /// Under which it is found when it comes again.
    let key: HalfOpenKey
    let datagram: IKEDatagram
    let header: MessageHeader
    /// Whose puzzle was solved.
    let solvedCookie: [UInt8]?
}

/// Where the responder gets the keys of a new IKE SA from.
enum AnswerKeys {
    /// A key exchange (RFC 7296 §1.2, §2.14).
    case exchanged(ProposalSelection.Choice, IKESuite, theirs: KeyExchangePayload)
    /// The session that a ticket stands for (RFC 5723 §4.3.2, §5.1).
    case resumed(TicketContent, IKESuite)

    var ticket: TicketContent? { if case .resumed(let ticket, _) = self { ticket } else { nil } }

    /// The key exchanges that are to follow (RFC 9370 §2.2.2).
    var additional: [KeyExchangeMethod] {
        if case .exchanged(_, let suite, _) = self { suite.additionalKeyExchanges } else { [] }
    }

    /// What is agreed, and told of it, where `told` says what both ends can.
    func extensions(
        _ told: (agreed: AgreedExtensions, notifies: [Payload])
    ) -> (AgreedExtensions, [Payload]) {
        guard let ticket else { return told }
        return (
            told.agreed.resumed(isSignedInFull: ticket.isSignedInFull),
            told.notifies.filter(\.isOfResumption)
        )
    }
}

/// The first exchange of an IKE SA, the responder's side: IKE_SA_INIT (RFC 7296 §1.2, §2.6) or
/// IKE_SESSION_RESUME (RFC 5723 §4.3.2).
///
/// Whoever sends here has proven nothing, and a ticket can be seen on its way: no state and no key
/// exchange before the limits have been asked, and so many reports a second.
extension IKEEngine {
    func receiveFirstRequest(_ datagram: IKEDatagram, _ header: MessageHeader, at now: Instant) {
        guard let key = firstRequestKey(datagram, header),
            !answersAgain(key, datagram, header, at: now)
        else { return }
        guard case .admitted(let cookie) = admit(datagram, header, at: now) else { return }
        let message: IKEMessage
        do {
            message = try IKEMessage(reading: datagram.bytes)
        } catch {
            return dropMalformed(error, datagram, header, at: now)
        }
        guard message.protection == .none, let content = MessageContent(message.payloads),
            let nonce = content.nonce
        else { return dropIncomplete(datagram, header, at: now) }
        let request = FirstRequest(
            content: content,
            nonce: nonce,
            key: key,
            datagram: datagram,
            header: header,
            solvedCookie: cookie
        )
        if header.exchangeType == .ikeSessionResume {
            receiveResumeRequest(request, at: now)
        } else {
            receiveInitRequest(request, at: now)
        }
    }

    /// What a first request is known by; nil where it is none, and dropped.
    private func firstRequestKey(_ datagram: IKEDatagram, _ header: MessageHeader) -> HalfOpenKey? {
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
    private func answersAgain(
        _ key: HalfOpenKey,
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        at now: Instant
    ) -> Bool {
        guard let sa = sas.halfOpen(key) else { return false }
        // Refused meanwhile: the first request has come late once more.
        guard case .halfOpen(var state) = sa.state else {
            counters.drop(.unexpectedExchange)
            return true
        }
        if datagram.bytes != state.transcript.initiatorMessage,
            hasNoFalseCookie(datagram, header, at: now)
        {
            state.note(version: datagram.bytes)
            sa.state = .halfOpen(state)
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
        refuseFirstRequest(.malformed(header, "cannot be read: \(error)"), datagram, at: now)
    }

    func dropIncomplete(_ datagram: IKEDatagram, _ header: MessageHeader, at now: Instant) {
        counters.drop(.malformed)
        refuseFirstRequest(
            .malformed(header, "lacks a payload, or has one twice"),
            datagram,
            at: now
        )
    }

    /// Answers, and keeps the half-open SA.
    func open(
        _ request: FirstRequest,
        for connection: IKEConnection,
        _ source: AnswerKeys,
        at now: Instant
    ) {
        let spi = freshIKESPI()
        let nonce = freshNonce()
        let context = IKEKeys.Context(
            nonceInitiator: request.nonce,
            nonceResponder: nonce,
            spiInitiator: request.header.initiatorSPI,
            spiResponder: spi
        )
        guard let (keys, own) = derive(source, context, request, at: now) else {
            return counters.drop(.malformed)
        }
        let path = IKEPath(request.datagram)
        let nat = translation(request, connection, along: path)
        let (agreed, notifies) = source.extensions(agree(on: request.content, connection))
        let puzzle = authPuzzle(
            request.content,
            keys.suite,
            hasSolved: request.solvedCookie != nil
        )
        let header = request.header.answering(responderSPI: spi)
        var payloads = own
        payloads.reserveCapacity(PayloadChain.usualPayloads)
        payloads.append(.nonce(NoncePayload(nonce: nonce)))
        payloads += natAnswer(header, path, nat)
        payloads += notifies
        if let puzzle { payloads.append(.notify(puzzle.notify)) }
        let response = IKEMessage.serialise(header, payloads: payloads)
        let transcript = InitTranscript(
            initiatorMessage: request.datagram.bytes,
            responderMessage: response,
            initiatorNonce: request.nonce,
            responderNonce: nonce,
            isSignedInFull: agreed.contains(.fullTranscript)
        )
        var state = HalfOpen(keys: keys, transcript: transcript, key: request.key)
        state.remaining = source.additional[...]
        state.resumption = source.ticket
        state.redirectedFrom = request.content.redirectedFrom
        state.puzzle = puzzle
        let sa = IKESA(
            localSPI: spi,
            peerSPI: request.header.initiatorSPI,
            isOriginalInitiator: false,
            connection: connection,
            path: path,
            state: .halfOpen(state),
            now: now
        )
        sa.nat = nat
        sa.agreed = agreed
        keep(sa, request, at: now)
        if let ticket = source.ticket { notePresentation(ticket, for: sa, at: now) }
        send(response, along: path)
    }

    private func keep(_ sa: IKESA, _ request: FirstRequest, at now: Instant) {
        sa.signatureHashes = SignatureHashes.read(request.content)
        sa.supportsRedirect = request.content.supportsRedirect
        sa.responses = ResponseWindow(nextMessageID: 1)
        sas.insert(sa)
        sas.rememberHalfOpen(request.key, sa, solvedCookie: request.solvedCookie)
        arm(.halfOpenExpiry, of: sa, at: now + halfOpenPatience)
    }

    /// The keys, and the payloads that the initiator needs for them besides our nonce.
    private func derive(
        _ source: AnswerKeys,
        _ context: IKEKeys.Context,
        _ request: FirstRequest,
        at now: Instant
    ) -> (SAKeys, [Payload])? {
        switch source {
        case .exchanged(let choice, let suite, let theirs):
            guard let ours = try? freshAnswer(suite.keyExchange, to: theirs.data),
                let keys = SAKeys(
                    suite: suite,
                    secret: ours.secret,
                    isOriginalInitiator: false,
                    context: context
                )
            else {
                // RFC 6989 §2.5: for a value that is none of its group the responder "MAY send an
                // INVALID_SYNTAX error notification back".
                let notify = NotifyPayload(.invalidSyntax)
                answerUnprotected(request.datagram, request.header, notify, now)
                return nil
            }
            let value = KeyExchangePayload(method: suite.keyExchange, data: ours.publicValue)
            return (keys, [.securityAssociation(choice.answer(spi: [])), .keyExchange(value)])
        case .resumed(let ticket, let suite):
            let keys = SAKeys(
                suite: suite,
                resuming: ticket.derivation,
                isOriginalInitiator: false,
                context: context
            )
            return keys.map { ($0, []) }
        }
    }

    private func translation(
        _ request: FirstRequest,
        _ connection: IKEConnection,
        along path: IKEPath
    ) -> NATSituation {
        var nat = NATDetection.situation(
            request.content,
            initiatorSPI: request.header.initiatorSPI,
            responderSPI: .zero,
            path: path
        )
        nat.isForced = nat.isSupported && connection.forcesUDP(along: path)
        return nat
    }

    /// The NAT detection hashes of our answer, to a peer that sent its own.
    private func natAnswer(
        _ header: MessageHeader,
        _ path: IKEPath,
        _ nat: NATSituation
    ) -> [Payload] {
        guard nat.isSupported else { return [] }
        return NATDetection.notifies(
            initiatorSPI: header.initiatorSPI,
            responderSPI: header.responderSPI,
            path: path,
            forgedSource: nat.isForced ? random.bytes(NATDetection.hashLength) : nil
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
    fileprivate static func malformed(
        _ header: MessageHeader,
        _ what: String
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .malformedMessage,
            explanation: "A first request (\(header.exchangeType)) \(what).",
            remedy: "Its sender errs, or somebody tries what happens; nothing is answered."
        )
    }
}
