internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// IKE_SA_INIT, the initiator's side, where it differs from IKE_SESSION_RESUME (RFC 7296 §1.2).
extension IKEEngine {
    /// How long an error that nobody vouches for waits for a better answer.
    private static let refusalPatience: Duration = .seconds(1)

    /// Another method, or an error.
    func receiveInitRefusal(
        _ content: MessageContent,
        _ keyPair: KeyExchangeKeyPair,
        _ offer: SecurityAssociationPayload,
        _ sa: IKESA,
        _ initiating: Initiating,
        at now: Instant
    ) {
        if let method = content.wantedMethod {
            // The answer to a repetition of the request before: the right answer is on its way.
            if method == keyPair.method { return counters.drop(.repeatedResponse) }
            let isOffered = offer.proposals.contains {
                $0.proposal.keyExchangeMethods.contains(method)
            }
            // RFC 7296 §1.2: retried with the method wanted, if it was offered at all.
            if isOffered, initiating.restarts < initiating.keys.restartLimit,
                let other = try? freshKeyPair(method)
            {
                var state = initiating
                state.restarts += 1
                state.keys = .exchanged(other, offer: offer)
                state.refusal = nil
                report(
                    .otherMethodDemanded(wanted: ProposalKeyword.name(of: .keyExchange(method))),
                    of: sa
                )
                return sendFirstRequest(sa, state, at: now)
            }
        }
        guard let error = content.error else { return counters.drop(.malformed) }
        refuse(InitRefusal.explain(error, content, sa.connection), sa, initiating, at: now)
    }

    /// RFC 7296 §2.21.1: an error in IKE_SA_INIT is not authentic; "the initiator SHOULD continue
    /// to wait for a while" for an answer that is better.
    func refuse(
        _ failure: NegotiationFailure,
        _ sa: IKESA,
        _ initiating: Initiating,
        at now: Instant
    ) {
        var state = initiating
        guard state.refusal == nil else { return }
        // RFC 9329 §6.4: over TCP, no better answer is to be waited for.
        if sa.path.transport == .tcp { return fail(sa, failure, at: now) }
        state.refusal = failure
        sa.state = .initiating(state)
        arm(
            .retransmission(0),
            of: sa,
            at: min(
                now + IKEEngine.refusalPatience,
                sa.timers[.retransmission(0)] ?? .distantFuture
            )
        )
    }

    /// The better answer that is waited for may come of asking: the peer has kept nothing of what it
    /// refused.
    func askAgain(_ connection: String, at now: Instant) {
        for sa in sas.ofConnection(connection) {
            guard case .initiating(var state) = sa.state, state.refusal != nil,
                state.restarts < state.keys.restartLimit
            else { continue }
            state.restarts += 1
            state.refusal = nil
            sendFirstRequest(sa, state, at: now)
        }
    }

    /// The keys that the answer agrees on; nil where it is none, or is not the whole of it.
    func agreedKeys(
        _ keyPair: KeyExchangeKeyPair,
        _ offer: SecurityAssociationPayload,
        _ response: FirstAnswer,
        _ context: IKEKeys.Context,
        _ sa: IKESA,
        _ state: Initiating,
        at now: Instant
    ) -> SAKeys? {
        let content = response.content
        guard let answer = content.securityAssociation, let keyExchange = content.keyExchange else {
            counters.drop(.malformed)
            return nil
        }
        guard let choice = ProposalSelection.accepted(answer, of: offer),
            let suite = IKESuite(choice.transforms),
            // RFC 9370 §2.2.1: without IKE_INTERMEDIATE there are no additional key exchanges.
            suite.additionalKeyExchanges.isEmpty
                || content.notify(.intermediateExchangeSupported) != nil
        else {
            refuse(InitRefusal.strangeAnswer(sa.connection), sa, state, at: now)
            return nil
        }
        if sa.authSolution == nil, let puzzle = content.notify(.puzzle) {
            receiveAuthPuzzle(puzzle, response, context.nonceResponder, sa, state, at: now)
            return nil
        }
        guard suite.keyExchange == keyExchange.method, keyExchange.method == keyPair.method,
            let secret = try? keyPair.sharedSecret(with: keyExchange.data),
            let keys = SAKeys(
                suite: suite,
                secret: secret,
                isOriginalInitiator: true,
                context: context
            )
        else {
            counters.drop(.malformed)
            return nil
        }
        return keys
    }
}
