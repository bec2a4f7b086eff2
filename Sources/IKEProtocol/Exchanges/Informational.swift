internal import IKEMessages
internal import IPsecPrimitives

/// INFORMATIONAL: Deletes, errors, and signs of life (RFC 7296 §1.4).
extension IKEEngine {
    func receiveInformationalRequest(_ request: Request, _ sa: IKESA, at now: Instant) {
        let content = request.content
        if content.deletes.contains(where: \.isIKESA) {
            // RFC 7296 §1.4.1: the answer is empty; Child SAs go without being named.
            respond(to: request, of: sa, [])
            return deletedByPeer(sa, at: now)
        }
        if content.notify(.authenticationFailed) != nil, sa.established != nil {
            // RFC 7296 §2.21.2: the initiator does not believe us; the SA "is to be deleted".
            respond(to: request, of: sa, [])
            return fail(sa, InformationalFailure.disbelieved(sa.connection), at: now)
        }
        guard let state = sa.established else {
            // What an IKE SA that ends is told moves nothing; one that this end has just replaced has
            // an heir, and the peer may not have known.
            guard case .closing(let closing) = sa.state, closing.heir != nil else {
                return respond(to: request, of: sa, [])
            }
            let mobility = mobilityAnswer(to: request, of: sa)
            respond(to: request, of: sa, mobility.payloads)
            follow(mobility, to: request, of: sa)
            return followRedirect(request, of: sa, at: now)
        }
        // Of two that vie, the peer speaks by the one that it knows to have won, but to close the other.
        adoptIfCandidate(sa, state, at: now)
        let mobility = mobilityAnswer(to: request, of: sa)
        var deleted: [ChildSA] = []
        for payload in content.deletes {
            for spi in payload.childSPIs {
                guard let child = state.child(outboundSPI: spi, of: payload.securityProtocol)
                else {
                    noteDeletion(ofUnknown: spi, by: sa)
                    continue
                }
                // RFC 7296 §1.4.1: a child that this end is deleting too is not named in the
                // answer, for our own request has named it.
                if !sa.isRequestedToDelete(child.inboundSPI), child.stage != .lingering {
                    deleted.append(child)
                }
                childIsDeleted(child, of: sa, state, because: .deletedByPeer, at: now)
                state.tasks.removeAll { $0 == .deleteChild(inboundSPI: child.inboundSPI) }
            }
        }
        for notify in content.notifies where notify.type.isError {
            if heedComplaint(notify, of: sa, state, at: now) { continue }
            report(.errorFromPeer(notify: notify.type.description), of: sa)
        }
        respond(
            to: request,
            of: sa,
            DeletePayload.naming(deleted).map(Payload.delete) + mobility.payloads
                + answerConfiguration(content, sa, state)
                + ticketAnswer(to: content, of: sa, at: now)
        )
        follow(mobility, to: request, of: sa)
        takeCrashToken(content, of: sa)
        followRedirect(request, of: sa, at: now)
    }

    private func deletedByPeer(_ sa: IKESA, at now: Instant) {
        if let state = sa.established {
            switch state.standing {
            case .current:
                // RFC 7296 §2.8.2: the peer "did not detect the simultaneous rekey, and the first
                // peer can forget its own rekey attempt".
                if let rival = candidate(of: sa) {
                    adopt(rival, of: sa, state, at: now)
                } else {
                    let current = state.orderedChildren.filter { $0.stage == .current }
                    let handedOver = end(sa, state, because: .deletedByPeer, at: now)
                    abandonReplacement(
                        of: sa,
                        isSuperseded: !current.isEmpty
                            && current.allSatisfy { handedOver.contains($0.inboundSPI) },
                        at: now
                    )
                }
            case .replaced(by: let heir):
                // Now the peer surely has the new one. Over TCP, what was asked for in it before the
                // answer that makes it had arrived would not go out again (RFC 9329 §6.2).
                if let new = sas[heir], new.path.transport == .tcp { sendAgain(of: new, at: now) }
            case .candidate, .redundant: break
            }
        }
        // Both ends close it: the peer has heard of the end before it answers.
        if case .closing(let state) = sa.state { shortenLinger(of: state.handedOver, at: now) }
        remember(sa, at: now)
    }

    func receiveChildDeleteResponse(
        _ spi: SPI,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        state.strayAuthenticationSPIs.remove(spi)
        guard let child = state.children[spi] else { return sas.releaseChild(spi) }
        childIsDeleted(child, of: sa, state, because: .requested, at: now)
    }
}

extension IKESA {
    fileprivate func isRequestedToDelete(_ spi: SPI) -> Bool {
        requests.contains { if case .deleteChild(spi) = $0 { true } else { false } }
    }
}

extension IKEEngine {
    /// A request that is authentic and makes no sense: INVALID_SYNTAX, which ends the IKE SA at
    /// both ends (RFC 7296 §2.21.3).
    func refuseSyntax(of request: Request, _ sa: IKESA, _ what: String, at now: Instant) {
        respond(to: request, of: sa, [.notify(NotifyPayload(.invalidSyntax))])
        fail(sa, InformationalFailure.malformed(request.header, what, sa.connection), at: now)
    }
}

enum InformationalFailure {
    static func malformed(
        _ header: MessageHeader,
        _ what: String,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .malformedMessage,
            explanation: "The peer's \(header.exchangeType) request \(what).",
            source: connection.source,
            remedy: "One of the two implementations errs; a capture with keys shows which."
        )
    }

    static func calledMalformed(
        _ exchange: IKEExchange,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .refusedByPeer,
            explanation: "The peer finds our request malformed (INVALID_SYNTAX to "
                + "\(exchange.name)), which ends the IKE SA.",
            source: connection.source,
            remedy: "One of the two implementations errs; a capture with keys shows which."
        )
    }

    static func disbelieved(_ connection: IKEConnection) -> NegotiationFailure {
        NegotiationFailure(
            subject: .refusedByPeer,
            explanation: "The peer does not believe that we are \(connection.localIdentity) "
                + "(AUTHENTICATION_FAILED).",
            source: connection.secretSource,
            remedy: "Compare the secret at \(connection.secretSource) and the identities with "
                + "the peer's; its log says which differs."
        )
    }
}
