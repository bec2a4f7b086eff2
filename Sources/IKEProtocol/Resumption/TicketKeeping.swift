internal import IKECredentials
internal import IKEMessages
internal import IPsecPrimitives

/// The initiator's tickets: asked for, kept beside their IKE SA, and kept on where it is lost
/// (RFC 5723 §4.1, §4.2, §6.2).
extension IKEEngine {
    /// How long the responder has that cannot give a ticket at once (TICKET_ACK).
    private static let ticketPatience: Duration = .seconds(30)

    /// TICKET_REQUEST, for the IKE_AUTH request that we send.
    func ticketRequest(_ connection: IKEConnection) -> [Payload] {
        connection.resumption == nil ? [] : [.notify(NotifyPayload(.ticketRequest))]
    }

    /// RFC 5723 §4.1: "at any time", "initiated by the client".
    func startTicketRequest(of sa: IKESA, at now: Instant) {
        guard sa.isSessionInitiator else { return }
        let payloads = ticketRequest(sa.connection)
        guard !payloads.isEmpty else { return }
        request(.requestTicket, .informational, payloads, of: sa, at: now)
    }

    /// A ticket, or why there is none, in an answer to our TICKET_REQUEST.
    func takeTicket(_ content: MessageContent, of sa: IKESA, _ state: Established, at now: Instant)
    {
        guard sa.connection.resumption != nil, sa.isSessionInitiator else { return }
        if let grant = content.notify(.ticketLTOpaque).flatMap(TicketGrant.init) {
            sa.ticket = SessionTicket(grant, of: sa, state, at: now)
            // Another before this one expires.
            let life = Duration.seconds(Int64(grant.lifetime))
            arm(.retry(.requestTicket), of: sa, at: now + max(life / 4 * 3, .seconds(10)))
        } else if content.notify(.ticketACK) != nil {
            arm(.retry(.requestTicket), of: sa, at: now + IKEEngine.ticketPatience)
        }
        // TICKET_NACK, or a peer that does not know tickets: the next IKE SA asks again.
    }

    /// RFC 5723 §6.2: "When the IKE SA is rekeyed, the ticket is invalidated, and the client SHOULD
    /// request a new ticket."
    func renewTicket(in new: IKESA, after old: IKESA, at now: Instant) {
        revokeTickets(of: old, at: now)
        guard new.connection.resumption != nil, new.isSessionInitiator else { return }
        enqueue(.requestTicket, of: new, at: now)
    }

    /// An IKE SA ends. The tickets of one that somebody deletes end with it (RFC 5723 §6.2); those
    /// of one that was lost are what tickets are for.
    func settleTickets(of sa: IKESA, because reason: IKEReport.ClosureReason, at now: Instant) {
        guard reason.isLoss, sa.established?.isReplaced == false else {
            return revokeTickets(of: sa, at: now)
        }
        if let ticket = sa.ticket {
            lostTickets[sa.connection.name] = ticket.at(sa.path.remote.address)
        }
        sa.ticket = nil
    }

    /// The ticket to begin with instead of IKE_SA_INIT, if there is one for this gateway that
    /// serves.
    func usableTicket(
        _ connection: IKEConnection,
        to gateway: IPAddress,
        at now: Instant
    ) -> SessionTicket? {
        guard connection.resumption != nil, let ticket = lostTickets[connection.name] else {
            return nil
        }
        // RFC 5723 §4.3.1: not "when it knows that the ticket's lifetime has expired".
        let isOld =
            ticket.expiresAt <= now
            || connection.reauthenticateAfter.map { ticket.authenticatedAt + $0 <= now } ?? false
        guard !isOld else {
            lostTickets[connection.name] = nil
            return nil
        }
        return ticket.gateway == gateway ? ticket : nil
    }

    /// The ticket of an IKE SA of a connection that was lost is not to be used: it was used, or the
    /// session is over (RFC 5723 §4.3.1, §6.2).
    package func forgetTicket(of connection: String) { lostTickets[connection] = nil }

    /// Whatever IKE SA is up now, the one before needs not be resumed.
    func forgetTicket(replacedBy sa: IKESA, _ state: Established) {
        guard let ticket = lostTickets[sa.connection.name],
            ticket.remoteIdentity == state.remoteIdentity
        else { return }
        forgetTicket(of: sa.connection.name)
    }

    // MARK: Another configuration

    /// Drops what the configuration no longer covers. RFC 5723 §6.2: "when credentials associated
    /// with the IKE SA are invalidated ..., the ticket MUST be deleted".
    func adoptTickets(insteadOf old: CredentialStore, _ before: [IKEConnection], at now: Instant) {
        for (name, ticket) in lostTickets where !stillServes(ticket, of: name, old, before) {
            lostTickets[name] = nil
        }
        for sa in sas.all() {
            guard let state = sa.established, state.standing == .current else { continue }
            if let ticket = sa.ticket, !stillServes(ticket, of: sa.connection.name, old, before) {
                sa.ticket = nil
            }
            let wasOff = before.first { $0.name == sa.connection.name }?.resumption == nil
            if sa.connection.resumption != nil, sa.ticket == nil, wasOff, sa.isSessionInitiator {
                enqueue(.requestTicket, of: sa, at: now)
            }
        }
    }

    private func stillServes(
        _ ticket: SessionTicket,
        of name: String,
        _ old: CredentialStore,
        _ before: [IKEConnection]
    ) -> Bool {
        guard let connection = connection(named: name), connection.resumption != nil,
            connection.localIdentity == ticket.localIdentity,
            connection.remoteIdentity.matches(ticket.remoteIdentity),
            connection.proposals.allow(ticket.suite.transforms, for: .ikeSA),
            connection.ppk == before.first(where: { $0.name == name })?.ppk
        else { return false }
        if let ppk = connection.ppk,
            !credentials.hasSamePostquantumKey(as: old, identifier: ppk.identifier)
        {
            return false
        }
        let pair = (ticket.localIdentity, ticket.remoteIdentity)
        let (mine, theirs) = (
            credentials.presharedKey(local: pair.0, remote: pair.1),
            old.presharedKey(local: pair.0, remote: pair.1)
        )
        guard let mine, let theirs else { return false }
        return mine.isEqual(to: theirs)
    }
}

extension IKEReport.ClosureReason {
    /// Whether the peer did not want this end of an IKE SA, and nor did we.
    fileprivate var isLoss: Bool {
        switch self {
        case .peerUnresponsive, .peerRestarted, .addressLost: true
        case .requested, .deletedByPeer, .superseded, .expired, .replaced, .redirected,
            .unconfigured, .failed:
            false
        }
    }
}
