internal import IKECredentials
internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// IKE_AUTH, the initiator's side, by shared secrets (RFC 7296 §1.2, §2.15).
///
///     HDR, SK {IDi, [IDr,] AUTH, SAi2, TSi, TSr}  -->
///                         <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
extension IKEEngine {
    /// Fails before anything is sent if there is no secret to send it with.
    func requireSecret(
        _ connection: IKEConnection,
        remote: IPAddress
    ) throws(NegotiationFailure) {
        guard secret(of: connection, expecting: remote) == nil else { return }
        throw SecretFailure.none(
            local: connection.localIdentity,
            remote: connection.remoteIdentity,
            connection
        )
    }

    /// Before the peer has said who it is: by the identity that we expect, or by its address.
    private func secret(of connection: IKEConnection, expecting remote: IPAddress) -> SecretBytes? {
        let identity: Identity =
            connection.remoteIdentity.only ?? Identity(address: remote)
        return credentials.presharedKey(local: connection.localIdentity, remote: identity)
    }

    func startAuthentication(
        _ sa: IKESA,
        _ keys: SAKeys,
        _ transcript: InitTranscript,
        resuming ticket: SessionTicket? = nil,
        wanted: [IKEEvent.Initiation],
        at now: Instant
    ) {
        let connection = sa.connection
        let isChildless: Bool
        let mixed: (keys: IKEKeys, policy: PPKPolicy)?
        do {
            isChildless = try goesChildless(sa)
            // RFC 8784 §3: not in resumption; the old SK_d has it in it.
            mixed = ticket == nil ? try mixedKeys(sa, keys) : nil
        } catch {
            return fail(sa, error, at: now)
        }
        let first = isChildless ? nil : wanted.first
        let child = first.flatMap { initiation in
            policy(for: initiation, connection).map {
                offer($0, for: initiation, .firstChildSA, of: sa)
            }
        }
        let remote = ticket?.remoteIdentity ?? connection.remoteIdentity.only
        var payloads: [Payload] = []
        payloads.reserveCapacity(PayloadChain.usualPayloads)
        payloads += identifications(sa, remote)
        payloads += proofs(sa, keys, transcript, isResumed: ticket != nil, mixed)
        if let child {
            payloads += child.notifies
            payloads += child.payloads
        }
        payloads += mobilityOffer(connection, of: sa)
        payloads += crashTokenPayload(sa.initiatorSPI, sa.responderSPI)
        payloads += ticketRequest(connection)
        sa.state = .authenticating(
            Authenticating(
                keys: keys,
                transcript: transcript,
                mixed: mixed,
                resumption: ticket,
                child: child,
                wanted: isChildless ? wanted : Array(wanted.dropFirst())
            )
        )
        request(.ikeAuth, .ikeAuth, payloads, of: sa, at: now)
    }

    /// IDi, and IDr where one identity alone will do.
    private func identifications(_ sa: IKESA, _ remote: Identity?) -> [Payload] {
        let identity = IdentificationPayload(sa.connection.localIdentity)
        var payloads: [Payload] = [.identificationInitiator(identity)]
        if let remote {
            payloads.append(.identificationResponder(IdentificationPayload(remote)))
            if isInitialContact(sa, with: remote) {
                payloads.append(.notify(NotifyPayload(.initialContact)))
            }
        }
        return payloads
    }

    /// RFC 7296 §2.4: INITIAL_CONTACT "asserts that this IKE SA is the only IKE SA currently active
    /// between the authenticated identities". Another one that this end is making may be there for the
    /// peer already, for its answer may be lost or late, and the peer would delete it.
    func isInitialContact(_ sa: IKESA, with remote: Identity) -> Bool {
        let local = sa.connection.localIdentity
        return sas.between(local: local, remote: remote).isEmpty
            && !sas.isBeginning(besides: sa, local: local, remote: remote)
    }

    /// AUTH, and with a postquantum preshared key what RFC 8784 §3 adds to it.
    private func proofs(
        _ sa: IKESA,
        _ keys: SAKeys,
        _ transcript: InitTranscript,
        isResumed: Bool,
        _ mixed: (keys: IKEKeys, policy: PPKPolicy)?
    ) -> [Payload] {
        let prf = keys.suite.prf
        let secret = secret(of: sa.connection, expecting: sa.path.remote.address)
        let identity = IdentificationPayload(sa.connection.localIdentity)
        func code(_ signing: IKEKeys) -> [UInt8] {
            let octets = transcript.signedByInitiator(identity, keys: signing)
            if isResumed { return ResumedAuthentication.code(signing: octets, prf: prf) }
            guard let secret else { return [] }
            return PresharedKeyAuthentication.code(secret: secret, signing: octets, prf: prf)
        }
        let data = code(mixed?.keys ?? keys.keys)
        let authentication = AuthenticationPayload(method: .sharedKey, data: data)
        guard let policy = mixed?.policy else { return [.authentication(authentication)] }
        let plain = policy.isRequired ? nil : NotifyPayload(.noPPKAuth, data: code(keys.keys))
        return [.authentication(authentication)]
            + [policy.notify, plain].compactMap(\.self).map(Payload.notify)
    }

