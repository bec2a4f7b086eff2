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
        _ purpose: FollowUpPurpose,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        let nonces = ChildNonces(initiator: purpose.nonce, responder: content.nonce ?? [])
        // RFC 9370 §2.2.4: "because there is nothing to delete yet, the initiator of this exchange
        // just stops the rekeying process". The same where nobody wants the child any more: the
        // responder forgets it.
        if let rival = purpose.rivalNonce, nonces.lowest.precedes(rival) {
            return giveWay(purpose, sa, state, at: now)
        }
        if case .child(let exchange) = purpose, exchange.isUnwanted {
            return sas.releaseChild(exchange.offer.inboundSPI)
        }
        guard ProposalSelection.isAnswer(content, to: purpose.offer) else {
            return failOnAnswer(purpose, sa, state, at: now)
        }
        followUp(purpose, methods[...], content, [], content, sa, state, at: now)
    }

    /// The next exchange, or what all of them make.
    private func followUp(
        _ purpose: FollowUpPurpose,
        _ methods: ArraySlice<KeyExchangeMethod>,
        _ answer: MessageContent,
        _ secrets: [SecretBytes],
        _ last: MessageContent,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        guard let method = methods.first else {
            return finish(purpose.with(nil), answer, secrets, sa, state, at: now)
        }
        guard let link = last.notify(.additionalKeyExchange),
            let keyPair = try? freshKeyPair(method)
        else { return failOnAnswer(purpose, sa, state, at: now) }
        let followUp = FollowUp(
            answer: answer,
            keyPair: keyPair,
            remaining: methods.dropFirst(),
            secrets: secrets
        )
        request(
            purpose.with(followUp).exchange,
            .ikeFollowUpKE,
            keyPair.payloads(link),
            of: sa,
            at: now
        )
    }

    func receiveFollowUpResponse(
        _ content: MessageContent,
        _ purpose: FollowUpPurpose,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        guard let followUp = purpose.followUp else { return }
        if let error = content.error, content.keyExchange == nil {
            return failOnError(purpose, with: error.type, sa, state, at: now)
        }
        guard let secret = followUp.secret(with: content) else {
            return failOnValue(followUp, of: sa, at: now)
        }
        self.followUp(
            purpose,
            followUp.remaining,
            followUp.answer,
            followUp.secrets + [secret],
            content,
            sa,
            state,
            at: now
        )
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

extension FollowUp {
    /// Of the exchange under way, whose answer `content` is; nil where the peer's value is none.
    func secret(with content: MessageContent) -> SecretBytes? {
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

extension ProposalSelection {
    fileprivate static func isAnswer(
        _ content: MessageContent,
        to offer: SecurityAssociationPayload
    ) -> Bool {
        content.securityAssociation.flatMap { accepted($0, of: offer) } != nil
    }
}
