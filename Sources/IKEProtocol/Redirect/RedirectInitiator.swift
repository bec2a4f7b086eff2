internal import IKEMessages
internal import IPsecPrimitives

/// The initiator goes where the gateway says (RFC 5685 §3, §5, §6).
extension IKEEngine {
    /// How long the SA with the old gateway stays, so that the new one is there before it goes.
    private static let overlap: Duration = .seconds(10)

    /// REDIRECT_SUPPORTED, or REDIRECTED_FROM with the gateway that we come from.
    func redirectSupport(_ sa: IKESA, from: IPAddress?) -> [Payload] {
        guard sa.connection.redirection.follows else { return [] }
        guard let from else {
            return [.notify(NotifyPayload(.redirectSupported))]
        }
        return [.notify(RedirectNotice(target: .address(from)).notify(.redirectedFrom))]
    }

    /// A REDIRECT in the answer to IKE_SA_INIT or IKE_SESSION_RESUME; false when it is none that counts.
    func followsInitRedirect(
        _ content: MessageContent,
        _ sa: IKESA,
        nonce: [UInt8],
        wanted: [IKEEvent.Initiation],
        at now: Instant
    ) -> Bool {
        guard let notify = content.notify(.redirect) else { return false }
        // RFC 5685 §3: another nonce: "the client MUST silently discard the response".
        guard let notice = RedirectNotice(notify), notice.nonce == nonce,
            sa.connection.redirection.follows
        else {
            counters.drop(.unexpectedExchange)
            return true
        }
        let children = wanted.map(\.child)
        guard follow(notice.target, of: sa, children: children, at: now) else {
            fail(sa, RedirectFailure.loop(notice.target, sa.connection), at: now)
            return true
        }
        discard(sa)
        return true
    }

    /// A REDIRECT in the answer to IKE_AUTH; the gateway is proven, and the SA is there, empty.
    func followsAuthRedirect(
        _ content: MessageContent,
        _ sa: IKESA,
        _ state: Authenticating,
        at now: Instant
    ) -> Bool {
        guard let notify = content.notify(.redirect), content.securityAssociation == nil,
            let notice = RedirectNotice(notify), sa.connection.redirection.follows
        else { return false }
        let first = state.child.map { [$0.initiation] } ?? []
        let wanted = first + state.wanted
        if let child = state.child { sas.releaseChild(child.inboundSPI) }
        if !follow(notice.target, of: sa, children: wanted.map(\.child), at: now) {
            let failure = RedirectFailure.loop(notice.target, sa.connection)
            for initiation in wanted {
                report(
                    .initiationFailed(failure),
                    of: sa,
                    child: initiation.child,
                    packet: initiation.packet
                )
            }
        }
        sa.isLeaving = true
        close(sa, because: .redirected(to: notice.target.description), at: now)
        return true
    }

    /// A REDIRECT within a session, once it is answered (RFC 5685 §5).
    func followRedirect(_ request: Request, of received: IKESA, at now: Instant) {
        let sa = lastHeir(of: received)
        guard let notify = request.content.notify(.redirect), sa.isSessionInitiator,
            !sa.isLeaving, let state = sa.established, let notice = RedirectNotice(notify),
            sa.connection.redirection.follows
        else { return }
        let names = Set(state.children.values.filter { $0.stage == .current }.map(\.policy.name))
            .union(sa.childrenToCome.map(\.policy))
        guard follow(notice.target, of: sa, children: names.sorted(), at: now) else {
            return report(
                .initiationFailed(RedirectFailure.loop(notice.target, sa.connection)),
                of: sa
            )
        }
        sa.isLeaving = true
        let leave = IKETask.deleteIKESA(.redirected(to: notice.target.description))
        arm(.retry(leave), of: sa, at: now + IKEEngine.overlap)
    }

    /// False when this has happened too often lately.
    private func follow(
        _ target: RedirectTarget,
        of sa: IKESA,
        children: [String?],
        at now: Instant
    ) -> Bool {
        let name = sa.connection.name
        guard redirectHistories[name, default: RedirectHistory()].takes(at: now) else {
            return false
        }
        report(.redirected(to: target.description), of: sa)
        effects.append(
            .redirected(
                Redirection(
                    connection: name,
                    children: children,
                    target: target,
                    from: sa.path.remote.address
                )
            )
        )
        return true
    }
}

enum RedirectFailure {
    static func loop(_ target: RedirectTarget, _ connection: IKEConnection) -> NegotiationFailure {
        NegotiationFailure(
            subject: .refusedByPeer,
            explanation: "The peer sends this end to \(target), after \(RedirectHistory.limit) "
                + "redirects in \(RedirectHistory.period.components.seconds) seconds.",
            source: connection.source,
            remedy: "Let the gateways not send their clients in a circle, or write "
                + "`follow-redirects: false` at \(connection.source)."
        )
    }
}
