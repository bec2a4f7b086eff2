internal import IKEMessages
internal import IPsecPrimitives

/// CREATE_CHILD_SA, the responder's side: for a new Child SA, for one that replaces another, or
/// for the IKE SA itself (RFC 7296 §1.3).
extension IKEEngine {
    func receiveCreateChildRequest(
        _ request: Request,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        let content = request.content
        guard let offer = content.securityAssociation, let theirNonce = content.nonce else {
            return refuseSyntax(of: request, sa, "lacks a proposal or a nonce", at: now)
        }
        adoptIfCandidate(sa, state, at: now)
        // RFC 7296 §2.8.2: an IKE SA that another has replaced is as good as closed.
        guard !state.isReplaced else {
            return respond(to: request, of: sa, [.notify(NotifyPayload(.temporaryFailure))])
        }
        if offer.proposals.first?.securityProtocol == .ike {
            return receiveIKERekeyRequest(request, offer, theirNonce, sa, state, at: now)
        }
        // RFC 7296 §2.25.2: while the IKE SA itself is being replaced, no child is made.
        guard !sa.isRekeying else {
            return respond(to: request, of: sa, [.notify(NotifyPayload(.temporaryFailure))])
        }
        let old: ChildSA?
        do {
            old = try rekeyed(content, sa, state)
        } catch {
            return respond(to: request, of: sa, [.notify(error.notify)])
        }
        // RFC 9370 §2.2.4: nor a child that this end is rekeying with additional key exchanges.
        if let old, sa.isFollowingUp(old.inboundSPI) || state.followUps.count >= followUpLimit {
            return respond(to: request, of: sa, [.notify(NotifyPayload(.temporaryFailure))])
        }
        let nonces = ChildNonces(initiator: theirNonce, responder: freshNonce())
        do {
            let answer = try answerChild(
                content,
                .childSA,
                nonces,
                replacing: old,
                sa,
                state,
                at: now
            )
            if let old {
                noteCrossing(old.inboundSPI, by: answer.child.child.inboundSPI, nonces, of: sa)
            }
            guard answer.child.child.suite.additionalKeyExchanges.isEmpty else {
                let link = awaitFollowUps(of: answer, nonces, replacing: old, sa, state, at: now)
                return respond(to: request, of: sa, answer.payloads + [.notify(link)])
            }
            enterChild(answer.child, replacing: old, answer.payloads, request, sa, state, at: now)
        } catch {
            respond(to: request, of: sa, [.notify(error.notify)])
            if error.notify.type == .invalidKEPayload { return }
            report(.refused(error.failure), of: sa, child: old?.policy.name)
            if error.notify.type == .invalidSyntax { fail(sa, error.failure, at: now) }
        }
    }

    /// What an exchange of the peer's has made, and the answer that tells it.
    func enterChild(
        _ plan: ChildInstallationPlan,
        replacing old: ChildSA?,
        _ payloads: [Payload],
        _ request: Request,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        let spi = plan.child.inboundSPI
        // Ready to receive before the peer can send, and silent until it can receive.
        install(plan, of: sa, state, isUsedOutboundAtOnce: false)
        respond(to: request, of: sa, payloads)
        if let old {
            let isCrossing = state.children[old.inboundSPI]?.stage != .current || sa.isRekeying(old)
            markReplaced(old.inboundSPI, by: spi, of: sa, state)
            // Of two that both ends made at once the other may be the one to go now.
            if !isCrossing { closeDuplicates(of: spi, of: sa, state, at: now) }
        } else {
            useOutboundWhenSafe(spi, of: sa, state, at: now)
            closeDuplicates(of: spi, of: sa, state, at: now)
            if state.isRetiring { moveLate(spi, of: sa, state, at: now) }
        }
    }

    /// The child that a request names in REKEY_SA by the SPI of its sender's inbound half.
    private func rekeyed(
        _ content: MessageContent,
        _ sa: IKESA,
        _ state: Established
    ) throws(RekeyRefusal) -> ChildSA? {
        guard let notify = content.notify(.rekeySA) else { return nil }
        guard let spi = notify.childSPI,
            let child = state.child(outboundSPI: spi, of: notify.securityProtocol),
            child.stage != .lingering
        else {
            // The answer that tells of it may still be on its way.
            throw RekeyRefusal(
                notify: sa.isMakingChild
                    ? NotifyPayload(.temporaryFailure) : NotifyPayload(childSANotFound: notify)
            )
        }
        // RFC 7296 §2.25.1: a child that is being closed cannot be rekeyed.
        guard child.stage == .current, !sa.isDeleting(child.inboundSPI) else {
            throw RekeyRefusal(notify: NotifyPayload(.temporaryFailure))
        }
        return child
    }
}

private struct RekeyRefusal: Error {
    let notify: NotifyPayload
}

extension NotifyPayload {
    /// RFC 7296 §2.25.1: the SPI is that of the request.
    fileprivate init(childSANotFound request: NotifyPayload) {
        self.init(.childSANotFound)
        securityProtocol = request.securityProtocol
        spi = request.spi
    }
}

extension IKESA {
    var isRekeying: Bool {
        requests.contains { if case .rekeyIKESA = $0 { true } else { false } }
    }

    /// Whether a request of ours to replace a child waits for its answer.
    fileprivate func isRekeying(_ child: ChildSA) -> Bool {
        requests.contains { exchange in
            if case .createChild(let ours) = exchange {
                ours.replaces == child.inboundSPI
            } else {
                false
            }
        }
    }

    /// Whether this end has begun or will begin to close a child.
    func isDeleting(_ spi: SPI) -> Bool {
        let isAsked = requests.contains { if case .deleteChild(spi) = $0 { true } else { false } }
        return isAsked || established?.tasks.contains(.deleteChild(inboundSPI: spi)) ?? false
    }

    /// Whether an exchange of ours about a Child SA is under way.
    var isChangingChildren: Bool {
        requests.contains { exchange in
            switch exchange {
            case .createChild, .deleteChild: true
            default: false
            }
        }
    }
}
