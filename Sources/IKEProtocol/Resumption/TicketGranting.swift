internal import IKECredentials
internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// The responder's tickets: given when asked for, taken back when their IKE SA ends, and judged
/// when they are shown (RFC 5723 §4.1, §4.3.2, §9).
extension IKEEngine {
    /// Half-open SAs of one ticket: the peer may begin anew, and whoever repeats its messages must
    /// not keep it out.
    private static let presentationLimit = 4

    /// What seals tickets; the same after each restart, or they end with it. Without it none are
    /// given, and none are taken.
    package func useTicketSealer(_ sealer: TicketSealer) { ticketSealer = sealer }

    /// The answer to TICKET_REQUEST: TICKET_LT_OPAQUE or TICKET_NACK; nothing where the peer has
    /// not asked.
    func ticketAnswer(to content: MessageContent, of sa: IKESA, at now: Instant) -> [Payload] {
        guard content.notify(.ticketRequest) != nil else { return [] }
        guard let grant = grantTicket(of: sa, at: now) else {
            return [.notify(NotifyPayload(.ticketNACK))]
        }
        return [.notify(grant.notify)]
    }

    /// Nil where none is to be had: the configuration does not want it, or the SA is about to end.
    private func grantTicket(of sa: IKESA, at now: Instant) -> TicketGrant? {
        guard let sealer = ticketSealer, let state = sa.established, !sa.isSessionInitiator,
            let lifetime = ticketLifetime(of: sa, state, at: now),
            let binding = ticketBinding(sa.connection, state.remoteIdentity)
        else { return nil }
        let wall = sealer.wallSeconds(at: now)
        let age = max(0, (now - state.authenticatedAt).components.seconds)
        let content = TicketContent(
            remoteIdentity: state.remoteIdentity,
            localIdentity: state.localIdentity,
            localSPI: sa.localSPI,
            transforms: state.keys.suite.transforms,
            derivation: state.keys.keys.derivation,
            isSignedInFull: sa.agreed.contains(.fullTranscript),
            usesPPK: sa.usesPPK,
            authenticatedAt: wall - min(wall, UInt64(age)),
            expiresAt: wall + UInt64(lifetime),
            connection: sa.connection.name,
            binding: binding
        )
        guard let ticket = sealer.seal(content, at: now, random: &random) else { return nil }
        sa.ticketsExpireAt = max(sa.ticketsExpireAt ?? 0, content.expiresAt)
        return TicketGrant(lifetime: lifetime, ticket: ticket)
    }

    /// RFC 5723 §6.2: "the minimum of the IKE SA lifetime (per the gateway's local policy) and its
    /// re-authentication time", and no more than the configuration wants.
    private func ticketLifetime(of sa: IKESA, _ state: Established, at now: Instant) -> UInt32? {
        guard let policy = sa.connection.resumption else { return nil }
        var lifetime = policy.ticketLifetime
        if let expiry = sa.timers[.expiry] { lifetime = min(lifetime, expiry - now) }
        if let age = sa.connection.reauthenticateAfter {
            lifetime = min(lifetime, state.authenticatedAt + age - now)
        }
        let seconds = lifetime.components.seconds
        return seconds < 1 ? nil : UInt32(clamping: seconds)
    }

    /// What a ticket is held to when it is shown: who the ends are and what they prove it with.
    private func ticketBinding(_ connection: IKEConnection, _ remote: Identity) -> [UInt8]? {
        guard let sealer = ticketSealer,
            let secret = credentials.presharedKey(local: connection.localIdentity, remote: remote)
        else { return nil }
        var writer = ByteWriter()
        for identity in [connection.localIdentity, remote] {
            writer.write(identity.wireType)
            writer.write(UInt16(clamping: identity.wireContent.count))
            writer.write(identity.wireContent)
        }
        writer.write(Array(connection.name.utf8))
        guard let ppk = connection.ppk else { return sealer.binding(writer.bytes, [secret]) }
        writer.write(UInt8(ppk.isRequired ? 1 : 0))
        writer.write(ppk.identifier)
        guard let key = presharedKey(of: ppk) else { return nil }
        return sealer.binding(writer.bytes, [secret, key])
    }

    /// The tickets of an IKE SA serve no more, at either end.
    func revokeTickets(of sa: IKESA, at now: Instant) {
        sa.ticket = nil
        guard let expiry = sa.ticketsExpireAt, let sealer = ticketSealer else { return }
        sa.ticketsExpireAt = nil
        ticketLedger.invalidate(
            sa.localSPI,
            until: expiry,
            now: sealer.wallSeconds(at: now)
        )
    }

