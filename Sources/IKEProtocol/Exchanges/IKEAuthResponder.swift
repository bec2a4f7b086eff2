internal import IKECredentials
internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// IKE_AUTH, the responder's side, by shared secrets (RFC 7296 §1.2, §2.15).
///
/// The peer hears AUTHENTICATION_FAILED and no more, whatever the reason; our report tells it.
extension IKEEngine {
    func receiveAuthRequest(
        _ request: Request,
        _ sa: IKESA,
        _ halfOpen: HalfOpen,
        at now: Instant
    ) {
        var state = halfOpen
        state.transcript.intermediate = state.authentication.octets(
            authMessageID: request.header.messageID
        )
        let content = request.content
        let connection: IKEConnection
        let identity: Identity
        let mixed: IKEKeys?
        let others: [IKESA]
        do {
            (connection, identity, mixed) = try authenticate(content, sa, &state, at: now)
            others = try requireRoom(for: identity, connection, sa, content, at: now)
        } catch {
            respond(
                to: request,
                of: sa,
                [
                    .notify(
                        NotifyPayload(
                            error.failure.isSyntax ? .invalidSyntax : .authenticationFailed
                        )
                    )
                ]
            )
            return refuse(sa, error, at: now)
        }
        if MobilityNotifies.isSpoilt(content, along: IKEPath(request.datagram)) {
            // RFC 4555 §3.9: the peer forbids NATs, and there is one.
            respond(to: request, of: sa, [.notify(NotifyPayload(.unexpectedNATDetected))])
            let failure = MobilityFailure.translated(sa.path, connection)
            return refuse(sa, RefusedPeer(failure, of: connection), at: now)
        }
        if let mixed { state.keys.adopt(mixed: mixed) }
        sa.usesPPK = mixed != nil || state.resumption?.usesPPK == true
        sas.assign(connection, to: sa)
        sas.forgetHalfOpen(state.key)
        disarm(.halfOpenExpiry, of: sa)
        let established = Established(
            keys: state.keys,
            localIdentity: connection.localIdentity,
            remoteIdentity: identity,
            now: now
        )
        let resumed = state.resumption.flatMap { useUp($0, for: established, at: now) }
        beginMobility(of: sa, content)
        takeCrashToken(content, of: sa)
        establish(sa, established, at: now)
        reportNAT(of: sa)
        let nonces = ChildNonces(
            initiator: state.transcript.initiatorNonce,
            responder: state.transcript.responderNonce
        )
        answerAuth(request, sa, established, state, nonces, at: now)
        // After the new child, so that traffic finds one at any time.
        if let resumed { supersede(resumed, at: now) }
        if content.notify(.initialContact) != nil { supersede(others, by: sa, at: now) }
        settleDuplicates(of: sa, established, at: now)
    }

    /// The connection that the peer proves to be in. RFC 7296 §2.15: of a first message that is sent
    /// several times "it is the latest version of the message that is signed", which need not be the
    /// one that came first; `state` then has the one that was.
    private func authenticate(
        _ content: MessageContent,
        _ sa: IKESA,
        _ state: inout HalfOpen,
        at now: Instant
    ) throws(RefusedPeer) -> (IKEConnection, Identity, mixed: IKEKeys?) {
        let answered = state.transcript.initiatorMessage
        for version in state.otherRequests.reversed() {
            state.transcript.initiatorMessage = version
            do {
                return try authenticate(content, sa, state, at: now)
            } catch {
                // Whatever else is wrong is so for each version.
                guard [.secret, .resumption].contains(error.failure.subject) else { throw error }
            }
        }
        state.transcript.initiatorMessage = answered
        return try authenticate(content, sa, state, at: now)
    }

    /// By a ticket or by a secret.
    private func authenticate(
        _ content: MessageContent,
        _ sa: IKESA,
        _ state: HalfOpen,
        at now: Instant
    ) throws(RefusedPeer) -> (IKEConnection, Identity, mixed: IKEKeys?) {
        guard let ticket = state.resumption else { return try authenticate(content, sa, state) }
        do {
            let connection = try authenticateResumed(ticket, content, sa, state, at: now)
            return (connection, ticket.remoteIdentity, nil)
        } catch {
            throw RefusedPeer(error, of: sa.connection)
        }
    }

