internal import IPsecPrimitives

/// Proof of identity again, make before break (RFC 7296 §2.8.3): a new IKE SA from scratch with
/// the same children, and then the end of the old one.
extension IKEEngine {
    /// Between two attempts.
    private static let attemptInterval: Duration = .seconds(60)

    /// The proof of the peer's identity gets too old.
    func reauthenticate(_ sa: IKESA, at now: Instant) {
        guard let state = sa.established, !state.isReplaced, !isShuttingDown,
            let age = sa.connection.reauthenticateAfter
        else { return }
        guard now < state.authenticatedAt + age / 10 * 11 else {
            return close(sa, because: .expired, at: now)
        }
        arm(.reauthentication, of: sa, at: now + IKEEngine.attemptInterval)
        replaceFromScratch(sa, state, at: now)
    }

    /// Begins a new IKE SA that is to do all that `sa` does; nothing if that is under way.
    ///
    /// - Parameter byUDP: whether the new one goes by UDP, however the old one does.
    func replaceFromScratch(
        _ sa: IKESA,
        _ state: Established,
        byUDP: Bool = false,
        at now: Instant
    ) {
        let isUnderWay = replacements(for: sa).contains {
            $0.retires.contains(sa.localSPI)
        }
        guard !isUnderWay, !state.isRetiring else { return }
        // The others follow once it is up.
        guard let first = sa.childrenToMove(state).first else {
            return close(sa, because: .superseded, at: now)
        }
        startIKESA(
            for: sa.initiation(like: first),
            sa.connection,
            as: .replacing(sa, byUDP: byUDP),
            at: now
        )
    }

    /// The peer has closed the IKE SA that another was to replace: whoever wants the tunnel asks
    /// for it.
    ///
    /// - Parameter isSuperseded: another IKE SA does all that it did, for the peer has begun one as well.
    ///   Where our proof is on its way, the peer may have ours too, and close its own for it: both
    ///   ends decide alike which one stays, once they are there.
    func abandonReplacement(of old: IKESA, isSuperseded: Bool, at now: Instant) {
        for sa in replacements(for: old) where sa.retires.contains(old.localSPI) {
            sa.retires.removeAll { $0 == old.localSPI }
            // Its child was gone before: who asked then will not ask again.
            if sa.isAskedFor { continue }
            switch sa.state {
            case .authenticating where isSuperseded: break
            case .initiating, .exchangingKeys, .authenticating:
                close(sa, because: .deletedByPeer, at: now)
            case .halfOpen, .established, .closing, .closed: break
            }
        }
    }

    /// NO_ADDITIONAL_SAS (RFC 7296 §1.3): the peer makes no more Child SAs in this IKE SA, and
    /// perhaps none but the first ever. What is to be rekeyed comes in a new IKE SA with all the
    /// others, what is new in an IKE SA of its own.
    func avoidFullSA(
        _ exchange: ChildExchange,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        if let old = exchange.replaces {
            // Should nothing come of that, there is another try.
            retryRekey(of: old, sa, at: now)
            return replaceFromScratch(sa, state, at: now)
        }
        state.isFull = true
        // What is to take its place has the child to make as well.
        guard !state.isRetiring else { return }
        let initiation = exchange.offer.initiation
        let isThere = leaveUnmerged(by: sa, at: now).contains {
            $0.satisfies(initiation, by: exchange.offer.policy)
        }
        if isThere { return }
        for other in siblings(of: sa, state) where other.established?.isFull == false {
            other.helpRetire(sa.retires)
            enqueue(.createChild(initiation), of: other, at: now)
            return retireOthers(than: other, at: now)
        }
        for other in sas.begun(for: sa.connection.name)
        where other.path.remote.address == sa.path.remote.address {
            if join(initiation, other, at: now) { return other.helpRetire(sa.retires) }
        }
        startIKESA(for: initiation, sa.connection, as: .beside(sa), at: now)
    }

    /// The IKE SA of a connection in which the peer makes no more Child SAs, if there is none better.
    func fullSA(of connection: String) -> IKESA? {
        sas.ofConnection(connection).last { sa in
            guard let state = sa.established else { return false }
            return state.isFull && sa.isToStay(state)
        }
    }

    /// When the proof is to be made again, with its part taken off at random.
    func armReauthentication(of sa: IKESA, _ state: Established) {
        guard let age = sa.connection.reauthenticateAfter else { return }
        let perMille = Int(random.next32() % 101)
        let due = state.authenticatedAt + (age - age.thousandths(perMille))
        arm(.reauthentication, of: sa, at: due)
    }
}

extension IKESA {
    /// Those that others replace go when this one has its part as well.
    fileprivate func helpRetire(_ retired: [IKESPI]) {
        for spi in retired where spi != localSPI && !retires.contains(spi) { retires.append(spi) }
    }
}
