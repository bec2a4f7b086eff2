internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// CREATE_CHILD_SA that replaces the IKE SA (RFC 7296 §1.3.2, §2.18).
///
///     HDR, SK {SA, Ni, KEi}  -->
///                         <--  HDR, SK {SA, Nr, KEr}
///
/// The Child SAs move to the new IKE SA as they are; `IKERekeyInheritance` tells to which when both
/// ends begin at the same time.
extension IKEEngine {
    private static let restartLimit = 2
    /// How long a peer whose request was refused for now is waited for: twice as long as our own ends
    /// wait at most before they try again, for the refusal or the next try may be lost once.
    private static let deference: Duration = .seconds(8)

    func startIKERekey(of sa: IKESA, _ state: Established, at now: Instant) {
        requestIKERekey(of: sa, method: state.keys.suite.keyExchange, restarts: 0, at: now)
    }

    private func requestIKERekey(
        of sa: IKESA,
        method: KeyExchangeMethod,
        restarts: Int,
        at now: Instant
    ) {
        let methods = sa.connection.proposals.flatMap(\.proposal.keyExchangeMethods)
        let chosen = methods.contains(method) ? method : methods.first ?? method
        guard let keyPair = try? freshKeyPair(chosen) else { return }
        let spi = freshIKESPI()
        sas.offer(spi, replacing: sa)
        let exchange = IKERekeyExchange(
            localSPI: spi,
            nonce: freshNonce(),
            keyPair: keyPair,
            offer: ProposalSelection.offer(sa.connection.proposals, for: .ikeSA, spi: spi.bytes),
            restarts: restarts
        )
        let payloads: [Payload] = [
            .securityAssociation(exchange.offer), .nonce(NoncePayload(nonce: exchange.nonce)),
            .keyExchange(
                KeyExchangePayload(method: keyPair.method, data: keyPair.publicValue)
            ),
        ]
        request(.rekeyIKESA(exchange), .createChildSA, payloads, of: sa, at: now)
    }

    func receiveIKERekeyResponse(
        _ content: MessageContent,
        _ exchange: IKERekeyExchange,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        if let method = content.wantedMethod, exchange.restarts < IKEEngine.restartLimit,
            candidate(of: exchange) == nil
        {
            report(
                .otherMethodDemanded(wanted: ProposalKeyword.name(of: .keyExchange(method))),
                of: sa
            )
            return requestIKERekey(
                of: sa,
                method: method,
                restarts: exchange.restarts + 1,
                at: now
            )
        }
        if let error = content.error, content.securityAssociation == nil {
            return ikeRekeyRefused(error.type, exchange, sa, state, at: now)
        }
        let methods = ProposalSelection.additionalMethods(content)
        guard methods.isEmpty else {
            return beginFollowUps(methods, content, .ikeSA(exchange), sa, state, at: now)
        }
        finishIKERekey(content, exchange, additional: [], sa, state, at: now)
    }

    /// What an answer to CREATE_CHILD_SA, with the secrets of what followed, makes.
    func finishIKERekey(
        _ content: MessageContent,
        _ exchange: IKERekeyExchange,
        additional: [SecretBytes],
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        let made = complete(
            exchange,
            content,
            sa,
            keys: state.keys,
            additional: additional,
            at: now
        )
        guard let new = made else {
            return ikeRekeyRefused(nil, exchange, sa, state, at: now)
        }
        state.refusedSince = nil
        let nonces = ChildNonces(initiator: exchange.nonce, responder: content.nonce ?? [])
        if let crossing = exchange.crossing, let rival = candidate(of: exchange),
            nonces.lowest.precedes(crossing.lowestNonce)
        {
            return lose(new, to: rival, of: sa, state, at: now)
        }
        win(new, against: candidate(of: exchange), of: sa, state, at: now)
    }