    /// The connection that identities and secret prove the peer to be in.
    private func authenticate(
        _ content: MessageContent,
        _ sa: IKESA,
        _ state: HalfOpen
    ) throws(RefusedPeer) -> (IKEConnection, Identity, mixed: IKEKeys?) {
        guard let identification = content.identificationInitiator else {
            throw RefusedPeer(.malformedAuth("its identity", sa.connection), of: sa.connection)
        }
        let identity = identification.identity
        let wantedLocal = content.identificationResponder?.identity
        let candidates = ConnectionChoice.candidates(
            ConnectionChoice.ranks(connections, along: sa.path, whereabouts),
            remote: identity,
            wantedLocal: wantedLocal
        )
        guard let likeliest = candidates.first else {
            throw ConnectionChoice.unknownIdentity(
                identity,
                wantedLocal: wantedLocal,
                along: sa.path,
                connections,
                whereabouts
            )
        }
        guard let authentication = content.authentication else {
            throw RefusedPeer(.wantsEAP(likeliest), of: likeliest)
        }
        guard authentication.method == .sharedKey else {
            let failure = SecretFailure.otherMethod(authentication.method, likeliest)
            throw RefusedPeer(failure, of: likeliest)
        }
        var refusal: RefusedPeer?
        for candidate in candidates {
            guard
                let secret = credentials.presharedKey(
                    local: candidate.localIdentity,
                    remote: identity
                )
            else {
                let failure = SecretFailure.none(
                    local: candidate.localIdentity,
                    remote: .exactly(identity),
                    candidate
                )
                refusal = RefusedPeer(failure, of: candidate)
                continue
            }
            do {
                let mixed = try verify(content, identification, secret, candidate, sa, state)
                let proposals = content.securityAssociation?.proposals ?? []
                let misfit = sa.misfit(
                    of: candidate,
                    state.keys.suite,
                    offersESP: proposals.contains { $0.securityProtocol == .esp }
                )
                guard let misfit else {
                    return (candidate, identity, mixed)
                }
                // Proven by its secret: the peer's next first request is answered accordingly.
                whereabouts.prove(candidate.name, at: sa.path.remote.address)
                refusal = RefusedPeer(misfit, of: candidate)
            } catch {
                refusal = RefusedPeer(error, of: candidate)
            }
        }
        throw refusal ?? RefusedPeer(SecretFailure.wrong(of: identity, likeliest), of: likeliest)
    }

    /// The keys with the postquantum preshared key, if one is in use; throws unless the peer has
    /// the secret.
    private func verify(
        _ content: MessageContent,
        _ identification: IdentificationPayload,
        _ secret: SecretBytes,
        _ candidate: IKEConnection,
        _ sa: IKESA,
        _ state: HalfOpen
    ) throws(NegotiationFailure) -> IKEKeys? {
        var code = content.authentication?.data ?? []
        var mixed: IKEKeys?
        switch try ppkUse(content, candidate, sa, state.keys) {
        case .none: break
        case .mixed(let keys): mixed = keys
        case .left(let plain): code = plain
        }
        let signing = state.transcript.signedByInitiator(
            identification,
            keys: mixed ?? state.keys.keys
        )
        let prf = state.keys.suite.prf
        guard PresharedKeyAuthentication.verify(code, secret: secret, signing: signing, prf: prf)
        else { throw SecretFailure.wrong(of: identification.identity, candidate) }
        return mixed
    }

    private func answerAuth(
        _ request: Request,
        _ sa: IKESA,
        _ established: Established,
        _ state: HalfOpen,
        _ nonces: ChildNonces,
        at now: Instant
    ) {
        let identification = IdentificationPayload(established.localIdentity)
        var payloads: [Payload] = []
        payloads.reserveCapacity(PayloadChain.usualPayloads)
        payloads.append(.identificationResponder(identification))
        if let code = authenticationCode(identification, established, state) {
            payloads.append(
                .authentication(AuthenticationPayload(method: .sharedKey, data: code))
            )
        }
        if sa.usesPPK, state.resumption == nil {
            payloads.append(.notify(NotifyPayload(.ppkIdentity)))
        }
        payloads += crashTokenPayload(sa.initiatorSPI, sa.responderSPI)
        if let redirect = authRedirect(of: sa, comingFrom: state.redirectedFrom, at: now) {
            return respond(to: request, of: sa, payloads + [redirect])
        }
        var child: ChildInstallationPlan?
        if request.content.securityAssociation != nil {
            do {
                try requireChildless(sa.connection)
                let answer = try answerChild(
                    request.content,
                    .firstChildSA,
                    nonces,
                    replacing: nil,
                    sa,
                    established,
                    at: now
                )
                payloads += answer.payloads
                child = answer.child
            } catch {
                // RFC 7296 §1.2: "If creating the Child SA ... fails ..., the IKE SA is still
                // created as usual". Not so for what makes no sense (§2.21.2).
                if error.notify.type.isFatal {
                    respond(to: request, of: sa, [.notify(error.notify)])
                    return fail(sa, error.failure, at: now)
                }
                payloads.append(.notify(error.notify))
                report(.refused(error.failure), of: sa, child: nil)
            }
        }
        payloads += ticketAnswer(to: request.content, of: sa, at: now)
        if sa.mobility != nil { payloads += mobilityOffer(sa.connection, of: sa) }
        // Ready to receive before the peer can send, and silent until it can receive.
        if let child { install(child, of: sa, established, isUsedOutboundAtOnce: false) }
        respond(to: request, of: sa, payloads)
        if let child { useOutboundWhenSafe(child.child.inboundSPI, of: sa, established, at: now) }
    }