    // MARK: A ticket that is shown

    /// What is in a ticket that may be used now, along this path.
    func openTicket(
        _ ticket: [UInt8],
        along path: IKEPath,
        at now: Instant
    ) throws(NegotiationFailure) -> (TicketContent, IKEConnection, IKESuite) {
        guard let sealer = ticketSealer else { throw ResumptionFailure.unsupported() }
        guard let content = sealer.open(ticket, at: now) else {
            throw ResumptionFailure.unreadable()
        }
        let (connection, suite) = try judge(content, along: path, at: now)
        let others = waiting(with: content)
        guard others.count < IKEEngine.presentationLimit else {
            throw ResumptionFailure.crowded(content)
        }
        return (content, connection, suite)
    }

    /// Whether the ticket serves at this moment: asked when it is shown, and again when the peer
    /// has proven that it is its own, for much may have happened between.
    func judge(
        _ content: TicketContent,
        along path: IKEPath,
        at now: Instant
    ) throws(NegotiationFailure) -> (IKEConnection, IKESuite) {
        guard let sealer = ticketSealer else { throw ResumptionFailure.unsupported() }
        let wall = sealer.wallSeconds(at: now)
        guard content.expiresAt > wall else { throw ResumptionFailure.expired(content) }
        guard !ticketLedger.isInvalid(content.localSPI) else {
            throw ResumptionFailure.used(content)
        }
        let connection = connection(named: content.connection)
        guard let connection, let policy = connection.resumption,
            connection.localIdentity == content.localIdentity,
            connection.remoteIdentity.matches(content.remoteIdentity), connection.mayMeet(path),
            // Also for a clock that was wrong when the ticket was given.
            content.expiresAt - wall <= UInt64(max(0, policy.ticketLifetime.components.seconds)),
            connection.proposals.allow(content.transforms, for: .ikeSA),
            let suite = IKESuite(content.transforms),
            let binding = ticketBinding(connection, content.remoteIdentity),
            equalInConstantTime(binding, content.binding)
        else { throw ResumptionFailure.reconfigured(content, connection) }
        if let age = connection.reauthenticateAfter {
            let seconds = UInt64(max(0, age.components.seconds))
            guard content.authenticatedAt + seconds > wall else {
                throw ResumptionFailure.expired(content)
            }
        }
        return (connection, suite)
    }

    /// Half-open SAs that the same ticket was shown for.
    private func waiting(with content: TicketContent) -> [IKESPI] {
        ticketLedger.presentations(of: content.localSPI).filter { spi in
            if case .halfOpen(let state)? = sas[spi]?.state {
                state.resumption?.localSPI == content.localSPI
            } else {
                false
            }
        }
    }

    func notePresentation(_ content: TicketContent, for sa: IKESA, at now: Instant) {
        guard let sealer = ticketSealer else { return }
        ticketLedger.setPresentations(
            waiting(with: content) + [sa.localSPI],
            of: content.localSPI,
            until: content.expiresAt,
            now: sealer.wallSeconds(at: now)
        )
    }

    /// The peer has proven that the ticket is its own, and so it is used (RFC 5723 §4.3.1).
    ///
    /// - Returns: the old IKE SA, should it still be there, for the caller to end "silently"
    ///   (RFC 5723 §4.3.4).
    func useUp(
        _ content: TicketContent,
        for state: Established,
        at now: Instant
    ) -> IKESA? {
        state.isResumed = true
        state.authenticatedAt = authenticationTime(content, at: now)
        guard let sealer = ticketSealer else { return nil }
        let old = sas[content.localSPI]
        ticketLedger.invalidate(
            content.localSPI,
            until: max(content.expiresAt, old?.ticketsExpireAt ?? 0),
            now: sealer.wallSeconds(at: now)
        )
        guard let state = old?.established, state.remoteIdentity == content.remoteIdentity else {
            return nil
        }
        return old
    }

    /// When the peer's identity was proven, by our clock.
    private func authenticationTime(_ content: TicketContent, at now: Instant) -> Instant {
        guard let sealer = ticketSealer else { return now }
        let wall = sealer.wallSeconds(at: now)
        let age = wall - min(wall, content.authenticatedAt)
        return now + .seconds(-Int64(clamping: age))
    }
}
