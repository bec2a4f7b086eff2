internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// What a series of IKE_FOLLOWUP_KE completes (RFC 9370 §2.2.4): the CREATE_CHILD_SA that it
/// follows.
enum FollowUpPurpose {
    /// A new Child SA, or one that replaces another.
    case child(ChildExchange)
    /// An IKE SA that replaces the one that it takes place in.
    case ikeSA(IKERekeyExchange)

    var offer: SecurityAssociationPayload {
        switch self {
        case .child(let exchange): exchange.offer.proposals
        case .ikeSA(let exchange): exchange.offer
        }
    }

    var nonce: [UInt8] {
        switch self {
        case .child(let exchange): exchange.nonce
        case .ikeSA(let exchange): exchange.nonce
        }
    }

    /// The lowest nonce of the peer's own exchange for the same, where the two cross.
    var rivalNonce: [UInt8]? {
        switch self {
        case .child(let exchange): exchange.crossing?.lowestNonce
        case .ikeSA(let exchange): exchange.crossing?.lowestNonce
        }
    }

    var followUp: FollowUp? {
        switch self {
        case .child(let exchange): exchange.followUp
        case .ikeSA(let exchange): exchange.followUp
        }
    }

    func with(_ followUp: FollowUp?) -> FollowUpPurpose {
        switch self {
        case .child(var exchange):
            exchange.followUp = followUp
            return .child(exchange)
        case .ikeSA(var exchange):
            exchange.followUp = followUp
            return .ikeSA(exchange)
        }
    }

    /// As the engine keeps it among the requests under way.
    var exchange: IKEExchange {
        switch self {
        case .child(let exchange): .createChild(exchange)
        case .ikeSA(let exchange): .rekeyIKESA(exchange)
        }
    }
}

/// The ways in which a series ends.
extension IKEEngine {
    func finish(
        _ purpose: FollowUpPurpose,
        _ answer: MessageContent,
        _ secrets: [SecretBytes],
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        switch purpose {
        case .child(let exchange):
            finishChild(answer, exchange, additional: secrets, sa, state, at: now)
        case .ikeSA(let exchange):
            finishIKERekey(answer, exchange, additional: secrets, sa, state, at: now)
        }
    }

    func giveWay(
        _ purpose: FollowUpPurpose,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        switch purpose {
        case .child(let exchange):
            sas.releaseChild(exchange.offer.inboundSPI)
            if let old = exchange.replaces { retryRekey(of: old, sa, at: now) }
        case .ikeSA(let exchange):
            if let rival = candidate(of: exchange) {
                return adopt(rival, of: sa, state, at: now)
            }
            arm(.retry(.rekeyIKESA), of: sa, at: now + .seconds(60))
        }
    }

    /// An answer that is none to our offer, or lacks the link to the next exchange.
    func failOnAnswer(
        _ purpose: FollowUpPurpose,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        switch purpose {
        case .child(let exchange):
            fail(exchange, ChildAnswerFailure.strangeProposal(exchange.offer), sa, at: now)
        case .ikeSA(let exchange): ikeRekeyRefused(nil, exchange, sa, state, at: now)
        }
    }

    func failOnError(
        _ purpose: FollowUpPurpose,
        with error: NotifyType,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        // RFC 9370 §2.2.4: "it MUST cancel this exchange and MUST treat the whole series of
        // exchanges started from the CREATE_CHILD_SA exchange as failed", and may begin anew.
        let isForNow = error == .stateNotFound || error == .temporaryFailure
        switch purpose {
        case .child(let exchange):
            guard isForNow else {
                let failure = ChildAnswerFailure.refused(error, exchange.offer, of: sa)
                return fail(exchange, failure, sa, at: now)
            }
            sas.releaseChild(exchange.offer.inboundSPI)
            if exchange.isUnwanted { return }
            let task: IKETask =
                exchange.replaces.map { .rekeyChild(inboundSPI: $0) }
                ?? .createChild(exchange.offer.initiation)
            refusedForNow(task, of: sa, state, at: now)
        case .ikeSA(let exchange):
            ikeRekeyRefused(isForNow ? .temporaryFailure : error, exchange, sa, state, at: now)
        }
    }

    private func fail(
        _ exchange: ChildExchange,
        _ failure: NegotiationFailure,
        _ sa: IKESA,
        at now: Instant
    ) {
        sas.releaseChild(exchange.offer.inboundSPI)
        report(
            .initiationFailed(failure),
            of: sa,
            child: exchange.offer.policy.name,
            packet: exchange.offer.initiation.packet
        )
        if let old = exchange.replaces { retryRekey(of: old, sa, at: now) }
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