    private func authenticationCode(
        _ identification: IdentificationPayload,
        _ established: Established,
        _ state: HalfOpen
    ) -> [UInt8]? {
        let octets = state.transcript.signedByResponder(identification, keys: state.keys.keys)
        let prf = state.keys.suite.prf
        if state.resumption != nil { return ResumedAuthentication.code(signing: octets, prf: prf) }
        return credentials.presharedKey(
            local: established.localIdentity,
            remote: established.remoteIdentity
        ).map { PresharedKeyAuthentication.code(secret: $0, signing: octets, prf: prf) }
    }

    /// RFC 7296 §2.4: INITIAL_CONTACT, now authentic, says that older SAs with this peer are dead.
    /// Not those that came up since the peer began this one: it could not know them.
    private func supersede(_ others: [IKESA], by sa: IKESA, at now: Instant) {
        for other in others where other.isEstablished(before: sa.createdAt) {
            supersede(other, at: now)
        }
    }

    /// Ends one that the peer has lost, without a word; RFC 5723 §4.3.4: "the old SA SHOULD be
    /// silently deleted".
    private func supersede(_ sa: IKESA, at now: Instant) {
        guard let state = sa.established else { return }
        // The peer sends nothing by what it has lost.
        for child in state.orderedChildren {
            promoteSuccessor(of: child, sa, state, goesWithIKESA: true)
            removeChild(child.inboundSPI, of: sa)
        }
        end(sa, state, because: .superseded, at: now)
        discard(sa)
    }

    /// From here on both ends are who they claim to be.
    func establish(_ sa: IKESA, _ state: Established, at now: Instant) {
        sa.state = .established(state)
        sas.rememberPeer(of: sa, state)
        forgetTicket(replacedBy: sa, state)
        armLifetime(of: sa, state, at: now)
        report(.ikeSAEstablished(sa.description(state)), of: sa)
    }

    func armLifetime(of sa: IKESA, _ state: Established, at now: Instant) {
        sa.responses.size = sa.connection.windowSize
        armReauthentication(of: sa, state)
        let lifetime = sa.connection.lifetime
        state.rekeyAt = lifetime.rekeyAge(random: &random).map { now + $0 }
        if let rekeyAt = state.rekeyAt { arm(.rekey, of: sa, at: rekeyAt) }
        if let age = lifetime.expireAfter { arm(.expiry, of: sa, at: now + age) }
        if let interval = sa.connection.livenessInterval {
            arm(.liveness, of: sa, at: now + interval)
        }
        armUDPTrial(of: sa, at: now)
        if sa.nat.isLocalTranslated, sa.path.transport == .udp,
            let interval = sa.connection.keepaliveInterval
        {
            arm(.keepalive, of: sa, at: now + interval)
        }
    }
}

extension IKESA {
    func description(_ state: Established) -> IKEReport.IKESADescription {
        IKEReport.IKESADescription(
            initiatorSPI: initiatorSPI,
            responderSPI: responderSPI,
            isInitiator: isOriginalInitiator,
            localIdentity: state.localIdentity,
            remoteIdentity: state.remoteIdentity,
            isResumed: state.isResumed,
            proposal: Proposal(securityProtocol: .ike, transforms: state.keys.suite.transforms)
        )
    }
}

