internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// The nonces that a Child SA's keys come from.
struct ChildNonces {
    let initiator: [UInt8]
    let responder: [UInt8]

    var lowest: [UInt8] { initiator.precedes(responder) ? initiator : responder }
}

/// A Child SA that both ends have agreed on.
struct ChildInstallationPlan {
    var child: ChildSA
    let inboundKeys: ESPKeys
    let outboundKeys: ESPKeys
}

/// Why a Child SA was not made: what the peer hears, and what our report says.
struct ChildRefusal: Error {
    let notify: NotifyPayload
    let failure: NegotiationFailure

    init(_ notify: NotifyType, _ failure: NegotiationFailure) {
        self.init(notify: NotifyPayload(notify), failure)
    }

    init(notify: NotifyPayload, _ failure: NegotiationFailure) {
        self.notify = notify
        self.failure = failure
    }
}

extension IKEEngine {
    /// An offer of ours for a policy; its SPI is reserved.
    func offer(
        _ policy: ChildPolicy,
        for initiation: IKEEvent.Initiation,
        _ purpose: NegotiationPurpose,
        of sa: IKESA
    ) -> ChildOffer {
        let spi = reserveSPI(for: sa)
        return ChildOffer(
            policy: policy,
            initiation: initiation,
            inboundSPI: spi,
            proposals: ProposalSelection.offer(policy.proposals, for: purpose, spi: spi.bytes),
            selectors: TrafficSelectorNarrowing.offer(policy, packet: initiation.packet)
        )
    }

    /// What the peer's answer makes of an offer of ours.
    func completeChild(
        _ offer: ChildOffer,
        _ content: MessageContent,
        _ nonces: ChildNonces,
        secret: SecretBytes?,
        replaces: SPI?,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) throws(NegotiationFailure) -> ChildInstallationPlan {
        guard let answer = content.securityAssociation,
            let tsi = content.trafficSelectorInitiator, let tsr = content.trafficSelectorResponder
        else { throw ChildAnswerFailure.refused(content.error?.type, offer) }
        guard let choice = ProposalSelection.accepted(answer, of: offer.proposals),
            let suite = ESPSuite(choice.transforms),
            let outbound = answer.proposals.first?.childSPI, !outbound.isReserved
        else { throw ChildAnswerFailure.strangeProposal(offer) }
        let selectors = TrafficSelectorNarrowing.Selectors(
            local: tsi.selectors,
            remote: tsr.selectors
        )
        guard TrafficSelectorNarrowing.isWithin(selectors, offer.selectors) else {
            throw TrafficSelectorMismatch.refused(
                offer.policy,
                explanation: "The peer answers with traffic selectors that we did "
                    + "not offer: \(TrafficSelectorMismatch.text(selectors))."
            )
        }
        let keys = ChildKeys.derive(
            prf: state.keys.suite.prf,
            derivation: state.keys.keys.derivation,
            cipherSuite: suite.cipherSuite,
            nonceInitiator: nonces.initiator,
            nonceResponder: nonces.responder,
            sharedSecret: secret
        )
        let child = ChildSA(
            policy: offer.policy,
            inboundSPI: offer.inboundSPI,
            outboundSPI: outbound,
            suite: suite,
            selectors: selectors,
            isEncapsulated: sa.isEncapsulated,
            createdAt: now,
            replaces: replaces,
            isUsedOutbound: true
        )
        return ChildInstallationPlan(
            child: child,
            inboundKeys: keys.responderToInitiator,
            outboundKeys: keys.initiatorToResponder
        )
    }

    /// Our answer to the peer's offer of a Child SA.
    func answerChild(
        _ content: MessageContent,
        _ purpose: NegotiationPurpose,
        _ nonces: ChildNonces,
        replacing old: ChildSA?,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) throws(ChildRefusal) -> (payloads: [Payload], child: ChildInstallationPlan) {
        guard let offer = content.securityAssociation,
            let tsi = content.trafficSelectorInitiator, let tsr = content.trafficSelectorResponder
        else { throw .incomplete(sa.connection) }
        guard state.children.count < settings.childLimit else { throw .tooMany(sa.connection) }
        let offered = TrafficSelectorNarrowing.Selectors(
            local: tsr.selectors,
            remote: tsi.selectors
        )
        let policies = old.map { [$0.policy] } ?? sa.connection.children
        guard let (policy, selectors) = TrafficSelectorNarrowing.choose(offered, among: policies)
        else {
            throw ChildRefusal(
                .tsUnacceptable,
                TrafficSelectorMismatch.explain(offered, policies: policies)
            )
        }
        let (choice, suite, outbound) = try chooseSuite(
            offer,
            content,
            policy,
            purpose,
            sa.connection
        )
        let keyExchange = try answerKeyExchange(suite, content, policy)
        let keys = ChildKeys.derive(
            prf: state.keys.suite.prf,
            derivation: state.keys.keys.derivation,
            cipherSuite: suite.cipherSuite,
            nonceInitiator: nonces.initiator,
            nonceResponder: nonces.responder,
            sharedSecret: keyExchange?.secret
        )
        let inbound = reserveSPI(for: sa)
        let child = ChildSA(
            policy: policy,
            inboundSPI: inbound,
            outboundSPI: outbound,
            suite: suite,
            selectors: selectors,
            isEncapsulated: sa.isEncapsulated,
            createdAt: now,
            replaces: old?.inboundSPI,
            isUsedOutbound: old == nil
        )
        let answer = choice.answer(purpose: purpose, spi: inbound.bytes)
        var payloads: [Payload] = [.securityAssociation(answer)]
        if purpose == .childSA { payloads.append(.nonce(NoncePayload(nonce: nonces.responder))) }
        if let keyExchange { payloads.append(.keyExchange(keyExchange.payload)) }
        payloads += [
            .trafficSelectorInitiator(TrafficSelectorPayload(selectors: selectors.remote)),
            .trafficSelectorResponder(TrafficSelectorPayload(selectors: selectors.local)),
        ]
        return (
            payloads,
            ChildInstallationPlan(
                child: child,
                inboundKeys: keys.initiatorToResponder,
                outboundKeys: keys.responderToInitiator
            )
        )
    }