    /// The IKE SA that an answer to our request makes, known to nobody yet; nil where the answer
    /// makes none.
    func complete(
        _ exchange: IKERekeyExchange,
        _ content: MessageContent,
        _ sa: IKESA,
        keys old: SAKeys,
        additional: [SecretBytes] = [],
        at now: Instant
    ) -> (sa: IKESA, keys: SAKeys)? {
        guard let answer = content.securityAssociation, let nonce = content.nonce,
            let theirs = content.keyExchange,
            let choice = ProposalSelection.accepted(answer, of: exchange.offer),
            let peerSPI = answer.proposals.first?.ikeSPI, peerSPI != .zero,
            let suite = IKESuite(choice.transforms),
            // Nothing is made before the additional key exchanges are over (RFC 9370 §2.2.4).
            suite.additionalKeyExchanges.count == additional.count,
            suite.keyExchange == exchange.keyPair.method, theirs.method == suite.keyExchange,
            let secret = try? exchange.keyPair.sharedSecret(with: theirs.data),
            let keys = SAKeys(
                suite: suite,
                secret: secret,
                isOriginalInitiator: true,
                context: IKEKeys.Context(
                    nonceInitiator: exchange.nonce,
                    nonceResponder: nonce,
                    spiInitiator: exchange.localSPI,
                    spiResponder: peerSPI
                ),
                replacing: old,
                additional: additional
            )
        else { return nil }
        let new = successor(
            of: sa,
            localSPI: exchange.localSPI,
            peerSPI: peerSPI,
            isInitiator: true,
            at: now
        )
        takeCrashToken(content, of: new)
        return (new, keys)
    }

    func ikeRekeyRefused(
        _ error: NotifyType?,
        _ exchange: IKERekeyExchange,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        // RFC 7296 §2.8.2: the peer has replaced the IKE SA itself, and so refuses ours.
        if let rival = candidate(of: exchange) { return adopt(rival, of: sa, state, at: now) }
        if error == .noAdditionalSAs {
            // Should nothing come of that, there is another try.
            retry(.rekeyIKESA, of: sa, after: .seconds(60), at: now)
            return replaceFromScratch(sa, state, at: now)
        }
        if error == .temporaryFailure {
            return refusedForNow(.rekeyIKESA, of: sa, state, at: now)
        }
        let failure =
            error == .noProposalChosen
            ? ProposalMismatch.refusedByPeer(sa.connection.proposals, for: .ikeSA)
            : NegotiationFailure(
                subject: .refusedByPeer,
                explanation: "The peer refused to rekey the IKE SA"
                    + (error.map { " with \($0)." } ?? ", or its answer makes no sense."),
                source: sa.connection.source,
                remedy: "Look in the peer's log."
            )
        report(.initiationFailed(state.dependingOnRekey(failure)), of: sa)
        // The old SA still works: another try before it expires.
        retry(.rekeyIKESA, of: sa, after: .seconds(60), at: now)
    }