    func receiveAuthResponse(
        _ content: MessageContent,
        _ sa: IKESA,
        _ state: Authenticating,
        at now: Instant
    ) {
        guard let identification = content.identificationResponder,
            let authentication = content.authentication
        else {
            let failure =
                content.error.map { AuthRefusal.explain($0, sa.connection) }
                ?? AuthRefusal.incomplete(hasEAP: content.hasEAP, sa.connection)
            return fail(sa, failure, at: now)
        }
        let identity = identification.identity
        guard sa.connection.remoteIdentity.matches(identity) else {
            return disbelieve(
                sa,
                state,
                SecretFailure.otherIdentity(identity, sa.connection),
                at: now
            )
        }
        guard authentication.method == .sharedKey else {
            return disbelieve(
                sa,
                state,
                SecretFailure.otherMethod(authentication.method, sa.connection),
                at: now
            )
        }
        do {
            try verify(content, authentication.data, identification, sa, state)
        } catch {
            return disbelieve(sa, state, error, at: now)
        }
        if let error = content.notifies.first(where: \.type.isFatal) {
            return fail(sa, AuthRefusal.explain(error, sa.connection), at: now)
        }
        let established = Established(
            keys: state.keys,
            localIdentity: sa.connection.localIdentity,
            remoteIdentity: identity,
            now: now
        )
        if let ticket = state.resumption {
            established.isResumed = true
            established.authenticatedAt = ticket.authenticatedAt
        }
        beginMobility(of: sa, content)
        takeCrashToken(content, of: sa)
        establish(sa, established, at: now)
        takeTicket(content, of: sa, established, at: now)
        if followsAuthRedirect(content, sa, state, at: now) { return }
        finishFirstChild(content, sa, state, established, at: now)
        for initiation in state.wanted { enqueue(.createChild(initiation), of: sa, at: now) }
        settleDuplicates(of: sa, established, at: now)
    }

    /// Throws unless the responder proves its identity, and settles which keys it does so with.
    private func verify(
        _ content: MessageContent,
        _ code: [UInt8],
        _ identification: IdentificationPayload,
        _ sa: IKESA,
        _ state: Authenticating
    ) throws(NegotiationFailure) {
        let identity = identification.identity
        let prf = state.keys.suite.prf
        if let ticket = state.resumption {
            guard identity == ticket.remoteIdentity else {
                throw ResumptionFailure.otherGateway(identity, ticket, sa.connection)
            }
            let octets = state.transcript.signedByResponder(identification, keys: state.keys.keys)
            guard ResumedAuthentication.verify(code, signing: octets, prf: prf) else {
                throw ResumptionFailure.unproven(identity, sa.connection)
            }
            sa.usesPPK = ticket.usesPPK
            return
        }
        let secret = credentials.presharedKey(local: sa.connection.localIdentity, remote: identity)
        // RFC 8784 §3: PPK_IDENTITY in the answer tells that the responder has mixed it in as well.
        let isMixed = content.notify(.ppkIdentity) != nil
        if let mixed = state.mixed, mixed.policy.isRequired, !isMixed {
            throw PPKFailure.refused(mixed.policy)
        }
        let keys = isMixed ? state.mixed?.keys ?? state.keys.keys : state.keys.keys
        let octets = state.transcript.signedByResponder(identification, keys: keys)
        guard let secret,
            PresharedKeyAuthentication.verify(code, secret: secret, signing: octets, prf: prf)
        else { throw SecretFailure.wrong(of: identity, sa.connection) }
        state.keys.adopt(mixed: keys)
        sa.usesPPK = isMixed && state.mixed != nil
    }

    /// RFC 7296 §2.21.2: the initiator tells a responder that it does not believe, in an exchange
    /// of its own, and forgets the SA.
    private func disbelieve(
        _ sa: IKESA,
        _ state: Authenticating,
        _ failure: NegotiationFailure,
        at now: Instant
    ) {
        // Nor is the old IKE SA the peer's any more that this one was to prove again.
        for spi in sa.retires {
            if let old = sas[spi] { close(old, because: .failed(failure.explanation), at: now) }
        }
        endUnproven(sa, state, failure, at: now)
        sa.state = .closing(Closing(keys: state.keys))
        request(
            .tellAuthenticationFailure,
            .informational,
            [.notify(NotifyPayload(.authenticationFailed))],
            of: sa,
            at: now
        )
    }

    private func finishFirstChild(
        _ content: MessageContent,
        _ sa: IKESA,
        _ state: Authenticating,
        _ established: Established,
        at now: Instant
    ) {
        guard let offer = state.child else { return }
        let nonces = ChildNonces(
            initiator: state.transcript.initiatorNonce,
            responder: state.transcript.responderNonce
        )
        do {
            let child = try completeChild(
                offer,
                content,
                nonces,
                secret: nil,
                replaces: nil,
                sa,
                established,
                at: now
            )
            install(child, of: sa, established, isUsedOutboundAtOnce: true)
            if state.isChildUnwanted {
                established.children[offer.inboundSPI]?.isUnwanted = true
                enqueue(.deleteChild(inboundSPI: offer.inboundSPI), of: sa, at: now)
            }
        } catch {
            if !state.isChildUnwanted, content.error?.type == .singlePairRequired,
                asksForPair(offer, of: sa, at: now)
            {
                return sas.releaseChild(offer.inboundSPI)
            }
            childFailed(error, offer, content, sa, at: now)
        }
    }
}

extension IdentityPattern {
    /// The one identity that matches; nil where any does.
    var only: Identity? {
        if case .exactly(let identity) = self { identity } else { nil }
    }
}
