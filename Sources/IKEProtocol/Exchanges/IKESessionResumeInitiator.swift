internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// IKE_SESSION_RESUME, the initiator's side (RFC 5723 §4.3.2).
///
///     HDR, [N(COOKIE),] Ni, N(TICKET_OPAQUE) [,N+]  -->
///                                              <--  HDR, Nr [,N+]
///
/// Whatever comes instead of an answer, this end begins from scratch: that is what a ticket only
/// shortens. Nobody vouches for a refusal here, and whoever forges one forces a full exchange upon
/// us, no more.
extension IKEEngine {
    private static let cookieLimit = 3
    /// Sendings after which a silent peer is tried from scratch: it may have forgotten what tickets
    /// are, or be away, and then the ticket is for the next time.
    static let resumptionTries = 3

    func startResumption(
        with ticket: SessionTicket,
        for initiation: IKEEvent.Initiation,
        _ connection: IKEConnection,
        along path: IKEPath,
        at now: Instant
    ) {
        let state = Resuming(ticket: ticket, nonce: freshNonce(), wanted: [initiation])
        let sa = IKESA(
            localSPI: freshIKESPI(),
            peerSPI: .zero,
            isOriginalInitiator: true,
            connection: connection,
            path: path,
            state: .resuming(state),
            now: now
        )
        sa.nat.isForced = connection.encapsulation == .udp || path.local.address.isUnspecified
        sas.insert(sa)
        sendResumeRequest(sa, state, at: now)
    }

    private func sendResumeRequest(_ sa: IKESA, _ resuming: Resuming, at now: Instant) {
        var state = resuming
        var payloads: [Payload] = []
        if let cookie = state.cookie {
            payloads.append(.notify(NotifyPayload(.cookie, data: cookie)))
        }
        payloads += [
            .nonce(NoncePayload(nonce: state.nonce)),
            .notify(NotifyPayload(.ticketOpaque, data: state.ticket.opaque)),
        ]
        payloads += NATDetection.notifies(
            initiatorSPI: sa.localSPI,
            responderSPI: .zero,
            path: sa.path,
            isForged: sa.nat.isForced,
            random: &random
        )
        payloads += resumptionNotifies(sa.connection)
        payloads += redirectSupport(sa, from: state.wanted.first?.redirectedFrom)
        let header = MessageHeader(
            initiatorSPI: sa.localSPI,
            responderSPI: .zero,
            exchangeType: .ikeSessionResume,
            isFromOriginalInitiator: true,
            isResponse: false,
            messageID: 0
        )
        state.request = IKEMessage.serialise(header, payloads: payloads)
        sa.state = .resuming(state)
        sa.requests = RequestWindow()
        request(.ikeSessionResume, SentMessage(state.request), of: sa, at: now)
    }

    func receiveResumeResponse(
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ sa: IKESA,
        _ state: Resuming,
        at now: Instant
    ) {
        guard header.exchangeType == .ikeSessionResume, header.isResponse, header.messageID == 0
        else { return counters.drop(.unexpectedExchange) }
        guard datagram.remote == sa.path.remote else { return counters.drop(.unexpectedSource) }
        guard let message = try? IKEMessage(reading: datagram.bytes), message.protection == .none,
            let content = MessageContent(message.payloads)
        else { return counters.drop(.malformed) }
        guard let nonce = content.nonce else {
            return receiveResumeNotify(content, sa, state, at: now)
        }
        receiveResumeAnswer(nonce, content, datagram, header, sa, state, at: now)
    }

