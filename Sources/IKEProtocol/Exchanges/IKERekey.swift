internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// CREATE_CHILD_SA that replaces the IKE SA (RFC 7296 §1.3.2, §2.18).
///
///     HDR, SK {SA, Ni, KEi}  -->
///                         <--  HDR, SK {SA, Nr, KEr}
///
/// The Child SAs move to the new IKE SA as they are. When both ends begin at the same time, both
/// get TEMPORARY_FAILURE and try again after a random while.
extension IKEEngine {
    private static let restartLimit = 2

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
        guard let keyPair = try? KeyExchangeKeyPair.generate(chosen, random: &random) else {
            return
        }
        let spi = freshIKESPI()
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
        if let method = content.wantedMethod, exchange.restarts < IKEEngine.restartLimit {
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
            return ikeRekeyRefused(error.type, sa, at: now)
        }
        guard let answer = content.securityAssociation, let nonce = content.nonce,
            let theirs = content.keyExchange,
            let choice = ProposalSelection.accepted(answer, of: exchange.offer),
            let peerSPI = answer.proposals.first?.ikeSPI, peerSPI != .zero,
            let suite = IKESuite(choice.transforms),
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
                replacing: state.keys
            )
        else { return ikeRekeyRefused(nil, sa, at: now) }
        succeed(
            sa,
            state,
            keys,
            localSPI: exchange.localSPI,
            peerSPI: peerSPI,
            isInitiator: true,
            at: now
        )
        // RFC 7296 §2.8: the initiator of the rekeying deletes the old IKE SA.
        state.isReplaced = true
        sas.forgetPeer(of: sa)
        sa.timers = [:]
        sa.state = .closing(Closing(keys: state.keys))
        requestDelete(of: sa, at: now)
    }

    private func ikeRekeyRefused(_ error: NotifyType?, _ sa: IKESA, at now: Instant) {
        if error == .temporaryFailure { return retryLater(.rekeyIKESA, of: sa, at: now) }
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
        report(.initiationFailed(failure), of: sa)
        // The old SA still works: another try before it expires.
        arm(.retry(.rekeyIKESA), of: sa, at: now + .seconds(60))
    }

    func receiveIKERekeyRequest(
        _ request: Request,
        _ offer: SecurityAssociationPayload,
        _ theirNonce: [UInt8],
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        // RFC 7296 §2.25.2: not while this end creates, rekeys or closes a child.
        guard !sa.isChangingChildren else {
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
        else { return respond(to: request, of: sa, [.notify(NotifyPayload(.invalidSyntax))]) }
        guard theirs.method == suite.keyExchange else {
            return respond(to: request, of: sa, [.notify(.invalidKE(wanted: suite.keyExchange))])
        }
        let spi = freshIKESPI()
        let peerSPI = IKESPI(rawValue: choice.peerSPI.reduce(0) { $0 << 8 | UInt64($1) })
        let nonce = freshNonce()
        guard peerSPI != .zero,
            let keyPair = try? KeyExchangeKeyPair.generate(suite.keyExchange, random: &random),
            let secret = try? keyPair.sharedSecret(with: theirs.data),
            let keys = SAKeys(
                suite: suite,
                secret: secret,
                isOriginalInitiator: false,
                context: IKEKeys.Context(
                    nonceInitiator: theirNonce,
                    nonceResponder: nonce,
                    spiInitiator: peerSPI,
                    spiResponder: spi
                ),
                replacing: state.keys
            )
        else { return respond(to: request, of: sa, [.notify(NotifyPayload(.invalidSyntax))]) }
        respond(
            to: request,
            of: sa,
            [
                .securityAssociation(choice.answer(spi: spi.bytes)),
                .nonce(NoncePayload(nonce: nonce)),
                .keyExchange(
                    KeyExchangePayload(method: suite.keyExchange, data: keyPair.publicValue)
                ),
            ]
        )
        succeed(sa, state, keys, localSPI: spi, peerSPI: peerSPI, isInitiator: false, at: now)
        state.isReplaced = true
        sas.forgetPeer(of: sa)
        sa.timers = sa.timers.filter { $0.key.isOfMessages }
        // Should the peer never delete the old SA, this end does.
        arm(.expiry, of: sa, at: now + .seconds(60))
    }

    /// A new IKE SA takes over children, tasks and whatever waits to be tried again.
    private func succeed(
        _ old: IKESA,
        _ oldState: Established,
        _ keys: SAKeys,
        localSPI: IKESPI,
        peerSPI: IKESPI,
        isInitiator: Bool,
        at now: Instant
    ) {
        let state = Established(
            keys: keys,
            localIdentity: oldState.localIdentity,
            remoteIdentity: oldState.remoteIdentity,
            now: now
        )
        let sa = IKESA(
            localSPI: localSPI,
            peerSPI: peerSPI,
            isOriginalInitiator: isInitiator,
            connection: old.connection,
            path: old.path,
            state: .established(state),
            now: now
        )
        sa.nat = old.nat
        sa.agreed = old.agreed
        sa.loweredFragmentThreshold = old.loweredFragmentThreshold
        sas.insert(sa)
        sas.rememberPeer(of: sa, state)
        state.children = oldState.children
        oldState.children = [:]
        sas.moveChildren(from: old, to: sa)
        for (timer, deadline) in old.timers where timer.isOfChildren {
            arm(timer, of: sa, at: deadline)
        }
        state.tasks = oldState.tasks.filter { $0 != .rekeyIKESA && $0 != .checkLiveness }
        oldState.tasks = []
        armLifetime(of: sa, state, at: now)
        report(.ikeSARekeyed(sa.description(state)), of: sa)
        startTasks(of: sa, at: now)
    }
}

extension SATimer {
    /// Whether it goes with the children to a new IKE SA.
    fileprivate var isOfChildren: Bool {
        switch self {
        case .childRekey, .childExpiry, .childRemoval: true
        case .retry(let task): task != .rekeyIKESA
        default: false
        }
    }
}
