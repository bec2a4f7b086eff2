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

/// Our answer to the peer's offer of a Child SA, and what it makes.
struct ChildAnswer {
    let payloads: [Payload]
    let child: ChildInstallationPlan
    /// Of the key exchange in the same exchange.
    let secret: SecretBytes?
}

extension ChildInstallationPlan {
    /// For the responder of the exchange.
    init(answering keys: ChildKeys, _ child: ChildSA) {
        self.init(
            child: child,
            inboundKeys: keys.initiatorToResponder,
            outboundKeys: keys.responderToInitiator
        )
    }
}

extension IKEEngine {
    /// An offer of ours for a policy, or for the successor of a Child SA; its SPI is reserved.
    func offer(
        _ policy: ChildPolicy,
        for initiation: IKEEvent.Initiation,
        _ purpose: NegotiationPurpose,
        of sa: IKESA,
        replacing spi: SPI? = nil
    ) -> ChildOffer {
        let old = spi.flatMap { sa.established?.children[$0] }
        let traits = traitsOffer(policy, initiation, replaces: old, of: sa)
        let spi = reserveSPI(
            for: sa,
            child: policy,
            slot: old?.traits.resource?.slot ?? traits.resourceSlot
        )
        return ChildOffer(
            policy: policy,
            initiation: initiation,
            inboundSPI: spi,
            proposals: ProposalSelection.offer(
                policy.proposals.passing(sa),
                for: purpose,
                spi: spi.bytes
            ),
            selectors: selectors(policy, initiation, replacing: old, of: sa),
            traits: traits,
            replaced: old,
            configuration: sa.established?.internalAddresses.isEmpty ?? true
                ? sa.connection.request?.payload : nil
        )
    }

    private func selectors(
        _ policy: ChildPolicy,
        _ initiation: IKEEvent.Initiation,
        replacing old: ChildSA?,
        of sa: IKESA
    ) -> TrafficSelectorPair {
        if let old { return successorSelectors(of: old, policy, sa) }
        if let selectors = initiation.selectors, policy.selectors.covers(selectors) {
            return selectors
        }
        // What of it lies between the ends, if anything, is all that transport mode carries; the
        // answer is held against that.
        var policy = policy
        if sa.connection.request != nil, let state = sa.established {
            policy = policy.coming(from: state.internalAddresses)
        }
        if policy.mode == .transport, let ends = policy.selectors.between(sa.path) {
            policy.localSelectors = ends.local
            policy.remoteSelectors = ends.remote
        }
        return TrafficSelectorNarrowing.offer(
            policy,
            packet: initiation.packet,
            isOnlyPair: initiation.isOnlyPair
        )
    }

    /// RFC 7296 §2.9.2: "the same as, or a superset of" those of the old SA, which go first, and
    /// no packet's.
    private func successorSelectors(
        of old: ChildSA,
        _ policy: ChildPolicy,
        _ sa: IKESA
    ) -> TrafficSelectorPair {
        // The ends may have moved since, and the selectors are theirs.
        if old.traits.mode == .transport {
            return old.selectors(of: policy, at: sa.path) ?? old.selectors
        }
        if !policy.populated.isEmpty || old.selectors.isBetweenTwoAddresses {
            return old.selectors
        }
        return TrafficSelectorPair(
            local: old.selectors.local
                + policy.localSelectors.filter { !old.selectors.local.contains($0) },
            remote: old.selectors.remote
                + policy.remoteSelectors.filter { !old.selectors.remote.contains($0) }
        ).cut(to: TrafficSelectorNarrowing.limit)
    }

