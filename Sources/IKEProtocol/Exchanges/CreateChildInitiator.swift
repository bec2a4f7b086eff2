internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// CREATE_CHILD_SA for a new Child SA or the rekeying of one, the initiator's side
/// (RFC 7296 §1.3.1, §1.3.3, §2.8).
///
///     HDR, SK {[N(REKEY_SA),] SA, Ni, [KEi,] TSi, TSr}  -->
///                         <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
extension IKEEngine {
    private static let restartLimit = 2

    func startChild(
        _ initiation: IKEEvent.Initiation,
        of sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        guard let policy = policy(for: initiation, sa.connection) else { return }
        if sa.satisfies(initiation, by: policy) { return }
        requestChild(policy, initiation, replaces: nil, of: sa, at: now)
    }

    func startChildRekey(
        _ spi: SPI,
        of sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        // What is to be deleted needs no successor, though this was asked for before.
        guard let child = state.children[spi], child.stage == .current, !child.isUnwanted,
            !sa.isDeleting(spi)
        else { return }
        let policy =
            sa.connection.children.first { $0.name == child.policy.name } ?? child.policy
        if child.traits.mode == .transport, child.selectors(of: policy, at: sa.path) == nil {
            // An end has moved to where the policy does not have it: no SA may be made there.
            let failure = ModeMismatch.notBetweenEnds(policy, policy.selectors, sa.path)
            report(.initiationFailed(failure), of: sa, child: policy.name)
            return retryRekey(of: spi, sa, at: now)
        }
        let initiation = IKEEvent.Initiation(connection: sa.connection.name, child: policy.name)
        requestChild(policy, initiation, replaces: spi, of: sa, at: now)
    }

    private func requestChild(
        _ policy: ChildPolicy,
        _ initiation: IKEEvent.Initiation,
        replaces: SPI?,
        of sa: IKESA,
        method: KeyExchangeMethod? = nil,
        restarts: Int = 0,
        at now: Instant
    ) {
        let offer = offer(policy, for: initiation, .childSA, of: sa, replacing: replaces)
        let methods = policy.proposals.flatMap(\.proposal.keyExchangeMethods)
        var keyPair: KeyExchangeKeyPair?
        if let method = method ?? methods.first, method != .none {
            keyPair = try? freshKeyPair(method)
        }
        let exchange = ChildExchange(
            offer: offer,
            nonce: freshNonce(),
            keyPair: keyPair,
            replaces: replaces,
            restarts: restarts
        )
        var payloads: [Payload] = []
        if let replaces {
            payloads.append(
                .notify(
                    NotifyPayload(
                        .rekeySA,
                        securityProtocol: offer.replaced?.suite.securityProtocol ?? .esp,
                        spi: replaces
                    )
                )
            )
        }
        payloads += offer.notifies
        payloads += [
            .securityAssociation(offer.proposals), .nonce(NoncePayload(nonce: exchange.nonce)),
        ]
        if let keyPair {
            payloads.append(
                .keyExchange(
                    KeyExchangePayload(method: keyPair.method, data: keyPair.publicValue)
                )
            )
        }
        payloads += offer.payloads.dropFirst()
        request(.createChild(exchange), .createChildSA, payloads, of: sa, at: now)
    }

    func receiveChildResponse(
        _ content: MessageContent,
        _ exchange: ChildExchange,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        if retriesWithOtherMethod(content, exchange, sa, at: now) { return }
        if let error = content.error, content.securityAssociation == nil {
            return receiveChildError(error, content, exchange, sa, state, at: now)
        }
        let methods = ProposalSelection.additionalMethods(content)
        guard methods.isEmpty else {
            return beginFollowUps(methods, content, .child(exchange), sa, state, at: now)
        }
        finishChild(content, exchange, additional: [], sa, state, at: now)
    }

    /// What an answer to CREATE_CHILD_SA, with the secrets of what followed, makes.
    func finishChild(
        _ content: MessageContent,
        _ exchange: ChildExchange,
        additional: [SecretBytes],
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        let plan: ChildInstallationPlan
        let nonce = content.nonce ?? []
        do {
            plan = try completeChild(
                exchange.offer,
                content,
                ChildNonces(initiator: exchange.nonce, responder: nonce),
                secret: try sharedSecret(of: exchange, content),
                additional: additional,
                replaces: exchange.replaces,
                sa,
                state,
                at: now
            )
        } catch {
            childFailed(error, exchange.offer, content, sa, at: now)
            if let old = exchange.replaces { retryRekey(of: old, sa, at: now) }
            return
        }
        state.refusedSince = nil
        if exchange.deletedMeanwhile.contains(plan.child.outboundSPI) {
            return childIsStillborn(exchange, of: sa)
        }
        defer {
            if exchange.isUnwanted || isOutdated(exchange.offer, of: sa) {
                state.children[plan.child.inboundSPI]?.isUnwanted = exchange.isUnwanted
                enqueue(.deleteChild(inboundSPI: plan.child.inboundSPI), of: sa, at: now)
            }
        }
        let nonces = ChildNonces(initiator: exchange.nonce, responder: nonce)
        settleRekey(plan, exchange, nonces, of: sa, state, at: now)
        adoptLatePolicy(plan.child, exchange, of: sa, state, at: now)
    }

