internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// Where the initiator is in the additional key exchanges that follow CREATE_CHILD_SA.
struct FollowUp {
    /// The answer to CREATE_CHILD_SA, which they complete.
    let answer: MessageContent
    /// Of the exchange under way.
    let keyPair: KeyExchangeKeyPair
    /// What follows it.
    let remaining: ArraySlice<KeyExchangeMethod>
    /// Of those before it, in their order.
    let secrets: [SecretBytes]
}

/// IKE_FOLLOWUP_KE, the initiator's side (RFC 9370 §2.2.4).
///
///     HDR, SK {KEi(n), N(ADDITIONAL_KEY_EXCHANGE)}  -->
///                <--  HDR, SK {KEr(n) [, N(ADDITIONAL_KEY_EXCHANGE)]}
///
/// Nothing is made before the last of them. To the rest of the engine the exchange that they belong
/// to is under way all the time: whatever holds while CREATE_CHILD_SA is, holds on.
extension IKEEngine {
    func beginFollowUps(
        _ methods: [KeyExchangeMethod],
        _ content: MessageContent,
        _ exchange: ChildExchange,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        let nonces = ChildNonces(initiator: exchange.nonce, responder: content.nonce ?? [])
        // RFC 9370 §2.2.4: "because there is nothing to delete yet, the initiator of this exchange
        // just stops the rekeying process". The same where nobody wants the child any more: the
        // responder forgets it.
        let hasLost = exchange.crossing.map { nonces.lowest.precedes($0.lowestNonce) } ?? false
        guard !hasLost, !exchange.isUnwanted else {
            sas.releaseChild(exchange.offer.inboundSPI)
            if hasLost, let old = exchange.replaces { retryRekey(of: old, sa, at: now) }
            return
        }
        guard ProposalSelection.isAnswer(content, to: exchange.offer.proposals) else {
            return fail(exchange, sa, at: now)
        }
        followUp(exchange, methods[...], content, [], content, sa, state, at: now)
    }

    /// The next exchange, or what all of them make.
    private func followUp(
        _ exchange: ChildExchange,
        _ methods: ArraySlice<KeyExchangeMethod>,
        _ answer: MessageContent,
        _ secrets: [SecretBytes],
        _ last: MessageContent,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        var exchange = exchange
        guard let method = methods.first else {
            exchange.followUp = nil
            return finishChild(answer, exchange, additional: secrets, sa, state, at: now)
        }
        guard let link = last.notify(.additionalKeyExchange),
            let keyPair = try? freshKeyPair(method)
        else { return fail(exchange, sa, at: now) }
        exchange.followUp = FollowUp(
            answer: answer,
            keyPair: keyPair,
            remaining: methods.dropFirst(),
            secrets: secrets
        )
        request(.createChild(exchange), .ikeFollowUpKE, keyPair.payloads(link), of: sa, at: now)
    }

    func receiveFollowUpResponse(
        _ content: MessageContent,
        _ exchange: ChildExchange,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        guard let followUp = exchange.followUp else { return }
        if let error = content.error, content.keyExchange == nil {
            sas.releaseChild(exchange.offer.inboundSPI)
            guard error.type == .stateNotFound || error.type == .temporaryFailure else {
                let failure = ChildAnswerFailure.refused(error.type, exchange.offer)
                report(.initiationFailed(failure), of: sa, child: exchange.offer.policy.name)
                if let old = exchange.replaces { retryRekey(of: old, sa, at: now) }
                return
            }
            if exchange.isUnwanted { return }
            // "it MUST cancel this exchange and MUST treat the whole series of exchanges started
            // from the CREATE_CHILD_SA exchange as failed", and may begin anew.
            let task: IKETask =
                exchange.replaces.map { .rekeyChild(inboundSPI: $0) }
                ?? .createChild(exchange.offer.initiation)
            return refusedForNow(task, of: sa, state, at: now)
        }
        guard let secret = followUp.secret(with: content) else {
            return failOnValue(followUp, of: sa, at: now)
        }
        self.followUp(
            exchange,
            followUp.remaining,
            followUp.answer,
            followUp.secrets + [secret],
            content,
            sa,
            state,
            at: now
        )
    }

    /// An answer that is none to our offer, or lacks the link to the next exchange.
    private func fail(_ exchange: ChildExchange, _ sa: IKESA, at now: Instant) {
        sas.releaseChild(exchange.offer.inboundSPI)
        let failure = ChildAnswerFailure.strangeProposal(exchange.offer)
        report(.initiationFailed(failure), of: sa, child: exchange.offer.policy.name)
        if let old = exchange.replaces { retryRekey(of: old, sa, at: now) }
    }

