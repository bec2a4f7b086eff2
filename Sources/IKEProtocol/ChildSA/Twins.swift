internal import IPsecPrimitives

/// Child SAs that do the same, of which one is enough.
///
/// Both ends may ask for the same at the same time, in one IKE SA or in two: each may begin one before
/// it hears of the other's, and of a peer that takes few children in each (NO_ADDITIONAL_SAS,
/// RFC 7296 §1.3) there are several. What both ends know decides which stays, and the maker of the
/// other closes it: a foreign peer sees no more than a Delete.
extension IKEEngine {
    /// How long a child that has a twin is kept, so that the peer surely has the twin, and what is on
    /// its way arrives.
    private static let twinLinger: Duration = .seconds(2)
    /// An IKE SA that another replaces goes sooner than that, and its children with it.
    private static let twinPatience: Duration = .seconds(6)
    /// Between looks at those that the peer has to close, or that are too young.
    private static let twinInterval: Duration = .seconds(6)

    /// Both ends asked for the same at the same time, and now there are two: the one with the
    /// lower SPI goes, and its maker sees to it. The ends agree on which one that is, for they see
    /// the same SPIs.
    func closeDuplicates(of spi: SPI, of sa: IKESA, _ state: Established, at now: Instant) {
        guard let child = state.children[spi], child.stage == .current else { return }
        let twins = state.children.values.filter {
            $0.inboundSPI != spi && $0.stage == .current && $0.isTwin(of: child)
        }
        guard let winner = (twins + [child]).max(by: { $0.rank < $1.rank }) else { return }
        for loser in (twins + [child]).sorted(by: { $0.inboundSPI < $1.inboundSPI })
        where loser.inboundSPI != winner.inboundSPI && loser.isInitiator {
            markReplaced(loser.inboundSPI, by: winner.inboundSPI, of: sa, state)
            var last = now
            if winner.isUsedOutbound {
                // Preferred again, whichever was installed last.
                effects.append(.useChildSAOutbound(inboundSPI: winner.inboundSPI))
            } else {
                // The answer that makes it may be on its way to the peer: until it is surely there,
                // or is used, what goes out goes by the loser.
                last = now + IKEEngine.twinPatience * 2
                arm(.childUse(winner.inboundSPI), of: sa, at: last)
            }
            arm(
                .retry(.deleteChild(inboundSPI: loser.inboundSPI)),
                of: sa,
                at: last + IKEEngine.twinLinger
            )
        }
    }

    /// Whether the peer has a twin of a child that its own request makes now, and traffic goes by it:
    /// the one that an exchange of ours made at about the same time.
    func hasFreshTwin(
        _ child: ChildSA,
        of sa: IKESA,
        _ state: Established,
        at now: Instant
    ) -> Bool {
        state.children.values.contains {
            $0.isInitiator && $0.isUsedOutbound && $0.stage == .current
                && $0.inboundSPI != child.inboundSPI && $0.isTwin(of: child)
                && now < $0.createdAt + IKEEngine.twinPatience * 2
                && !sa.isDeleting($0.inboundSPI)
        }
    }

    // MARK: In two IKE SAs

    /// Other IKE SAs with the same peer whose children are as good as those of `sa`: none of them is
    /// there to take the place of another.
    func siblings(of sa: IKESA, _ state: Established) -> [IKESA] {
        // Those who keep them all do not tell peers with one identity apart.
        guard sa.connection.duplicates != .keep, state.standing == .current, !state.isRetiring
        else { return [] }
        return duplicates(of: sa, state).filter { other in
            other.established?.isRetiring == false && !other.isLeaving
                && !sa.retires.contains(other.localSPI) && !other.retires.contains(sa.localSPI)
        }
    }

    /// Looks for twins in a while; there is a new child, or an IKE SA that is to stay after all.
    func watchTwins(of sa: IKESA, _ state: Established, at now: Instant) {
        guard !siblings(of: sa, state).isEmpty else { return }
        arm(.twins, of: sa, at: now + IKEEngine.twinPatience)
    }

    func settleTwins(of sa: IKESA, at now: Instant) {
        guard let state = sa.established else { return }
        var areLeft = false
        for other in siblings(of: sa, state) {
            let (loser, winner) = sa.rank < other.rank ? (sa, other) : (other, sa)
            if closeTwins(in: loser, for: winner, at: now) { areLeft = true }
        }
        if areLeft { arm(.twins, of: sa, at: now + IKEEngine.twinInterval) }
    }

    /// - Returns: whether there were any.
    private func closeTwins(in loser: IKESA, for winner: IKESA, at now: Instant) -> Bool {
        guard let state = loser.established, let there = winner.established else { return false }
        var areThere = false
        for child in state.orderedChildren where child.stage == .current {
            guard
                let twin = there.orderedChildren.last(where: {
                    $0.stage == .current && $0.isTwin(of: child)
                })
            else { continue }
            areThere = true
            // The peer may wait for the answer that made the twin, but not for ever.
            let isKnown = twin.isUsedOutbound || now >= twin.createdAt + IKEEngine.twinPatience * 2
            guard child.isInitiator, isKnown, !loser.isChanging(child.inboundSPI)
            else { continue }
            markReplaced(child.inboundSPI, by: twin.inboundSPI, of: loser, state)
            there.children[twin.inboundSPI]?.isUsedOutbound = true
            effects.append(.useChildSAOutbound(inboundSPI: twin.inboundSPI))
            arm(
                .retry(.deleteChild(inboundSPI: child.inboundSPI)),
                of: loser,
                at: now + IKEEngine.twinLinger
            )
            // Should nothing be left in it, it goes as well.
            arm(.overtaken, of: loser, at: now + IKEEngine.overtakenPatience)
        }
        return areThere
    }

    /// A child that is about to go: its twins in other IKE SAs, which have stepped back for it, count
    /// again.
    @discardableResult
    func reviveTwins(of spi: SPI, _ sa: IKESA, _ state: Established, at now: Instant) -> Bool {
        var areRevived = false
        for other in duplicates(of: sa, state) {
            guard let there = other.established else { continue }
            if revive(replacedBy: spi, of: other, there, at: now) { areRevived = true }
        }
        return areRevived
    }
}

extension IKESA {
    /// Whether an exchange of ours about a child waits for its answer.
    fileprivate func isChanging(_ spi: SPI) -> Bool {
        requests.contains { exchange in
            switch exchange {
            case .createChild(let child): child.replaces == spi
            case .deleteChild(let deleted): deleted == spi
            default: false
            }
        }
    }
}

extension ChildSA {
    /// Whether the two do the same, so that one is enough.
    fileprivate func isTwin(of other: ChildSA) -> Bool {
        policy.name == other.policy.name && suite.securityProtocol == other.suite.securityProtocol
            && traits.mode == other.traits.mode
            && traits.resource?.slot == other.traits.resource?.slot
            && traits.place == other.traits.place
            && Set(selectors.local) == Set(other.selectors.local)
            && Set(selectors.remote) == Set(other.selectors.remote)
    }

    /// The same at both ends.
    fileprivate var rank: (SPI, SPI) {
        (min(inboundSPI, outboundSPI), max(inboundSPI, outboundSPI))
    }
}
