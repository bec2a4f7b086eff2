internal import Configuration
internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

// Finding a peer: its addresses in order, what its names mean, and our address towards it.
extension ConnectionController {
    /// Begins with the first address of a connection's peer, or waits for what is under way.
    func call(
        _ path: TunnelPath,
        packet: PacketTuple?,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        let name = path.connection
        if engine.isReaching(name) {
            return engineInitiate(path, from: nil, to: nil, packet, at: now, into: &effects)
        }
        connections[name]?.search.waiting.append((path, packet))
        guard connections[name]?.search.stage.isWaiting == false else { return }
        connections[name]?.search.reset()
        proceed(name, at: now, into: &effects)
    }

    /// Takes the next step of a search.
    func proceed(_ name: String, at now: Instant, into effects: inout [ControlEffect]) {
        guard var record = connections[name], !isShuttingDown else { return }
        let connection = record.configuration
        let step = record.search.next(
            of: connection.remoteAddresses.value,
            names,
            version: connection.localAddress.value?.version,
            at: now
        )
        switch step {
        case .call(let remote):
            guard let local = connection.localAddress.value else {
                record.search.stage = .waitingForAddress(remote)
                connections[name] = record
                effects.append(.findLocalAddress(connection: name, remote: remote))
                return
            }
            connections[name] = record
            begin(name, from: local, to: remote, at: now, into: &effects)
        case .look(let host):
            record.search.stage = .waitingForName(host)
            connections[name] = record
            if names.ask(host) { effects.append(.resolve(name: host)) }
        case .exhausted:
            connections[name] = record
            giveUp(name, at: now, into: &effects)
        }
    }

    func localAddressFound(
        _ name: String,
        to remote: IPAddress,
        _ address: IPAddress?,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        // Another peer, after a reload: the answer to the question for that one follows.
        guard let search = connections[name]?.search, search.stage == .waitingForAddress(remote),
            !isShuttingDown
        else { return }
        if let address {
            begin(name, from: address, to: remote, at: now, into: &effects)
        } else {
            searchOn(
                name,
                because: .noRoute(to: remote, connections[name]),
                at: now,
                into: &effects
            )
        }
    }

    private func begin(
        _ name: String,
        from local: IPAddress,
        to remote: IPAddress,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard let paths = connections[name]?.configuration.paths else { return }
        let transport = connections[name]?.transport.begin(paths, at: now)
        call(name, from: local, to: remote, by: transport, at: now, into: &effects)
    }

    private func call(
        _ name: String,
        from local: IPAddress,
        to remote: IPAddress,
        by transport: IKETransport?,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        connections[name]?.search.stage = .calling(remote)
        connections[name]?.search.callingFrom = local
        let wishes = connections[name]?.search.waiting ?? []
        connections[name]?.search.waiting = []
        connections[name]?.search.called = wishes
        // The others were ended meanwhile by hand, or with everything.
        for wish in wishes
        where tunnels[wish.path]?.isInitiating == true
            && connections[name]?.search.stage == .calling(remote)
        {
            engineInitiate(
                wish.path,
                from: local,
                to: remote,
                by: transport,
                wish.packet,
                at: now,
                into: &effects
            )
        }
        if !engine.isReaching(name), connections[name]?.search.stage == .calling(remote) {
            connections[name]?.search.reset()
        }
    }

    private func engineInitiate(
        _ path: TunnelPath,
        from local: IPAddress?,
        to remote: IPAddress?,
        by transport: IKETransport? = nil,
        _ packet: PacketTuple?,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        var wish = IKEEvent.Initiation(
            connection: path.connection,
            child: path.tunnel,
            localAddress: local,
            remoteAddress: remote,
            packet: packet.map(PacketSelector.init)
        )
        wish.transport = transport
        absorb(engine.handle(.initiate(wish), at: now), at: now, into: &effects)
    }

    // MARK: Failures

    /// An IKE SA that was begun came to nothing: whatever waits for it goes on to the next address.
    ///
    /// - Returns: false where the failure is of a tunnel alone, and the caller's.
    func callFailed(
        _ report: IKEReport,
        _ failure: NegotiationFailure,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) -> Bool {
        guard let name = report.connection, let search = connections[name]?.search,
            search.stage != .idle
        else { return false }
        // Each tunnel that had waited for an address is told of; they went on with the first.
        if let remote = report.remote?.address, search.tried.contains(remote),
            search.stage != .calling(remote), search.stage.isWaiting || engine.isReaching(name)
        {
            return true
        }
        if search.settled == RecordedFailure(failure: failure, at: now), engine.isReaching(name) {
            return true
        }
        guard case .calling(let remote) = search.stage, !engine.isReaching(name) else {
            return false
        }
        connections[name]?.search.settled = RecordedFailure(failure: failure, at: now)
        for path in paths(name, nil) where tunnels[path]?.isInitiating == true {
            let packet = search.called.first { $0.path == path }?.packet
            connections[name]?.search.waiting.append((path, packet))
        }
        // RFC 9329 §5.1: the same address by TCP, with a new SPI.
        if failure.subject == .peerUnresponsive, let local = search.callingFrom,
            let paths = connections[name]?.configuration.paths,
            connections[name]?.transport.unanswered(paths, at: now) == true
        {
            connections[name]?.failure = RecordedFailure(failure: failure, at: now)
            call(name, from: local, to: remote, by: .tcp, at: now, into: &effects)
            return true
        }
        searchOn(name, because: failure, isReported: true, at: now, into: &effects)
        return true
    }