    /// What the peer's answer makes of an offer of ours.
    func completeChild(
        _ offer: ChildOffer,
        _ content: MessageContent,
        _ nonces: ChildNonces,
        secret: SecretBytes?,
        additional: [SecretBytes] = [],
        replaces: SPI?,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) throws(NegotiationFailure) -> ChildInstallationPlan {
        guard let answer = content.securityAssociation,
            let tsi = content.trafficSelectorInitiator, let tsr = content.trafficSelectorResponder
        else {
            throw ChildAnswerFailure.refused(content.error?.type, offer, of: sa)
        }
        try takeConfiguration(content, offer, sa, state)
        guard let choice = ProposalSelection.accepted(answer, of: offer.proposals),
            let suite = ChildSuite(choice.transforms, of: choice.securityProtocol),
            let outbound = answer.proposals.first?.childSPI, !outbound.isReserved
        else { throw ChildAnswerFailure.strangeProposal(offer) }
        if suite.securityProtocol == .ah, sa.isEncapsulated {
            throw ChildAnswerFailure.translated(offer.policy)
        }
        let answered = TrafficSelectorPair(local: tsi.selectors, remote: tsr.selectors)
        let (selectors, mode, original) = try sa.agreedTraffic(content, answered, to: offer)
        try state.requireUse(of: selectors, for: offer)
        guard
            var traits = try offer.policy.traits(
                answered: content,
                to: offer.traits,
                mode: mode,
                replacing: offer.replaced
            )
        else { throw ChildAnswerFailure.strangeTraits(offer) }
        traits.original = original
        guard suite.additionalKeyExchanges.count == additional.count else {
            throw ChildAnswerFailure.strangeProposal(offer)
        }
        let keys = state.childKeys(suite, nonces, secret, additional)
        let child = ChildSA(
            policy: offer.policy,
            inboundSPI: offer.inboundSPI,
            outboundSPI: outbound,
            suite: suite,
            selectors: selectors,
            isEncapsulated: sa.arePacketsEncapsulated,
            createdAt: now,
            replaces: replaces,
            traits: traits,
            isInitiator: true,
            isUsedOutbound: true
        )
        reportNarrowing(of: child, offer, content, sa)
        return ChildInstallationPlan(
            child: child,
            inboundKeys: keys.responderToInitiator,
            outboundKeys: keys.initiatorToResponder
        )
    }

