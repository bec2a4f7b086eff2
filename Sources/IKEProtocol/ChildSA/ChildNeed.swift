internal import IKEMessages
internal import IPsecPrimitives

// Whether a Child SA more is needed.

extension IKESA {
    /// Whether the children that are there, and stay, do what an initiation asks for.
    func satisfies(_ initiation: IKEEvent.Initiation, by policy: ChildPolicy) -> Bool {
        guard let state = established else { return false }
        return state.children.values.contains { child in
            child.policy.name == policy.name && child.stage == .current
                && !child.isUnwanted && !isDeleting(child.inboundSPI)
                && child.carries(initiation.packet)
                && initiation.selectors.map(child.selectors.covers) ?? true
                && (initiation.resource == nil
                    || initiation.resource == child.traits.resource?.slot)
                && (initiation.codePoints == nil
                    || initiation.codePoints == child.traits.codePoints)
        }
    }
}

extension Established {
    /// Refuses an answer that leaves out the packet which the Child SA is for, where another
    /// child carries all that it allows: each packet would bring one more of the same.
    func requireUse(
        of selectors: TrafficSelectorPair,
        for offer: ChildOffer
    ) throws(NegotiationFailure) {
        guard offer.replaced == nil, let packet = offer.initiation.packet,
            !selectors.covers(packet),
            children.values.contains(where: {
                $0.policy.name == offer.policy.name && $0.stage == .current
                    && $0.selectors.covers(selectors)
            })
        else { return }
        throw TrafficSelectorMismatch.withoutPacket(packet, selectors, offer.policy)
    }

    /// The Delete payload for one inbound SPI of ours.
    func deletePayload(for spi: SPI) -> DeletePayload {
        let isStray = strayAuthenticationSPIs.contains(spi)
        return DeletePayload(
            securityProtocol: children[spi]?.suite.securityProtocol ?? (isStray ? .ah : .esp),
            childSPIs: [spi]
        )
    }
}

extension DeletePayload {
    /// One payload a protocol (RFC 7296 §3.11).
    static func naming(_ children: [ChildSA]) -> [DeletePayload] {
        [SecurityProtocol.esp, .ah].compactMap { securityProtocol in
            let spis = children.filter { $0.suite.securityProtocol == securityProtocol }
                .map(\.inboundSPI)
            return spis.isEmpty
                ? nil : DeletePayload(securityProtocol: securityProtocol, childSPIs: spis)
        }
    }
}

extension IKEEngine {
    /// RFC 7296 §2.9: a peer that wants a Child SA for each pair of addresses is asked for that of
    /// the packet; false where no packet asks, or it was asked so already.
    func asksForPair(_ offer: ChildOffer, of sa: IKESA, at now: Instant) -> Bool {
        guard offer.initiation.packet != nil, !offer.initiation.isOnlyPair else { return false }
        var initiation = offer.initiation
        initiation.isOnlyPair = true
        enqueue(.createChild(initiation), of: sa, at: now)
        return true
    }

    /// A child that the packet path cannot take: nothing passes by it, and the peer hears of it.
    /// What it was to replace stays.
    func discardChild(_ spi: SPI, because reason: String, at now: Instant) {
        guard let sa = sas.owner(ofChild: spi), let state = sa.established,
            let child = state.children[spi]
        else { return }
        if child.stage == .lingering { return removeChild(spi, of: sa) }
        if child.stage == .current {
            promoteSuccessor(of: child, sa, state)
            reviveReplaced(by: spi, of: sa, state, at: now)
            report(
                .childSAClosed(inboundSPI: spi, .failed(reason)),
                of: sa,
                child: child.policy.name
            )
        }
        removeChild(spi, of: sa)
        deleteAbsent(spi, child.suite.securityProtocol, of: sa, at: now)
    }

    /// Asks the peer to close a child that this end has no more, or never had.
    func deleteAbsent(
        _ spi: SPI,
        _ securityProtocol: SecurityProtocol,
        of sa: IKESA,
        at now: Instant
    ) {
        if securityProtocol == .ah { sa.established?.strayAuthenticationSPIs.insert(spi) }
        // The SPI stays ours until the peer has answered.
        sas.assignChild(spi, to: sa)
        enqueue(.deleteChild(inboundSPI: spi), of: sa, at: now)
    }
}