    /// A COOKIE, another gateway, or a refusal.
    private func receiveResumeNotify(
        _ content: MessageContent,
        _ sa: IKESA,
        _ resuming: Resuming,
        at now: Instant
    ) {
        var state = resuming
        if followsInitRedirect(content, sa, nonce: state.nonce, wanted: state.wanted, at: now) {
            return
        }
        if let cookie = content.notify(.cookie), (1...64).contains(cookie.data.count) {
            guard state.restarts < IKEEngine.cookieLimit, cookie.data != state.cookie else {
                return counters.drop(.unexpectedExchange)
            }
            state.restarts += 1
            state.cookie = cookie.data
            report(.cookieDemandedByPeer, of: sa)
            return sendResumeRequest(sa, state, at: now)
        }
        guard let refusal = content.notify(.ticketNACK) ?? content.error else {
            return counters.drop(.malformed)
        }
        // RFC 5723 §4.3.2: "In that case, the initiator should re-initiate a regular IKE exchange."
        forgetTicket(of: sa.connection.name)
        beginFromScratch(
            insteadOf: sa,
            state,
            because: "the peer refuses the ticket with \(refusal.type)",
            at: now
        )
    }

    /// The regular exchange, for all that was wanted.
    func beginFromScratch(
        insteadOf sa: IKESA,
        _ state: Resuming,
        because reason: String,
        at now: Instant
    ) {
        report(.notResumed(reason), of: sa)
        let (connection, path) = (sa.connection, sa.path)
        discard(sa)
        guard var first = state.wanted.first else { return }
        first.localAddress = path.local.address
        first.remoteAddress = path.remote.address
        startIKESA(for: first, connection, mayResume: false, at: now)
        for initiation in state.wanted.dropFirst() { initiate(initiation, at: now) }
    }

    private func receiveResumeAnswer(
        _ nonce: [UInt8],
        _ content: MessageContent,
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ sa: IKESA,
        _ state: Resuming,
        at now: Instant
    ) {
        let ticket = state.ticket
        guard header.responderSPI != .zero,
            let keys = SAKeys(
                suite: ticket.suite,
                resuming: ticket.derivation,
                isOriginalInitiator: true,
                context: IKEKeys.Context(
                    nonceInitiator: state.nonce,
                    nonceResponder: nonce,
                    spiInitiator: sa.localSPI,
                    spiResponder: header.responderSPI
                )
            )
        else { return counters.drop(.malformed) }
        sa.peerSPI = header.responderSPI
        sa.requests.removeAll()
        disarm(.retransmission(0), of: sa)
        sa.agreed = resumptionAgreed(
            in: content,
            sa.connection,
            isSignedInFull: ticket.isSignedInFull
        )
        sa.signatureHashes = SignatureHashes.read(content)
        learnPath(of: sa, content, datagram)
        // From here on the peer may count the ticket as used.
        forgetTicket(of: sa.connection.name)
        startAuthentication(
            sa,
            keys,
            InitTranscript(
                initiatorMessage: state.request,
                responderMessage: datagram.bytes,
                initiatorNonce: state.nonce,
                responderNonce: nonce,
                isSignedInFull: ticket.isSignedInFull
            ),
            resuming: ticket,
            wanted: state.wanted,
            at: now
        )
    }

    // MARK: What both ends can

    /// The notifications of IKE_SA_INIT that have a meaning here: not a PPK, which "MUST NOT be
    /// used" (RFC 8784 §3), and not the full transcript, which is from the ticket
    /// (draft-ietf-ipsecme-ikev2-downgrade-prevention-08 §7.2).
    func resumptionNotifies(_ connection: IKEConnection) -> [Payload] {
        supportNotifies(connection).filter(\.isOfResumption)
    }

    func resumptionAgreed(
        in content: MessageContent,
        _ connection: IKEConnection,
        isSignedInFull: Bool
    ) -> AgreedExtensions {
        var agreed = agreed(in: content, connection).subtracting([.ppk, .fullTranscript])
        if isSignedInFull { agreed.insert(.fullTranscript) }
        return agreed
    }
}

extension Payload {
    var isOfResumption: Bool {
        guard case .notify(let notify) = self else { return true }
        return notify.type != .usePPK && notify.type != .ikeSAInitFullTranscriptAuth
    }
}
