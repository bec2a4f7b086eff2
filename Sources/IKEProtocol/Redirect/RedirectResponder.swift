internal import IKEMessages
internal import IPsecPrimitives

/// The responder sends its peers elsewhere (RFC 5685 §3, §5, §6).
extension IKEEngine {
    /// Answers a first request with REDIRECT where the connection wants it; nothing is kept.
    func redirects(_ request: FirstRequest, _ connection: IKEConnection, at now: Instant) -> Bool {
        let (content, datagram) = (request.content, request.datagram)
        guard let target = connection.redirection.firstTarget,
            content.supportsRedirect, target != .address(datagram.local.address),
            // Whoever comes from there is served: it would only be sent back.
            content.redirectedFrom != target
        else { return false }
        let notice = RedirectNotice(target: target, nonce: request.nonce)
        sendClear(datagram, request.header, [.notify(notice.notify(.redirect))])
        guard unprotectedReports.takes(at: now) else { return true }
        effects.append(
            .report(
                IKEReport(
                    connection: connection.name,
                    remote: datagram.remote,
                    event: .redirecting(to: target.description)
                )
            )
        )
        return true
    }

    /// REDIRECT for the answer to IKE_AUTH, to a peer that is proven (RFC 5685 §6): the configuration
    /// wants it then, or the first request might have been of another connection's peer.
    func authRedirect(of sa: IKESA, comingFrom former: RedirectTarget?, at now: Instant) -> Payload?
    {
        guard let target = sa.connection.redirection.target, sa.supportsRedirect,
            target != .address(sa.path.local.address), target != former
        else { return nil }
        report(.redirecting(to: target.description), of: sa)
        // The peer deletes the SA; should it not, this end does.
        arm(
            .retry(.deleteIKESA(.redirected(to: target.description))),
            of: sa,
            at: now + .seconds(30)
        )
        return .notify(RedirectNotice(target: target).notify(.redirect))
    }

    /// The configuration has begun to send the peers of a connection elsewhere: those who are here
    /// are told (RFC 5685 §5).
    func redirectPresent(_ sa: IKESA, insteadOf old: RedirectPolicy, at now: Instant) {
        guard let target = sa.connection.redirection.target, target != old.target,
            sa.supportsRedirect, !sa.isSessionInitiator,
            target != .address(sa.path.local.address)
        else { return }
        enqueue(.redirect(target), of: sa, at: now)
    }

    func startRedirect(_ target: RedirectTarget, of sa: IKESA, at now: Instant) {
        report(.redirecting(to: target.description), of: sa)
        request(
            .redirect,
            .informational,
            [.notify(RedirectNotice(target: target).notify(.redirect))],
            of: sa,
            at: now
        )
        // RFC 5685 §5: "it should allow sufficient time for the client to set up" the other.
        arm(
            .retry(.deleteIKESA(.redirected(to: target.description))),
            of: sa,
            at: now + .seconds(60)
        )
    }
}

extension MessageContent {
    /// RFC 5685 §3: either notification says so.
    var supportsRedirect: Bool {
        notify(.redirectSupported) != nil || notify(.redirectedFrom) != nil
    }

    /// The gateway that has sent the peer here.
    var redirectedFrom: RedirectTarget? {
        notify(.redirectedFrom).flatMap(RedirectNotice.init)?.target
    }
}
