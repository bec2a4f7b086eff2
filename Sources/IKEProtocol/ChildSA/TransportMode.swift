internal import IKEMessages
internal import IPsecPrimitives

// Transport mode and what NATs do to it (RFC 7296 §2.23.1).

extension TrafficSelectorPair {
    /// The part between the two ends of an IKE SA themselves.
    func between(_ path: IKEPath) -> TrafficSelectorPair? {
        intersection(
            TrafficSelectorPair(
                local: [TrafficSelector(address: path.local.address)],
                remote: [TrafficSelector(address: path.remote.address)]
            )
        )
    }

    /// RFC 7296 §2.23.1: "exactly one IP address" on each side; nil for anything else.
    var addresses: OriginalAddresses? {
        guard isBetweenTwoAddresses, let local = local.first, let remote = remote.first else {
            return nil
        }
        return OriginalAddresses(local: local.first, remote: remote.first)
    }

    /// Between the ends of an IKE SA, wherever they are now.
    func moved(to path: IKEPath) -> TrafficSelectorPair {
        TrafficSelectorPair(
            local: local.compactMap { $0.moved(to: path.local.address) },
            remote: remote.compactMap { $0.moved(to: path.remote.address) }
        )
    }

    /// With addresses in the place of those that a NAT changes: what the peer writes of itself
    /// behind a NAT means nothing here, and what it writes of us is what our NAT shows.
    func substituted(along path: IKEPath, _ nat: NATSituation) -> TrafficSelectorPair {
        TrafficSelectorPair(
            local: nat.isLocalTranslated
                ? local.compactMap { $0.moved(to: path.local.address) } : local,
            remote: nat.isRemoteTranslated
                ? remote.compactMap { $0.moved(to: path.remote.address) } : remote
        )
    }
}

extension ChildSA {
    /// What a successor in transport mode may carry between the ends where they are now; nil where
    /// the policy has nothing of that.
    func selectors(of policy: ChildPolicy, at path: IKEPath) -> TrafficSelectorPair? {
        selectors.moved(to: path).intersection(policy.selectors)
    }
}

extension IKEPath {
    fileprivate var addresses: OriginalAddresses {
        OriginalAddresses(local: local.address, remote: remote.address)
    }
}

extension TrafficSelector {
    fileprivate func moved(to address: IPAddress) -> TrafficSelector? {
        TrafficSelector(first: address, last: address, ipProtocol: ipProtocol, ports: ports)
    }
}

/// What of an offer a Child SA will carry, and how.
struct TrafficChoice {
    let choice: TrafficSelectorNarrowing.Choice
    let mode: ChildMode
    let original: OriginalAddresses?
}

extension IKESA {
    /// The responder's choice among policies (RFC 7296 §2.9, §2.23.1).
    ///
    /// Asked for transport mode, it looks for a policy of that mode with the addresses that are
    /// seen here; found none, for one of tunnel mode with those that the peer wrote.
    func chooseTraffic(
        _ content: MessageContent,
        _ offered: TrafficSelectorPair,
        among policies: [ChildPolicy]
    ) throws(ChildRefusal) -> TrafficChoice {
        let isTransportAsked = content.notify(.useTransportMode) != nil
        var wantsPacket: ChildPolicy?
        if isTransportAsked, let original = offered.addresses {
            let seen = offered.substituted(along: path, nat)
            if seen.addresses == path.addresses {
                switch TrafficSelectorNarrowing.choose(
                    seen,
                    among: policies.filter({ $0.mode == .transport })
                ) {
                case .chosen(let choice):
                    let isTranslated = nat.isLocalTranslated || nat.isRemoteTranslated
                    return TrafficChoice(
                        choice: choice,
                        mode: .transport,
                        original: isTranslated ? original : nil
                    )
                case .packetRequired(let policy): wantsPacket = policy
                case .unacceptable: break
                }
            }
        }
        switch TrafficSelectorNarrowing.choose(
            offered,
            among: policies.filter { $0.mode == .tunnel }
        ) {
        case .chosen(let choice):
            return TrafficChoice(choice: choice, mode: .tunnel, original: nil)
        case .packetRequired(let policy): throw ChildRefusal.packetRequired(policy, offered)
        case .unacceptable:
            if let wantsPacket { throw ChildRefusal.packetRequired(wantsPacket, offered) }
            let transport = policies.filter { $0.mode == .transport }
            if !isTransportAsked,
                let policy = transport.first(where: {
                    offered.intersection($0.selectors) != nil
                })
            {
                throw ChildRefusal(.tsUnacceptable, ModeMismatch.tunnelAsked(policy))
            }
            throw ChildRefusal(
                .tsUnacceptable,
                TrafficSelectorMismatch.explain(offered, policies: policies)
            )
        }
    }

