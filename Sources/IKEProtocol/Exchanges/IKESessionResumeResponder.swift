internal import IKECredentials
internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// IKE_SESSION_RESUME, the responder's side (RFC 5723 §4.3.2), and what its IKE_AUTH proves (RFC
/// 5723 §4.3.3).
///
/// As in IKE_SA_INIT, whoever sends here has proven nothing: a ticket can be seen on its way.
extension IKEEngine {
    func receiveResumeRequest(_ datagram: IKEDatagram, _ header: MessageHeader, at now: Instant) {
        guard let key = firstRequestKey(datagram, header), !answersAgain(key, datagram) else {
            return
        }
        guard case .admitted = admit(datagram, header, isResumption: true, at: now) else { return }
        let message: IKEMessage
        do {
            message = try IKEMessage(reading: datagram.bytes)
        } catch {
            counters.drop(.malformed)
            if let notify = error.notify { answerUnprotected(datagram, header, notify, now) }
            return
        }
        guard message.protection == .none, let content = MessageContent(message.payloads),
            let nonce = content.nonce, let ticket = content.notify(.ticketOpaque)?.data
        else {
            counters.drop(.malformed)
            return answerUnprotected(datagram, header, NotifyPayload(.invalidSyntax), now)
        }
        do {
            let opened = try openTicket(ticket, along: IKEPath(datagram), at: now)
            if redirects(content, nonce: nonce, opened.1, datagram, header, at: now) { return }
            resume(opened, content, nonce, key, datagram, header, at: now)
        } catch {
            refuseFirstRequest(error, datagram, at: now)
            // Outside the limit of answers, as a COOKIE is: it is smaller than the request, and a
            // peer with a ticket that does not serve must not have to wait for it.
            sendClear(datagram, header, [.notify(NotifyPayload(.ticketNACK))])
        }
    }

    private func resume(
        _ opened: (ticket: TicketContent, connection: IKEConnection, suite: IKESuite),
        _ content: MessageContent,
        _ theirNonce: [UInt8],
        _ key: HalfOpenKey,
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        at now: Instant
    ) {
        let (ticket, connection, suite) = opened
        let spi = freshIKESPI()
        let nonce = freshNonce()
        let keys = SAKeys(
            suite: suite,
            resuming: ticket.derivation,
            isOriginalInitiator: false,
            context: IKEKeys.Context(
                nonceInitiator: theirNonce,
                nonceResponder: nonce,
                spiInitiator: header.initiatorSPI,
                spiResponder: spi
            )
        )
        guard let keys else { return counters.drop(.malformed) }
        let path = IKEPath(datagram)
        var nat = NATDetection.situation(
            content,
            initiatorSPI: header.initiatorSPI,
            responderSPI: .zero,
            path: path
        )
        nat.isForced = connection.encapsulation == .udp && nat.isSupported
        let answer = header.answering(responderSPI: spi)
        let response = IKEMessage.serialise(
            answer,
            payloads: [.nonce(NoncePayload(nonce: nonce))] + natAnswer(answer, path, nat)
                + agree(on: content, connection).notifies.filter(\.isOfResumption)
        )
        let transcript = InitTranscript(
            initiatorMessage: datagram.bytes,
            responderMessage: response,
            initiatorNonce: theirNonce,
            responderNonce: nonce,
            isSignedInFull: ticket.isSignedInFull
        )
        let state = HalfOpen(keys: keys, transcript: transcript, resumption: ticket, key: key)
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
        sa.agreed = resumptionAgreed(
            in: content,
            connection,
            isSignedInFull: ticket.isSignedInFull
        )
        sa.signatureHashes = SignatureHashes.read(content)
        sa.supportsRedirect = content.supportsRedirect
        sa.responses = ResponseWindow(nextMessageID: 1)
        sas.insert(sa)
        sas.rememberHalfOpen(key, sa, solvedCookie: nil)
        notePresentation(ticket, for: sa, at: now)
        arm(.halfOpenExpiry, of: sa, at: now + halfOpenPatience)
        send(response, along: IKEPath(datagram))
    }

    /// The connection and identity that the ticket gives and AUTH proves; IDi and IDr "MUST be
    /// identical to the value included in the ticket" (RFC 5723 §4.3.3).
    func authenticateResumed(
        _ ticket: TicketContent,
        _ content: MessageContent,
        _ sa: IKESA,
        _ state: HalfOpen,
        at now: Instant
    ) throws(NegotiationFailure) -> IKEConnection {
        let (connection, _) = try judge(ticket, along: sa.path, at: now)
        guard let identification = content.identificationInitiator else {
            throw .malformedAuth("its identity", connection)
        }
        guard identification.identity == ticket.remoteIdentity else {
            throw ResumptionFailure.otherIdentity(identification.identity, ticket, connection)
        }
        if let wanted = content.identificationResponder?.identity, wanted != ticket.localIdentity {
            throw ResumptionFailure.otherIdentity(wanted, ticket, connection)
        }
        guard let authentication = content.authentication else {
            throw .malformedAuth("AUTH", connection)
        }
        guard authentication.method == .sharedKey,
            ResumedAuthentication.verify(
                authentication.data,
                signing: state.transcript.signedByInitiator(
                    identification,
                    keys: state.keys.keys
                ),
                prf: state.keys.suite.prf
            )
        else { throw ResumptionFailure.unproven(ticket.remoteIdentity, connection) }
        return connection
    }
}
