internal import IKEMessages
internal import IPsecPrimitives

/// The addresses of this end as they come and go (RFC 4555 §3.5, §3.6, §3.10).
extension IKEEngine {
    func localAddressesChanged(_ addresses: [IPAddress], at now: Instant) {
        localAddresses = addresses
        var remotes: Set<IPAddress> = []
        for sa in sas.all() {
            guard let state = sa.established else {
                sa.hasMissedAddresses = true
                continue
            }
            if state.isReplaced { continue }
            guard let mobility = sa.mobility else {
                watchAddress(of: sa, at: now)
                continue
            }
            // Where the connection leaves it open, the routing table says which address to take.
            if sa.connection.localAddress == nil {
                remotes.insert(sa.path.remote.address)
            } else {
                announce(sa, mobility, at: now)
            }
        }
        for remote in remotes.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) {
            effects.append(.findRoute(remote: remote))
        }
    }

    /// How long an address may be away before an SA that cannot move is given up.
    private static let addressPatience: Duration = .seconds(10)

    /// Without MOBIKE, an SA dies with its address: its initiator begins anew from another one.
    private func watchAddress(of sa: IKESA, at now: Instant) {
        // Another connection can begin at another address (RFC 9329 §6.1).
        if sa.path.transport == .tcp {
            if !isLocal(sa.path.local.address) { abandonStream(of: sa, at: now) }
            return
        }
        let end = SATimer.retry(.deleteIKESA(.addressLost))
        guard sa.isSessionInitiator, sa.connection.localAddress == nil,
            !isLocal(sa.path.local.address)
        else { return disarm(end, of: sa) }
        if sa.timers[end] == nil { arm(end, of: sa, at: now + IKEEngine.addressPatience) }
    }

    /// A connection whose address is gone may seem open for long.
    private func abandonStream(of sa: IKESA, at now: Instant) {
        guard !sa.isStreamLost, sa.isSessionInitiator else { return }
        effects.append(.closeStream(local: sa.path.local, remote: sa.path.remote))
        streamClosed(sa.path.local, sa.path.remote, at: now)
    }

    /// The routing table leads to `remote` from this address of ours; nil: not at all.
    func routeFound(to remote: IPAddress, from local: IPAddress?, at now: Instant) {
        for sa in sas.all() where sa.path.remote.address == remote {
            guard let mobility = sa.mobility, let state = sa.established, !state.isReplaced,
                sa.connection.localAddress == nil
            else { continue }
            let isOldThere = isLocal(sa.path.local.address)
            guard let local else {
                if !isOldThere { tryOtherPaths(of: sa, mobility, at: now) }
                continue
            }
            var path = sa.path
            path.local.address = local
            // RFC 9329 §7.1: from another address, "first over UDP before attempting over TCP".
            if path != sa.path, path.transport == .tcp,
                sa.connection.transport.choice == .automatic
            {
                path = pathByUDP(sa, from: local)
            }
            if path == sa.path {
                announce(sa, mobility, at: now)
            } else if path.transport == .tcp {
                if !isOldThere { abandonStream(of: sa, at: now) }
            } else if mobility.isInitiator {
                changePath(of: sa, to: path, packetsFollowAtOnce: !isOldThere, at: now)
            } else if !isOldThere, sa.path.transport == .udp {
                if mobility.deserted == nil { mobility.deserted = sa.path }
                moveHere(sa, path, state, mobility, at: now)
            } else if let old = mobility.deserted, isLocal(old.local.address) {
                // The initiator has not followed, and it is for the initiator to say where to.
                mobility.deserted = nil
                path.local = old.local
                moveHere(sa, path, state, mobility, at: now)
            } else {
                announce(sa, mobility, at: now)
            }
        }
    }

    /// Tells the peer of addresses that have come or gone besides the one in use.
    private func announce(_ sa: IKESA, _ mobility: Mobility, at now: Instant) {
        let additional = additionalAddresses(of: sa.connection, besides: sa.path.local.address)
        guard additional != mobility.announced, isLocal(sa.path.local.address) else { return }
        enqueue(.announceAddresses, of: sa, at: now)
    }

    /// RFC 4555 §3.5: when the address in use is gone, "the responder is allowed to update the
    /// IPsec SAs to use some other address", and tells the peer.
    private func moveHere(
        _ sa: IKESA,
        _ path: IKEPath,
        _ state: Established,
        _ mobility: Mobility,
        at now: Instant
    ) {
        setPath(path, of: sa)
        movePackets(of: sa, state, mobility)
        report(.movedTo(local: path.local, remote: path.remote), of: sa)
        sendAgain(of: sa, at: now)
        enqueue(.announceAddresses, of: sa, at: now)
    }

    /// No route to where the peer is now: it may be found elsewhere.
    private func tryOtherPaths(of sa: IKESA, _ mobility: Mobility, at now: Instant) {
        let candidates = candidatePaths(of: sa).filter { isLocal($0.local.address) }
        guard mobility.isInitiator, let next = candidates.first else { return }
        changePath(of: sa, to: next, packetsFollowAtOnce: true, at: now)
    }

    func startAnnouncement(of sa: IKESA, at now: Instant) {
        guard sa.mobility != nil else { return }
        let additional = additionalAddresses(of: sa.connection, besides: sa.path.local.address)
        var payloads = MobilityNotifies.additional(additional, saysNone: true)
        if !sa.nat.isSupported, sa.path.transport == .udp {
            payloads.append(MobilityNotifies.noNATs(sa.path))
        }
        request(.announceAddresses(additional), .informational, payloads, of: sa, at: now)
    }

    func receiveAnnouncementResponse(
        _ content: MessageContent,
        _ announced: [IPAddress],
        _ sa: IKESA
    ) {
        if content.notify(.unexpectedNATDetected) != nil {
            return report(
                .addressesRefused(MobilityFailure.translated(sa.path, sa.connection)),
                of: sa
            )
        }
        sa.mobility?.announced = announced
    }

    /// Whether an address is ours; before anybody has told our addresses, any is.
    func isLocal(_ address: IPAddress) -> Bool {
        localAddresses?.contains(address) ?? true
    }
}
