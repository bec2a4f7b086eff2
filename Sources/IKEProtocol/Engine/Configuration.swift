internal import IKECredentials
internal import IPsecPrimitives

/// What a new configuration means for an SA that is there.
///
/// - An SA whose peer is no longer in the configuration, or whose ends have other identities, other
///   addresses, names or another encapsulation there, is closed.
/// - A negotiation under way that was begun with other values is given up: its answer would be
///   measured by what no longer holds. As a responder we go on as long as the suite is allowed.
/// - An SA with algorithms that the proposals no longer allow is rekeyed at once, and so is a Child
///   SA whose policy has other selectors that still cover its own. One that carries more than its
///   policy allows is removed at once, and then the peer is told.
/// - Everything else, secrets included, counts from the next exchange on.
extension IKEEngine {
    func adopt(_ sa: IKESA, hasChanged: Bool, at now: Instant) {
        if hasChanged, case .halfOpen(let state) = sa.state {
            return adoptHalfOpen(sa, state, at: now)
        }
        guard let connection = connection(named: sa.connection.name) else {
            return close(sa, because: .unconfigured, at: now)
        }
        let old = sa.connection
        guard hasChanged else {
            // Only the places in the file may be others.
            sa.connection = connection
            return adoptSources(of: sa)
        }
        guard connection.serves(sa) else { return close(sa, because: .unconfigured, at: now) }
        switch sa.state {
        case .initiating, .exchangingKeys, .authenticating:
            close(sa, because: .unconfigured, at: now)
        case .established(let state):
            sa.connection = connection
            adopt(connection, insteadOf: old, sa, state, at: now)
        case .halfOpen, .closing, .closed: sa.connection = connection
        }
    }

    /// Whose it is shows when the peer says who it is: until then any connection will do that could
    /// have answered as ours did.
    private func adoptHalfOpen(_ sa: IKESA, _ state: HalfOpen, at now: Instant) {
        func takes(_ connection: IKEConnection) -> Bool {
            connection.forcesUDP(along: sa.path) == sa.connection.forcesUDP(along: sa.path)
                && connection.proposals.allow(state.keys.suite.transforms, for: .ikeSA)
        }
        if let same = connection(named: sa.connection.name), same.serves(sa), takes(same) {
            sa.connection = same
            return
        }
        // A ticket is of one connection.
        let ranks =
            state.resumption == nil
            ? ConnectionChoice.ranks(connections, along: sa.path, whereabouts) : []
        guard let other = ranks.joined().first(where: takes) else {
            return close(sa, because: .unconfigured, at: now)
        }
        sas.assign(other, to: sa)
    }

    private func adoptSources(of sa: IKESA) {
        guard let state = sa.established else { return }
        for spi in state.children.keys {
            guard let name = state.children[spi]?.policy.name,
                let policy = sa.connection.children.first(where: { $0.name == name })
            else { continue }
            state.children[spi]?.policy = policy
        }
        adoptFollowUps(of: sa, state)
    }

    /// What the peer is still agreeing on with further key exchanges (RFC 9370 §2.2.4) was measured by
    /// the configuration before: what this one does not want is forgotten, and the peer hears
    /// STATE_NOT_FOUND and begins anew.
    private func adoptFollowUps(of sa: IKESA, _ state: Established) {
        state.followUps = state.followUps.compactMap { awaited in
            switch awaited.purpose {
            case .ikeSA(let rekey):
                let suite = rekey.suite.transforms
                return sa.connection.proposals.allow(suite, for: .ikeSA) ? awaited : nil
            case .child(var child, let nonces, let secret, replacing: let old):
                let policy = sa.connection.children.first { $0.name == child.policy.name }
                guard let policy, policy.allows(child), policy.proposals.allow(child.suite) else {
                    release(awaited)
                    return nil
                }
                child.policy = policy
                var adopted = awaited
                adopted.purpose = .child(child, nonces, secret, replacing: old)
                return adopted
            }
        }
    }

