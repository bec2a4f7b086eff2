internal import Configuration
internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

// Beginning, ending and beginning again.
extension ConnectionController {
    /// Begins to bring a tunnel up, unless that is under way.
    func initiate(
        _ path: TunnelPath,
        packet: PacketTuple?,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard var record = tunnels[path], !record.isUp, !record.isInitiating, !isShuttingDown,
            let connection = connections[path.connection]?.configuration
        else { return }
        guard let remote = connection.remoteAddress.value else {
            let failure = NegotiationFailure(
                subject: .connection,
                explanation: "\(path) has no peer address, so only the peer can begin it",
                source: connection.remoteAddress.location.description,
                remedy: "wait for the peer, or give the connection a remote address"
            )
            failed(path, failure, at: now, into: &effects)
            effects.append(
                .report(
                    IKEReport(
                        connection: path.connection,
                        child: path.tunnel,
                        event: .initiationFailed(failure)
                    )
                )
            )
            return
        }
        record.isInitiating = true
        record.isHeldDown = false
        tunnels[path] = record
        timers.cancel(.retry(path))
        if let local = connection.localAddress.value {
            engineInitiate(path, from: local, packet: packet, at: now, into: &effects)
        } else {
            connections[path.connection]?.waitingForAddress.append((path, packet))
            effects.append(.findLocalAddress(connection: path.connection, remote: remote))
        }
    }

    func localAddressFound(
        _ connection: String,
        to remote: IPAddress,
        _ address: IPAddress?,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        // Another peer, after a reload: the answer to the question for that one follows.
        guard connections[connection]?.configuration.remoteAddress.value == remote else { return }
        let wishes = connections[connection]?.waitingForAddress ?? []
        connections[connection]?.waitingForAddress = []
        for wish in wishes {
            // Ended meanwhile by hand, or with everything.
            guard tunnels[wish.path]?.isInitiating == true, !isShuttingDown else { continue }
            if let address {
                engineInitiate(
                    wish.path,
                    from: address,
                    packet: wish.packet,
                    at: now,
                    into: &effects
                )
                continue
            }
            let source = connections[connection]?.configuration.remoteAddress.location
            let failure = NegotiationFailure(
                subject: .connection,
                explanation: "no route leads to the peer of \(connection)",
                source: source?.description,
                remedy: "add a route to the peer, or correct its address"
            )
            let report = IKEReport(
                connection: connection,
                child: wish.path.tunnel,
                event: .initiationFailed(failure)
            )
            handle(report, at: now, into: &effects)
        }
    }

    private func engineInitiate(
        _ path: TunnelPath,
        from local: IPAddress,
        packet: PacketTuple?,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        let wish = IKEEvent.Initiation(
            connection: path.connection,
            child: path.tunnel,
            localAddress: local,
            packet: packet.map(PacketSelector.init)
        )
        absorb(engine.handle(.initiate(wish), at: now), at: now, into: &effects)
    }

    /// A negotiation that should have brought the tunnel up came to nothing.
    func failed(
        _ path: TunnelPath,
        _ failure: NegotiationFailure,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        connections[path.connection]?.failure = RecordedFailure(failure: failure, at: now)
        guard var record = tunnels[path] else { return }
        // A rekey that failed harms nothing yet, and will be tried again.
        if record.isUp { return extensionFailed(path, at: now, into: &effects) }
        record.isInitiating = false
        record.needsPacket = failure.subject == .singlePair
        record.failures += 1
        record.quietUntil = now + record.backOff
        tunnels[path] = record
        effects.append(.packetPath(.dropHeldPackets(record.policy)))
        restartIfWanted(path, after: record.backOff, at: now)
        for (token, outcome) in requests.failed(path, failure) {
            effects.append(.requestEnded(token, outcome))
        }
    }

    /// A tunnel that starts at boot is wanted as long as the gateway runs.
    func restartIfWanted(_ path: TunnelPath, after delay: Duration, at now: Instant) {
        guard let record = tunnels[path], record.configuration.start.value == .atBoot,
            !record.isHeldDown, !record.isUp, !record.isInitiating, !record.needsPacket,
            !isShuttingDown
        else { return }
        timers.set(.retry(path), at: now + delay)
    }

    func bringUp(
        _ token: RequestToken,
        _ wanted: [TunnelPath],
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        let missing = wanted.filter { tunnels[$0]?.isUp == false }
        guard !missing.isEmpty else {
            effects.append(.requestEnded(token, .done("already up")))
            return
        }
        guard !isShuttingDown else {
            effects.append(.requestEnded(token, .failed(.shuttingDown)))
            return
        }
        requests.add(token, .up, of: missing)
        for path in missing { initiate(path, packet: nil, at: now, into: &effects) }
    }

    func takeDown(
        _ token: RequestToken,
        _ connection: String,
        _ tunnel: String?,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        let wanted = paths(connection, tunnel)
        for path in wanted {
            tunnels[path]?.isHeldDown = true
            timers.cancel(.retry(path))
            connections[connection]?.waitingForAddress.removeAll { $0.path == path }
            for (waiting, outcome) in requests.failed(path, .ended(path)) {
                effects.append(.requestEnded(waiting, outcome))
            }
        }
        let isKnown = engine.hasSA(of: connection)
        let present = wanted.filter { tunnels[$0].map { $0.isUp || $0.isInitiating } ?? false }
        guard !present.isEmpty || (tunnel == nil && isKnown) else {
            effects.append(.requestEnded(token, .done("already down")))
            return
        }
        requests.add(token, .down, of: present.isEmpty ? wanted : present)
        // At once, for what ends now has not failed.
        for path in wanted { tunnels[path]?.isInitiating = false }
        absorb(
            engine.handle(.terminate(connection: connection, child: tunnel), at: now),
            at: now,
            into: &effects
        )
        for path in wanted where tunnels[path]?.isUp == false {
            settleDown(path, into: &effects)
        }
    }

    /// Tells those who wait for a tunnel's end.
    func settleDown(_ path: TunnelPath, into effects: inout [ControlEffect]) {
        for (token, outcome) in requests.closed(path) {
            effects.append(.requestEnded(token, outcome))
        }
    }
}

extension NegotiationFailure {
    fileprivate static func ended(_ path: TunnelPath) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "\(path) was ended by another request",
            remedy: "ask for it again"
        )
    }

    fileprivate static let shuttingDown = NegotiationFailure(
        subject: .connection,
        explanation: "the gateway is stopping",
        remedy: "ask again when it runs"
    )
}

extension PacketSelector {
    /// The packet as a pair of selectors of one address each (RFC 7296 §2.9).
    init(_ tuple: PacketTuple) {
        func selector(_ address: IPAddress, _ port: UInt16?) -> TrafficSelector {
            let ports = tuple.ipProtocol == 0 ? nil : port.map { PortRange($0) }
            return TrafficSelector(
                first: address,
                last: address,
                ipProtocol: tuple.ipProtocol,
                ports: ports ?? .any
            ) ?? TrafficSelector(address: address)
        }
        self.init(
            source: selector(tuple.source, tuple.sourcePort),
            destination: selector(tuple.destination, tuple.destinationPort)
        )
    }
}