    /// A configuration that came while the child was being agreed on holds for it from now on.
    private func adoptLatePolicy(
        _ child: ChildSA,
        _ exchange: ChildExchange,
        of sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        let name = exchange.offer.policy.name
        guard !exchange.isUnwanted, !isOutdated(exchange.offer, of: sa),
            let policy = sa.connection.children.first(where: { $0.name == name }),
            policy != exchange.offer.policy
        else { return }
        adoptChild(child.inboundSPI, sa.connection, sa, state, at: now)
    }

    /// INVALID_KE_PAYLOAD (RFC 7296 §1.3).
    private func retriesWithOtherMethod(
        _ content: MessageContent,
        _ exchange: ChildExchange,
        _ sa: IKESA,
        at now: Instant
    ) -> Bool {
        guard let method = content.wantedMethod, exchange.restarts < IKEEngine.restartLimit,
            exchange.offer.proposals.proposals.contains(where: {
                $0.proposal.keyExchangeMethods.contains(method)
            })
        else { return false }
        sas.releaseChild(exchange.offer.inboundSPI)
        // The peer has replaced the child meanwhile, or nobody wants it any more.
        if exchange.crossing != nil || exchange.isUnwanted { return true }
        report(
            .otherMethodDemanded(wanted: ProposalKeyword.name(of: .keyExchange(method))),
            of: sa,
            child: exchange.offer.policy.name
        )
        requestChild(
            exchange.offer.policy,
            exchange.offer.initiation,
            replaces: exchange.replaces,
            of: sa,
            method: method,
            restarts: exchange.restarts + 1,
            at: now
        )
        return true
    }

    private func receiveChildError(
        _ error: NotifyPayload,
        _ content: MessageContent,
        _ exchange: ChildExchange,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        sas.releaseChild(exchange.offer.inboundSPI)
        if exchange.isUnwanted { return }
        let task: IKETask =
            exchange.replaces.map { .rekeyChild(inboundSPI: $0) }
            ?? .createChild(exchange.offer.initiation)
        switch error.type {
        case .temporaryFailure:
            // The peer has replaced the child itself.
            if exchange.crossing != nil { return }
            refusedForNow(task, of: sa, state, at: now)
        case .childSANotFound:
            childIsNotFound(exchange, of: sa, state, at: now)
        case .noAdditionalSAs
        where exchange.replaces == nil && exchange.offer.initiation.isDispensable:
            report(.resourcesExhausted, of: sa, child: exchange.offer.policy.name)
        case .noAdditionalSAs: avoidFullSA(exchange, sa, state, at: now)
        case .singlePairRequired where asksForPair(exchange.offer, of: sa, at: now): return
        case .tsMaxQueue where exchange.replaces == nil:
            report(.resourcesExhausted, of: sa, child: exchange.offer.policy.name)
        default:
            let failure = ChildAnswerFailure.refused(error.type, exchange.offer, of: sa)
            report(
                .initiationFailed(failure),
                of: sa,
                child: exchange.offer.policy.name,
                packet: exchange.offer.initiation.packet
            )
            if let old = exchange.replaces { retryRekey(of: old, sa, at: now) }
        }
    }

    /// The old child still carries traffic: another try before it expires.
    func retryRekey(of old: SPI, _ sa: IKESA, at now: Instant) {
        retry(.rekeyChild(inboundSPI: old), of: sa, after: .seconds(30), at: now)
    }

    private func sharedSecret(
        of exchange: ChildExchange,
        _ content: MessageContent
    ) throws(NegotiationFailure) -> SecretBytes? {
        guard content.nonce != nil else { throw ChildAnswerFailure.refused(nil, exchange.offer) }
        let chosen = content.securityAssociation?.proposals.first?.proposal.keyExchangeMethods.first
        guard let method = chosen, method != .none else { return nil }
        guard let keyPair = exchange.keyPair, let theirs = content.keyExchange,
            theirs.method == method, keyPair.method == method,
            let secret = try? keyPair.sharedSecret(with: theirs.data)
        else { throw ChildAnswerFailure.refused(.invalidKEPayload, exchange.offer) }
        return secret
    }

    /// An answer that makes no child. Where the peer believes that there is one, it is told
    /// otherwise.
    func childFailed(
        _ failure: NegotiationFailure,
        _ offer: ChildOffer,
        _ content: MessageContent,
        _ sa: IKESA,
        at now: Instant
    ) {
        report(
            .initiationFailed(failure),
            of: sa,
            child: offer.policy.name,
            packet: offer.initiation.packet
        )
        if let chosen = content.securityAssociation?.proposals.first {
            deleteAbsent(offer.inboundSPI, chosen.securityProtocol, of: sa, at: now)
        } else {
            sas.releaseChild(offer.inboundSPI)
        }
    }

    /// Frees the SPIs of exchanges that will not be answered.
    func releaseOffers(of sa: IKESA) {
        for outstanding in sa.requests.outstanding {
            guard case .createChild(let exchange) = outstanding.exchange else { continue }
            sas.releaseChild(exchange.offer.inboundSPI)
        }
    }
}

extension [UInt8] {
    /// RFC 7296 §2.8.1: nonces compare octet by octet; of two where one begins with the other,
    /// the shorter one is lower.
    func precedes(_ other: [UInt8]) -> Bool { lexicographicallyPrecedes(other) }
}