    private func adopt(
        _ connection: IKEConnection,
        insteadOf old: IKEConnection,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        if connection.lifetime != old.lifetime { retime(sa, state, at: now) }
        if connection.reauthenticateAfter != old.reauthenticateAfter {
            disarm(.reauthentication, of: sa)
            armReauthentication(of: sa, state)
        }
        if connection.livenessInterval != old.livenessInterval {
            disarm(.liveness, of: sa)
            if let interval = connection.livenessInterval {
                arm(.liveness, of: sa, at: max(now, sa.lastHeard + interval))
            }
        }
        if connection.keepaliveInterval != old.keepaliveInterval, sa.nat.isLocalTranslated {
            disarm(.keepalive, of: sa)
            if let interval = connection.keepaliveInterval {
                arm(.keepalive, of: sa, at: now + interval)
            }
        }
        for spi in state.children.keys.sorted() {
            adoptChild(spi, connection, sa, state, at: now)
        }
        adoptFollowUps(of: sa, state)
        for case .createChild(let exchange) in sa.requests.outstanding.map(\.exchange) {
            let name = exchange.offer.policy.name
            if !connection.children.contains(where: { $0.name == name }) {
                sa.changeOutstandingChild(named: name, isUnwanted: true)
            }
        }
        redirectPresent(sa, insteadOf: old.redirection, at: now)
        if !connection.proposals.allow(state.keys.suite.transforms, for: .ikeSA) {
            enqueue(.rekeyIKESA, of: sa, at: now)
        }
    }

    func adoptChild(
        _ spi: SPI,
        _ connection: IKEConnection,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        guard let child = state.children[spi], child.stage == .current else { return }
        let policy = connection.children.first { $0.name == child.policy.name }
        guard let policy, policy.allows(child) else {
            return withdraw(child, of: sa, at: now)
        }
        state.children[spi]?.policy = policy
        if policy.lifetime != child.policy.lifetime { retime(spi, sa, state, at: now) }
        if !policy.proposals.allow(child.suite)
            || !policy.hasSameTraffic(as: child.policy)
            || !policy.hasSameTraits(as: child.policy)
            || (policy.resources > 1 && child.policy.resources == 1)
        {
            enqueue(.rekeyChild(inboundSPI: spi), of: sa, at: now)
        }
    }

    /// Ends a child that the configuration no longer allows: nothing passes by it from here on.
    private func withdraw(_ child: ChildSA, of sa: IKESA, at now: Instant) {
        report(
            .childSAClosed(inboundSPI: child.inboundSPI, .unconfigured),
            of: sa,
            child: child.policy.name
        )
        removeChild(child.inboundSPI, of: sa)
        deleteAbsent(child.inboundSPI, child.suite.securityProtocol, of: sa, at: now)
    }

    /// Whether the configuration changed since the offer was made, so that what comes of it is not
    /// what it wants any more.
    func isOutdated(_ offer: ChildOffer, of sa: IKESA) -> Bool {
        let policy = sa.connection.children.first { $0.name == offer.policy.name }
        guard let policy else { return true }
        let codePoints = offer.traits.codePoints
        return !policy.selectors.covers(offer.selectors)
            || !(codePoints.isEmpty || policy.codePointSets.contains(codePoints))
    }

    // MARK: Lifetimes

    private func retime(_ sa: IKESA, _ state: Established, at now: Instant) {
        let lifetime = sa.connection.lifetime
        state.rekeyAt = lifetime.rekeyAge(random: &random).map {
            max(now, state.establishedAt + $0)
        }
        disarm(.rekey, of: sa)
        if let rekeyAt = state.rekeyAt, !state.isReplaced { arm(.rekey, of: sa, at: rekeyAt) }
        guard !state.isReplaced else { return }
        disarm(.expiry, of: sa)
        if let age = lifetime.expireAfter {
            arm(.expiry, of: sa, at: lifetime.end(of: state.establishedAt, age, at: now))
        }
    }

    private func retime(_ spi: SPI, _ sa: IKESA, _ state: Established, at now: Instant) {
        guard let child = state.children[spi] else { return }
        let lifetime = child.policy.lifetime
        let rekeyAt = lifetime.rekeyAge(random: &random).map { max(now, child.createdAt + $0) }
        state.children[spi]?.rekeyAt = rekeyAt
        disarm(.childRekey(spi), of: sa)
        if let rekeyAt { arm(.childRekey(spi), of: sa, at: rekeyAt) }
        disarm(.childExpiry(spi), of: sa)
        if let age = lifetime.expireAfter {
            arm(.childExpiry(spi), of: sa, at: lifetime.end(of: child.createdAt, age, at: now))
        }
    }
}