    /// draft-ietf-ipsecme-ikev2-mlkem-08 §2.2: with a ciphertext that is none "the initiator MUST
    /// delete the existing IKE SA".
    private func failOnValue(_ followUp: FollowUp, of sa: IKESA, at now: Instant) {
        let method = ProposalKeyword.name(of: .keyExchange(followUp.keyPair.method))
        close(
            sa,
            because: .failed("The peer's value for \(method) in IKE_FOLLOWUP_KE is not valid."),
            at: now
        )
    }
}

/// The same for an IKE SA that replaces another.
extension IKEEngine {
    func beginFollowUps(
        _ methods: [KeyExchangeMethod],
        _ content: MessageContent,
        _ exchange: IKERekeyExchange,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        let nonces = ChildNonces(initiator: exchange.nonce, responder: content.nonce ?? [])
        if let crossing = exchange.crossing, nonces.lowest.precedes(crossing.lowestNonce) {
            if let rival = candidate(of: exchange) {
                return adopt(rival, of: sa, state, at: now)
            }
            return arm(.retry(.rekeyIKESA), of: sa, at: now + .seconds(60))
        }
        guard ProposalSelection.isAnswer(content, to: exchange.offer) else {
            return ikeRekeyRefused(nil, exchange, sa, state, at: now)
        }
        followUp(exchange, methods[...], content, [], content, sa, state, at: now)
    }

    private func followUp(
        _ exchange: IKERekeyExchange,
        _ methods: ArraySlice<KeyExchangeMethod>,
        _ answer: MessageContent,
        _ secrets: [SecretBytes],
        _ last: MessageContent,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        var exchange = exchange
        guard let method = methods.first else {
            exchange.followUp = nil
            return finishIKERekey(answer, exchange, additional: secrets, sa, state, at: now)
        }
        guard let link = last.notify(.additionalKeyExchange),
            let keyPair = try? freshKeyPair(method)
        else { return ikeRekeyRefused(nil, exchange, sa, state, at: now) }
        exchange.followUp = FollowUp(
            answer: answer,
            keyPair: keyPair,
            remaining: methods.dropFirst(),
            secrets: secrets
        )
        request(.rekeyIKESA(exchange), .ikeFollowUpKE, keyPair.payloads(link), of: sa, at: now)
    }

    func receiveFollowUpResponse(
        _ content: MessageContent,
        _ exchange: IKERekeyExchange,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        guard let followUp = exchange.followUp else { return }
        if let error = content.error, content.keyExchange == nil {
            let isForNow = error.type == .stateNotFound
            return ikeRekeyRefused(
                isForNow ? .temporaryFailure : error.type,
                exchange,
                sa,
                state,
                at: now
            )
        }
        guard let secret = followUp.secret(with: content) else {
            return failOnValue(followUp, of: sa, at: now)
        }
        self.followUp(
            exchange,
            followUp.remaining,
            followUp.answer,
            followUp.secrets + [secret],
            content,
            sa,
            state,
            at: now
        )
    }
}

extension FollowUp {
    fileprivate func secret(with content: MessageContent) -> SecretBytes? {
        guard let theirs = content.keyExchange, theirs.method == keyPair.method else { return nil }
        return try? keyPair.sharedSecret(with: theirs.data)
    }
}

extension KeyExchangeKeyPair {
    /// A request; "the initiator MUST send back this notification intact".
    fileprivate func payloads(_ link: NotifyPayload) -> [Payload] {
        [
            .keyExchange(KeyExchangePayload(method: method, data: publicValue)),
            .notify(NotifyPayload(.additionalKeyExchange, data: link.data)),
        ]
    }
}

extension IKEExchange {
    var isFollowUp: Bool {
        switch self {
        case .createChild(let exchange): exchange.followUp != nil
        case .rekeyIKESA(let exchange): exchange.followUp != nil
        default: false
        }
    }
}

extension IKESA {
    /// Whether additional key exchanges of ours replace a child, or, with nil, the IKE SA itself.
    func isFollowingUp(_ spi: SPI?) -> Bool {
        requests.contains { exchange in
            switch exchange {
            case .createChild(let child):
                spi != nil && child.followUp != nil && child.replaces == spi
            case .rekeyIKESA(let rekey): spi == nil && rekey.followUp != nil
            default: false
            }
        }
    }
}

extension ProposalSelection {
    fileprivate static func isAnswer(
        _ content: MessageContent,
        to offer: SecurityAssociationPayload
    ) -> Bool {
        content.securityAssociation.flatMap { accepted($0, of: offer) } != nil
    }
}