    private func reportNarrowing(
        of child: ChildSA,
        _ offer: ChildOffer,
        _ content: MessageContent,
        _ sa: IKESA
    ) {
        guard offer.replaced == nil, !child.selectors.covers(offer.selectors) else { return }
        report(
            .childSANarrowed(
                child.description,
                isMorePossible: content.notify(.additionalTSPossible) != nil
            ),
            of: sa,
            child: offer.policy.name
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
    ) throws(ChildRefusal) -> ChildAnswer {
        guard let offer = content.securityAssociation,
            let tsi = content.trafficSelectorInitiator, let tsr = content.trafficSelectorResponder
        else { throw .incomplete(sa.connection) }
        guard state.children.count < settings.childLimit else { throw .tooMany(sa.connection) }
        let configuration = try assign(content, to: sa, state)
        let offered = TrafficSelectorPair(local: tsr.selectors, remote: tsi.selectors)
        let traffic = try sa.chooseTraffic(
            content,
            offered,
            among: sa.connection.policies(replacing: old).reaching(state.internalAddresses)
        )
        let policy = traffic.choice.policy
        let (choice, suite, outbound) = try chooseSuite(offer, content, policy, purpose, sa)
        let (traits, notifies) = try answerTraits(
            content,
            policy,
            traffic.mode,
            original: traffic.original,
            replacing: old,
            of: sa,
            state
        )
        let keyExchange = try answerKeyExchange(suite, content, policy)
        let keys = state.childKeys(suite, nonces, keyExchange?.secret)
        let inbound = reserveSPI(for: sa, child: policy, slot: traits.resource?.slot)
        let child = ChildSA(
            policy: policy,
            inboundSPI: inbound,
            outboundSPI: outbound,
            suite: suite,
            selectors: traffic.choice.selectors,
            isEncapsulated: sa.arePacketsEncapsulated,
            createdAt: now,
            replaces: old?.inboundSPI,
            traits: traits,
            isInitiator: false,
            isUsedOutbound: old == nil
        )
        let answer = choice.answer(spi: inbound.bytes)
        // RFC 7296 §2.19: "the CP payload MUST be inserted before the SA payload".
        var payloads: [Payload] = []
        payloads.reserveCapacity(PayloadChain.usualPayloads)
        if let configuration { payloads.append(.configuration(configuration)) }
        for notify in notifies { payloads.append(.notify(notify)) }
        payloads.append(.securityAssociation(answer))
        if purpose == .childSA { payloads.append(.nonce(NoncePayload(nonce: nonces.responder))) }
        if let keyExchange { payloads.append(.keyExchange(keyExchange.payload)) }
        payloads += traffic.choice.payloads
        return ChildAnswer(
            payloads: payloads,
            child: ChildInstallationPlan(answering: keys, child),
            secret: keyExchange?.secret
        )
    }

    /// The suite of a policy that the offer meets, and the peer's SPI.
    private func chooseSuite(
        _ offer: SecurityAssociationPayload,
        _ content: MessageContent,
        _ policy: ChildPolicy,
        _ purpose: NegotiationPurpose,
        _ sa: IKESA
    ) throws(ChildRefusal) -> (ProposalSelection.Choice, ChildSuite, outbound: SPI) {
        let choice: ProposalSelection.Choice
        do {
            choice = try ProposalSelection.choose(
                from: offer.proposals,
                accepting: policy.proposals.passing(sa),
                for: purpose,
                guessedMethod: content.keyExchange?.method
            )
        } catch {
            throw ChildRefusal(.noProposalChosen, error)
        }
        guard let suite = ChildSuite(choice.transforms, of: choice.securityProtocol),
            choice.peerSPI.count == 4
        else { throw .incomplete(sa.connection) }
        if suite.securityProtocol == .ah, sa.isEncapsulated {
            throw ChildRefusal(.noProposalChosen, ChildAnswerFailure.translated(policy))
        }
        let outbound = SPI(rawValue: choice.peerSPI.reduce(0) { $0 << 8 | UInt32($1) })
        guard !outbound.isReserved else { throw .incomplete(sa.connection) }
        return (choice, suite, outbound)
    }

    /// The responder's half of a fresh key exchange, where the suite has one (RFC 7296 §1.3.1).
    private func answerKeyExchange(
        _ suite: ChildSuite,
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
        guard let answer = try? freshAnswer(method, to: theirs.data) else {
            throw ChildRefusal(
                .invalidSyntax,
                NegotiationFailure(
                    subject: .malformedMessage,
                    explanation: "The peer's key exchange value is not valid.",
                    remedy: "The peer errs."
                )
            )
        }
        return (KeyExchangePayload(method: method, data: answer.publicValue), answer.secret)
    }
}

extension Established {
    /// With the secrets of the additional key exchanges, in their order.
    func childKeys(
        _ suite: ChildSuite,
        _ nonces: ChildNonces,
        _ secret: SecretBytes?,
        _ additional: [SecretBytes] = []
    ) -> ChildKeys {
        ChildKeys.derive(
            prf: keys.suite.prf,
            derivation: keys.keys.derivation,
            lengths: suite.keyLengths,
            nonceInitiator: nonces.initiator,
            nonceResponder: nonces.responder,
            sharedSecret: secret,
            additional: additional
        )
    }
}

extension IKEConnection {
    /// Those that may answer an offer: for a rekeying only that of the old SA, as it is now.
    fileprivate func policies(replacing old: ChildSA?) -> [ChildPolicy] {
        guard let old else { return self.children }
        return [self.children.first { $0.name == old.policy.name } ?? old.policy]
    }
}

extension TrafficSelectorNarrowing.Choice {
    /// TSi, TSr and what else there is to say of them, in an answer.
    fileprivate var payloads: [Payload] {
        var payloads: [Payload] = [
            .trafficSelectorInitiator(TrafficSelectorPayload(selectors: selectors.remote)),
            .trafficSelectorResponder(TrafficSelectorPayload(selectors: selectors.local)),
        ]
        if isMorePossible { payloads.append(.notify(NotifyPayload(.additionalTSPossible))) }
        return payloads
    }
}

extension [ConfiguredProposal] {
    /// RFC 4302 §3.3.3 covers the outer addresses, so that AH does not pass a NAT, and UDP carries
    /// ESP alone (RFC 3948).
    fileprivate func passing(_ sa: IKESA) -> [ConfiguredProposal] {
        let esp = filter { $0.proposal.securityProtocol == .esp }
        return sa.isEncapsulated && !esp.isEmpty ? esp : self
    }
}
