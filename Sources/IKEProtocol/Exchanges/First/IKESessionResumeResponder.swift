internal import IKECredentials
internal import IKEMessages
internal import IPsecPrimitives

/// IKE_SESSION_RESUME, the responder's side, where it differs from IKE_SA_INIT (RFC 5723 §4.3.2),
/// and what its IKE_AUTH proves (RFC 5723 §4.3.3).
extension IKEEngine {
    func receiveResumeRequest(_ request: FirstRequest, at now: Instant) {
        let (content, datagram, header) = (request.content, request.datagram, request.header)
        guard let opaque = content.notify(.ticketOpaque)?.data else {
            return dropIncomplete(datagram, header, at: now)
        }
        do {
            let (ticket, connection, suite) = try openTicket(
                opaque,
                along: IKEPath(datagram),
                at: now
            )
            if redirects(request, connection, at: now) { return }
            open(request, for: connection, .resumed(ticket, suite), at: now)
        } catch {
            refuseFirstRequest(error, datagram, at: now)
            // Outside the limit of answers, as a COOKIE is: it is smaller than the request, and a
            // peer with a ticket that does not serve must not have to wait for it.
            sendClear(datagram, header, [.notify(NotifyPayload(.ticketNACK))])
        }
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