    func receiveIKERekeyRequest(
        _ request: Request,
        _ offer: SecurityAssociationPayload,
        _ theirNonce: [UInt8],
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        // RFC 7296 §2.25.1: not while this end changes a child; and once is enough.
        // RFC 9370 §2.2.4: nor while additional key exchanges replace the IKE SA or a child.
        guard !sa.isChangingChildren, !sa.hasRivalSuccessor, !sa.isFollowingUp(nil),
            state.followUps.isEmpty
        else {
            // With many children there is always one being changed, and the IKE SA would run out.
            if sa.isChangingChildren {
                arm(.deference, of: sa, at: now + IKEEngine.deference)
            }
            return respond(to: request, of: sa, [.notify(NotifyPayload(.temporaryFailure))])
        }
        let choice: ProposalSelection.Choice
        do {
            choice = try ProposalSelection.choose(
                from: offer.proposals,
                accepting: sa.connection.proposals,
                for: .ikeSA,
                guessedMethod: request.content.keyExchange?.method
            )
        } catch {
            report(.refused(error), of: sa)
            return respond(to: request, of: sa, [.notify(NotifyPayload(.noProposalChosen))])
        }
        guard let suite = IKESuite(choice.transforms), choice.peerSPI.count == 8,
            let theirs = request.content.keyExchange
        else { return refuseSyntax(of: request, sa, "lacks an SPI or a key exchange", at: now) }
        guard theirs.method == suite.keyExchange else {
            return respond(to: request, of: sa, [.notify(.invalidKE(wanted: suite.keyExchange))])
        }
        let spi = freshIKESPI()
        let peerSPI = IKESPI(rawValue: choice.peerSPI.reduce(0) { $0 << 8 | UInt64($1) })
        let nonce = freshNonce()
        guard peerSPI != .zero, let answer = try? freshAnswer(suite.keyExchange, to: theirs.data)
        else {
            // RFC 6989 §2.5: "the Responder MUST reply with an INVALID_SYNTAX error notification and
            // drop the IKE SA".
            return refuseSyntax(of: request, sa, "has a value that is none of its group", at: now)
        }
        let payloads: [Payload] =
            [
                .securityAssociation(choice.answer(spi: spi.bytes)),
                .nonce(NoncePayload(nonce: nonce)),
                .keyExchange(
                    KeyExchangePayload(method: suite.keyExchange, data: answer.publicValue)
                ),
            ] + crashTokenPayload(peerSPI, spi)
        let new = PeerIKERekey(
            suite: suite,
            localSPI: spi,
            peerSPI: peerSPI,
            nonces: ChildNonces(initiator: theirNonce, responder: nonce),
            secret: answer.secret
        )
        guard suite.additionalKeyExchanges.isEmpty else {
            noteCrossing(by: new, of: sa)
            let link = awaitFollowUps(of: new, sa, state, at: now)
            return respond(to: request, of: sa, payloads + [.notify(link)])
        }
        finish(new, additional: [], payloads, request, sa, state, at: now)
    }

    /// The new IKE SA of an exchange of the peer's, and the answer that tells it.
    func finish(
        _ rekey: PeerIKERekey,
        additional: [SecretBytes],
        _ payloads: [Payload],
        _ request: Request,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        let keys = SAKeys(
            suite: rekey.suite,
            secret: rekey.secret,
            isOriginalInitiator: false,
            context: IKEKeys.Context(
                nonceInitiator: rekey.nonces.initiator,
                nonceResponder: rekey.nonces.responder,
                spiInitiator: rekey.peerSPI,
                spiResponder: rekey.localSPI
            ),
            replacing: state.keys,
            additional: additional
        )
        guard let keys else {
            return refuseSyntax(of: request, sa, "makes no keys", at: now)
        }
        respond(to: request, of: sa, payloads)
        let new = successor(
            of: sa,
            localSPI: rekey.localSPI,
            peerSPI: rekey.peerSPI,
            isInitiator: false,
            at: now
        )
        enter(new, keys, rekey.nonces, inPlaceOf: sa, state, at: now)
    }

    /// The peer's new IKE SA inherits, or vies with ours.
    private func enter(
        _ new: IKESA,
        _ keys: SAKeys,
        _ nonces: ChildNonces,
        inPlaceOf sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        if sa.isRekeying { return noteRival(new, keys, nonces, of: sa, state, at: now) }
        inherit(new, keys, of: sa, state, at: now)
        awaitDelete(of: sa, at: now)
    }
}

extension Established {
    /// Says what goes on by the IKE SA that was not replaced, and ends with it.
    fileprivate func dependingOnRekey(_ failure: NegotiationFailure) -> NegotiationFailure {
        var names: [String] = []
        for child in orderedChildren where child.stage == .current {
            if !names.contains(child.policy.name) { names.append(child.policy.name) }
        }
        var result = failure
        let list = names.sorted().joined(separator: ", ")
        let consequence =
            names.isEmpty
            ? "no child depends on it" : "ends in time with all that depends on it: \(list)"
        result.explanation =
            "The IKE SA is not rekeyed, and \(consequence). \(failure.explanation)"
        return result
    }
}