    private func searchOn(
        _ name: String,
        because failure: NegotiationFailure,
        isReported: Bool = false,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        connections[name]?.search.failure = failure
        connections[name]?.failure = RecordedFailure(failure: failure, at: now)
        if !isReported {
            tell(IKEReport(connection: name, event: .initiationFailed(failure)), into: &effects)
        }
        proceed(name, at: now, into: &effects)
    }

    /// No address is left: what waited has failed, and the next time all begins anew.
    private func giveUp(_ name: String, at now: Instant, into effects: inout [ControlEffect]) {
        guard let record = connections[name] else { return }
        let failure = record.search.failure ?? .nowhere(record)
        for case .name(let host) in record.configuration.remoteAddresses.value {
            names.doubt(host)
        }
        if record.search.failure == nil {
            tell(IKEReport(connection: name, event: .initiationFailed(failure)), into: &effects)
        }
        let wishes = record.search.waiting
        connections[name]?.search = PeerSearch()
        // The same for all of them, so that they go together the next time as well.
        let share = jitter()
        for wish in wishes where tunnels[wish.path]?.isInitiating == true {
            failed(wish.path, failure, jitter: share, at: now, into: &effects)
        }
    }

    // MARK: Names

    func resolved(
        _ host: String,
        _ addresses: [IPAddress],
        lifetime: Duration?,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        let before = names.addresses(of: host)
        let due = names.answer(host, addresses, lifetime: lifetime, at: now)
        let users = connectionsOfName[host] ?? []
        if users.contains(where: isInUse) { timers.set(.name(host), at: due) }
        let hasMoved = !addresses.isEmpty && !before.isEmpty && Set(before) != Set(addresses)
        for name in users {
            noteResolved(name)
            guard let search = connections[name]?.search else { continue }
            if search.stage == .waitingForName(host) {
                if addresses.isEmpty, before.isEmpty {
                    searchOn(
                        name,
                        because: .unknown(host, connections[name]),
                        at: now,
                        into: &effects
                    )
                } else {
                    proceed(name, at: now, into: &effects)
                }
            } else if hasMoved {
                // Is the peer still where it was? If not, it is looked for at its new address.
                absorb(engine.handle(.probe(connection: name), at: now), at: now, into: &effects)
            }
        }
    }

    /// Tells the engine what the names of a connection's peer stand for, and the addresses beside them.
    func noteResolved(_ connection: String) {
        guard let record = connections[connection] else { return }
        let addresses = record.configuration.remoteAddresses.value.flatMap { peer -> [IPAddress] in
            switch peer {
            case .address(let address): [address]
            case .name(let host): names.addresses(of: host)
            case .range: []
            }
        }
        engine.noteResolved(addresses, of: connection)
    }

    /// An answer of the DNS has become old.
    func lookUpAgain(_ host: String, into effects: inout [ControlEffect]) {
        guard (connectionsOfName[host] ?? []).contains(where: isInUse), names.ask(host) else {
            return
        }
        effects.append(.resolve(name: host))
    }

    private func isInUse(_ connection: String) -> Bool {
        connections[connection]?.search.stage != .idle || engine.isReaching(connection)
    }

    // MARK: Peers that have lost their SAs

    /// ESP for an SPI that nobody has, from an address of a peer: it has SAs that we lost, by a
    /// restart perhaps. A new IKE SA with INITIAL_CONTACT tells it so (RFC 7296 §2.4), and sooner
    /// than it would find out by itself.
    ///
    /// Anyone can send such a packet: it brings up only what traffic may bring up, and not often.
    func strayTraffic(
        from remote: IPAddress,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        let users =
            connectionsOfAddress[remote]
            ?? names.names(of: remote).flatMap { connectionsOfName[$0] ?? [] }
        for name in users where !engine.isReaching(name) {
            guard let record = connections[name], record.search.stage == .idle,
                now >= record.strayTrafficHeedAt
            else { continue }
            let lost = record.paths.first { path in
                guard let tunnel = tunnels[path] else { return false }
                return !tunnel.isUp && !tunnel.isInitiating && !tunnel.isHeldDown
                    && tunnel.standby != .clear && now >= tunnel.quietUntil
            }
            guard let lost else { continue }
            connections[name]?.strayTrafficHeedAt = now + .seconds(10)
            initiate(lost, packet: nil, at: now, into: &effects)
        }
    }
}

extension PeerSearch.Stage {
    fileprivate var isWaiting: Bool {
        switch self {
        case .idle, .calling: false
        case .waitingForName, .waitingForAddress: true
        }
    }
}

extension NegotiationFailure {
    fileprivate static func noRoute(
        to remote: IPAddress,
        _ record: ConnectionRecord?
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "no route leads to the peer at \(remote)",
            source: record?.configuration.remoteAddresses.location.description,
            remedy: "add a route to the peer, or correct its address"
        )
    }

    fileprivate static func unknown(
        _ host: String,
        _ record: ConnectionRecord?
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "the name \(host) has no address that the resolver can tell",
            source: record?.configuration.remoteAddresses.location.description,
            remedy: "correct the name, or see whether the name server answers"
        )
    }

    /// What the names stand for is of the other IP version.
    fileprivate static func nowhere(_ record: ConnectionRecord) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "none of the peer's addresses (\(record.configuration.remoteAddressText)) "
                + "can be reached from the local address",
            source: record.configuration.remoteAddresses.location.description,
            remedy: "write an address of the IP version of the local address"
        )
    }
}