    /// The initiator's reading of the selectors in an answer.
    func agreedTraffic(
        _ content: MessageContent,
        _ answered: TrafficSelectorPair,
        to offer: ChildOffer
    ) throws(NegotiationFailure) -> (TrafficSelectorPair, ChildMode, OriginalAddresses?) {
        let isTransport = content.notify(.useTransportMode) != nil
        guard isTransport == (offer.policy.mode == .transport) else {
            throw isTransport
                ? ModeMismatch.transportUnasked(offer.policy)
                : ModeMismatch.tunnelAnswered(offer.policy)
        }
        // RFC 7296 §2.23.1: substituted "before using those Traffic Selectors for anything other
        // than storing original content of them".
        let selectors = isTransport ? answered.substituted(along: path, nat) : answered
        if isTransport, selectors.addresses != path.addresses {
            throw ModeMismatch.notBetweenEnds(offer.policy, selectors, path)
        }
        guard offer.selectors.allows(selectors) else {
            throw TrafficSelectorMismatch.refused(
                offer.policy,
                explanation: "The peer answers with traffic selectors that we did "
                    + "not offer: \(TrafficSelectorMismatch.text(selectors))."
            )
        }
        let isTranslated = nat.isLocalTranslated || nat.isRemoteTranslated
        return (
            selectors, isTransport ? .transport : .tunnel,
            isTransport && isTranslated ? answered.addresses : nil
        )
    }
}

/// Words for ends that want different modes.
enum ModeMismatch {
    static func tunnelAsked(_ policy: ChildPolicy) -> NegotiationFailure {
        NegotiationFailure(
            subject: .childMode,
            explanation: "The peer asks for tunnel mode; child \(policy.name) has transport mode.",
            offered: ["tunnel mode"],
            accepted: ["transport mode"],
            source: policy.source,
            remedy: "Write `mode: tunnel` at \(policy.source), or have the peer use transport mode."
        )
    }

    static func tunnelAnswered(_ policy: ChildPolicy) -> NegotiationFailure {
        NegotiationFailure(
            subject: .childMode,
            explanation: "The peer answers with tunnel mode; child \(policy.name) has transport "
                + "mode.",
            offered: ["transport mode"],
            accepted: ["tunnel mode"],
            source: policy.source,
            remedy: "Have the peer allow transport mode between the gateways' own addresses, or "
                + "write `mode: tunnel` at \(policy.source)."
        )
    }

    static func transportUnasked(_ policy: ChildPolicy) -> NegotiationFailure {
        NegotiationFailure(
            subject: .childMode,
            explanation: "The peer answers with transport mode, which we did not ask for.",
            source: policy.source,
            remedy: "The peer errs."
        )
    }

    static func notBetweenEnds(
        _ policy: ChildPolicy,
        _ selectors: TrafficSelectorPair,
        _ path: IKEPath
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .trafficSelectors,
            explanation: "Transport mode carries only what the gateways themselves send each "
                + "other, and the traffic selectors are not theirs.",
            offered: [TrafficSelectorMismatch.text(selectors)],
            accepted: ["\(path.local.address) === \(path.remote.address)"],
            source: policy.selectorsSource,
            remedy: "Let local and remote at \(policy.selectorsSource) cover "
                + "\(path.local.address) and \(path.remote.address), or use tunnel mode."
        )
    }
}