extension SALifetime {
    /// Time for the replacement of an SA that a shorter lifetime finds too old already.
    private static let grace = Duration.seconds(60)

    fileprivate func end(of birth: Instant, _ age: Duration, at now: Instant) -> Instant {
        max(birth + age, now + min(age, SALifetime.grace))
    }
}

extension IKEConnection {
    /// Whether an SA could be one of this connection: its ends, and the way between them.
    fileprivate func serves(_ sa: IKESA) -> Bool {
        let old = sa.connection
        if self.encapsulation != old.encapsulation { return false }
        if !self.transport.allows(sa.path.transport) { return false }
        switch sa.state {
        case .established(let state):
            if self.localIdentity != state.localIdentity { return false }
            if !self.remoteIdentity.matches(state.remoteIdentity) { return false }
        // Nobody has named one yet.
        case .halfOpen: break
        default:
            if self.localIdentity != old.localIdentity
                || self.remoteIdentity != old.remoteIdentity
            {
                return false
            }
        }
        if let localAddress = self.localAddress, localAddress != old.localAddress,
            localAddress != sa.path.local.address
        {
            return false
        }
        // A peer that moved may be anywhere, as long as what the configuration says is the same.
        if self.remoteAddress == old.remoteAddress && self.remotePrefixes == old.remotePrefixes
            && self.remoteNames == old.remoteNames
            && self.prefixesBesideNames == old.prefixesBesideNames
        {
            return true
        }
        return self.remoteNames.isEmpty
            ? mayComeFrom(sa.path.remote.address) : findsByNames(sa, insteadOf: old)
    }

    /// Whether the peer of an SA is one that the names, and the addresses beside them, mean: what the
    /// names stand for now is perhaps not known yet, and the peer is to be looked for there.
    private func findsByNames(_ sa: IKESA, insteadOf old: IKEConnection) -> Bool {
        if self.prefixesBesideNames.contains(where: { $0.contains(sa.path.remote.address) }) {
            return true
        }
        return !old.remoteNames.isEmpty
            && Set(self.remoteNames).isSuperset(of: old.remoteNames)
            && !old.prefixesBesideNames.contains { $0.contains(sa.path.remote.address) }
    }
}

extension ChildPolicy {
    /// What is agreed on anew with each SA.
    fileprivate func hasSameTraits(as other: ChildPolicy) -> Bool {
        self.compression == other.compression && self.acceptsPadding == other.acceptsPadding
            && self.aggregation?.isRequired == other.aggregation?.isRequired
            && self.carriesLaterFragments == other.carriesLaterFragments
    }

    fileprivate func hasSameTraffic(as other: ChildPolicy) -> Bool {
        self.localSelectors == other.localSelectors && self.remoteSelectors == other.remoteSelectors
            && self.populated == other.populated && self.compression == other.compression
            && self.acceptsPadding == other.acceptsPadding
            && self.aggregation?.isRequired == other.aggregation?.isRequired
            && self.carriesLaterFragments == other.carriesLaterFragments
    }

    /// Whether a child could have come of this policy.
    fileprivate func allows(_ child: ChildSA) -> Bool {
        self.mode == child.traits.mode && selectors.covers(child.selectors)
            && child.selectors.isPopulated(self.populated)
    }
}

extension [ConfiguredProposal] {
    fileprivate func allow(_ suite: ChildSuite) -> Bool {
        filter { $0.proposal.securityProtocol == suite.securityProtocol }
            .allow(suite.transforms, for: .childSA)
    }

    /// Whether an SA of these transforms could still come of a negotiation.
    ///
    /// The key exchange of a Child SA does not count: the first one has none of its own.
    func allow(_ transforms: [Transform], for purpose: NegotiationPurpose) -> Bool {
        contains { configured in
            let ours = purpose.completed(configured.proposal)
            return transforms.allSatisfy { transform in
                transform.isNone || ours.transforms.contains(transform)
                    || (purpose != .ikeSA && transform.type == .keyExchange)
            }
        }
    }
}