extension IKESA {
    /// Why a connection cannot do with what the first exchange has settled for another one; nil
    /// where it can.
    fileprivate func misfit(
        of connection: IKEConnection,
        _ suite: IKESuite,
        offersESP: Bool
    ) -> NegotiationFailure? {
        // The connection by which all was chosen needs not be asked again.
        if connection.name == self.connection.name { return nil }
        if !connection.accepts(suite) { return .suiteOfOtherConnection(suite, connection, self) }
        // By what this end's answer said, the peer sends ESP as it is, and there is no way to tell it
        // otherwise now. One that knows nothing of NATs could never be told.
        if connection.forcesUDP(along: path), nat.isSupported, !isEncapsulated {
            return .withoutUDP(connection, self)
        }
        // RFC 7296 §2.23 has NATs detected, and UDP asked for, before the peer says who it is.
        let isUDPOnlyAskedFor = nat.isForced && !nat.isLocalTranslated && !nat.isRemoteTranslated
        guard isUDPOnlyAskedFor, !connection.forcesUDP(along: path),
            let child = connection.children.first(where: \.mayBeOfHeaders)
        else { return nil }
        // All that there is can go in UDP too.
        if offersESP, connection.children.count == 1, !child.isOfHeadersOnly { return nil }
        return .encapsulationOfOtherConnection(child, connection, self)
    }
}

extension ChildPolicy {
    /// AH, which cannot go in UDP: the peer may have nothing else, and tell later than now.
    fileprivate var mayBeOfHeaders: Bool {
        self.proposals.contains { $0.proposal.securityProtocol == .ah }
    }

    fileprivate var isOfHeadersOnly: Bool {
        self.proposals.allSatisfy { $0.proposal.securityProtocol == .ah }
    }
}

extension IKEConnection {
    /// Whether a suite, agreed before identities were known, is one of this connection's.
    fileprivate func accepts(_ suite: IKESuite) -> Bool {
        let offered = ProposalSubstructure(
            number: 1,
            spi: [],
            proposal: Proposal(securityProtocol: .ike, transforms: suite.transforms)
        )
        let choice = try? ProposalSelection.choose(
            from: [offered],
            accepting: self.proposals,
            for: .ikeSA
        )
        return choice != nil
    }
}

extension NegotiationFailure {
    fileprivate var isSyntax: Bool { subject == .malformedMessage }

    static func malformedAuth(
        _ what: String,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .malformedMessage,
            explanation: "The peer's IKE_AUTH lacks \(what).",
            source: connection.source,
            remedy: "The peer errs; a capture with keys shows how."
        )
    }

    fileprivate static func wantsEAP(_ connection: IKEConnection) -> NegotiationFailure {
        NegotiationFailure(
            subject: .secret,
            explanation: "The peer wants to authenticate by EAP.",
            source: connection.secretSource,
            remedy: "Let the peer authenticate by a shared secret."
        )
    }

    fileprivate static func encapsulationOfOtherConnection(
        _ child: ChildPolicy,
        _ connection: IKEConnection,
        _ sa: IKESA
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .encapsulation,
            explanation: "The peer is of connection \(connection.name), and AH of its child "
                + "\(child.name) cannot go in UDP, which this end has asked for as "
                + "\(sa.connection.name) wants it, another connection for the same addresses. The "
                + "next time the peer begins from \(sa.path.remote.address), it is taken for one of "
                + "\(connection.name) at once.",
            source: sa.connection.encapsulationSource,
            remedy: "Write no `encapsulation: udp` there, or the peer's address at "
                + "\(connection.source)."
        )
    }

    fileprivate static func withoutUDP(
        _ connection: IKEConnection,
        _ sa: IKESA
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .encapsulation,
            explanation: "The peer is of connection \(connection.name), which wants ESP in UDP. "
                + "This end has not asked for it, as \(sa.connection.name) wants it, another "
                + "connection for the same addresses. The next time the peer begins from "
                + "\(sa.path.remote.address), it is taken for one of \(connection.name) at once.",
            source: connection.encapsulationSource,
            remedy: "Write `encapsulation: udp` at \(sa.connection.source) too, or the peer's "
                + "address at \(connection.source)."
        )
    }

    fileprivate static func suiteOfOtherConnection(
        _ suite: IKESuite,
        _ connection: IKEConnection,
        _ sa: IKESA
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .ikeProposal,
            explanation: "The peer is of connection \(connection.name), which does not accept "
                + "\(suite.description); another for the same addresses does, "
                + "\(sa.connection.name). The next time the peer begins from "
                + "\(sa.path.remote.address), it is taken for one of \(connection.name) at once.",
            offered: [suite.description],
            accepted: connection.proposals.map(\.proposal.description),
            source: connection.proposals.first?.source,
            remedy: "Give connections that share their addresses the same IKE proposals."
        )
    }
}