    /// The suite of a policy that the offer meets, and the peer's SPI.
    private func chooseSuite(
        _ offer: SecurityAssociationPayload,
        _ content: MessageContent,
        _ policy: ChildPolicy,
        _ purpose: NegotiationPurpose,
        _ connection: IKEConnection
    ) throws(ChildRefusal) -> (ProposalSelection.Choice, ESPSuite, outbound: SPI) {
        let choice: ProposalSelection.Choice
        do {
            choice = try ProposalSelection.choose(
                from: offer.proposals,
                accepting: policy.proposals,
                for: purpose,
                guessedMethod: content.keyExchange?.method
            )
        } catch {
            throw ChildRefusal(.noProposalChosen, error)
        }
        guard let suite = ESPSuite(choice.transforms), choice.peerSPI.count == 4 else {
            throw .incomplete(connection)
        }
        let outbound = SPI(rawValue: choice.peerSPI.reduce(0) { $0 << 8 | UInt32($1) })
        guard !outbound.isReserved else { throw .incomplete(connection) }
        return (choice, suite, outbound)
    }

    /// The responder's half of a fresh key exchange, where the suite has one (RFC 7296 §1.3.1).
    private func answerKeyExchange(
        _ suite: ESPSuite,
        _ content: MessageContent,
        _ policy: ChildPolicy
    ) throws(ChildRefusal) -> (payload: KeyExchangePayload, secret: SecretBytes)? {
        guard let method = suite.keyExchange else { return nil }
        guard let theirs = content.keyExchange, theirs.method == method else {
            throw ChildRefusal(
                notify: .invalidKE(wanted: method),
                NegotiationFailure(
                    subject: .keyExchange,
                    explanation: "The peer guessed another key exchange than "
                        + "\(ProposalKeyword.name(of: .keyExchange(method))) and is told so.",
                    source: policy.proposals.first?.source,
                    remedy: "None is needed."
                )
            )
        }
        guard let keyPair = try? KeyExchangeKeyPair.generate(method, random: &random),
            let secret = try? keyPair.sharedSecret(with: theirs.data)
        else {
            throw ChildRefusal(
                .invalidSyntax,
                NegotiationFailure(
                    subject: .malformedMessage,
                    explanation: "The peer's key exchange value is not valid.",
                    remedy: "The peer errs."
                )
            )
        }
        return (KeyExchangePayload(method: method, data: keyPair.publicValue), secret)
    }
}

extension ChildRefusal {
    fileprivate static func incomplete(_ connection: IKEConnection) -> ChildRefusal {
        ChildRefusal(
            .invalidSyntax,
            NegotiationFailure(
                subject: .malformedMessage,
                explanation: "The peer's request for a Child SA lacks a payload or a valid SPI.",
                source: connection.source,
                remedy: "The peer errs."
            )
        )
    }

    fileprivate static func tooMany(_ connection: IKEConnection) -> ChildRefusal {
        ChildRefusal(
            .noAdditionalSAs,
            NegotiationFailure(
                subject: .resources,
                explanation: "The IKE SA has as many Child SAs as it may have.",
                source: connection.source,
                remedy: "See why the peer makes so many."
            )
        )
    }
}

/// Words for answers of the peer that make no Child SA.
enum ChildAnswerFailure {
    static func refused(_ error: NotifyType?, _ offer: ChildOffer) -> NegotiationFailure {
        switch error {
        case .noProposalChosen?:
            return ProposalMismatch.refusedByPeer(offer.policy.proposals, for: .childSA)
        case .tsUnacceptable?:
            return TrafficSelectorMismatch.refused(
                offer.policy,
                explanation: "The peer accepts none of our traffic selectors (TS_UNACCEPTABLE)."
            )
        default:
            let reason = error.map { "with \($0)" } ?? "without a reason"
            return NegotiationFailure(
                subject: .refusedByPeer,
                explanation: "The peer refused child \(offer.policy.name) \(reason).",
                source: offer.policy.source,
                remedy: "Look in the peer's log."
            )
        }
    }

    static func strangeProposal(_ offer: ChildOffer) -> NegotiationFailure {
        NegotiationFailure(
            subject: .childProposal,
            explanation: "The peer chose an ESP proposal that we did not offer.",
            accepted: offer.policy.proposals.map(\.proposal.description),
            source: offer.policy.proposals.first?.source,
            remedy: "The peer errs."
        )
    }
}
