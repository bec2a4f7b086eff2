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
            !isManual(path), let connection = connections[path.connection]?.configuration
        else { return }
        // Without the peer's address, an IKE SA that the peer began will do.
        guard connection.canBegin || engine.isReaching(path.connection) else {
            let failure = NegotiationFailure(
                subject: .connection,
                explanation: "\(path) has no peer address, so only the peer can begin it",
                source: connection.remoteAddresses.location.description,
                remedy: "wait for the peer, or give the connection a remote address"
            )
            failed(path, failure, at: now, into: &effects)
            tell(failure, of: path, into: &effects)
            return
        }
        record.isInitiating = true
        record.isHeldDown = false
        if let packet, record.hasPairsByPacket { _ = record.underWay.begin(packet, at: now) }
        tunnels[path] = record
        timers.cancel(.retry(path))
        call(path, packet: packet, at: now, into: &effects)
    }

    /// A negotiation that should have brought the tunnel up came to nothing.
    func failed(
        _ path: TunnelPath,
        _ failure: NegotiationFailure,
        packet: PacketSelector? = nil,
        jitter share: Int? = nil,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        connections[path.connection]?.failure = RecordedFailure(failure: failure, at: now)
        guard var record = tunnels[path] else { return }
        // A rekey that failed harms nothing yet, and will be tried again.
        if let packet, record.isUp || (record.hasPairsByPacket && isJoinable(path)) {
            extensionFailed(path, for: packet, at: now, into: &effects)
            guard let left = tunnels[path], !left.isUp, left.underWay.isEmpty else { return }
            // Others of its packets may bring it up at once.
            tunnels[path]?.isInitiating = false
            for (token, outcome) in requests.failed(path, failure) {
                effects.append(.requestEnded(token, outcome))
            }
            return restartIfWanted(path, after: BackOff.wait(after: 1), at: now)
        }
        if record.isUp { return }
        record.underWay = PairsUnderWay()
        record.isInitiating = false
        record.needsPacket = failure.subject == .singlePair
        record.failures += 1
        let wait = record.backOff.thousandths(share ?? jitter())
        record.quietUntil = now + wait
        tunnels[path] = record
        effects.append(.packetPath(.dropHeldPackets(record.policy)))
        restartIfWanted(path, after: wait, at: now)
        for (token, outcome) in requests.failed(path, failure) {
            effects.append(.requestEnded(token, outcome))
        }
    }

    /// Whether an IKE SA is there to ask for further pairs in.
    func isJoinable(_ path: TunnelPath) -> Bool {
        connections[path.connection]?.search.stage == .idle && engine.isEstablished(path.connection)
    }

    /// A tunnel that was up is not any more.
    func lost(_ path: TunnelPath, at now: Instant) {
        guard let record = tunnels[path] else { return }
        tunnels[path]?.standby = record.configuration.onLoss.value
        // A moment's wait at least: a peer that deletes at once what it accepts must not be flooded.
        restartIfWanted(path, after: record.backOff.thousandths(jitter()), at: now)
    }

    /// Begins again what is to be up as long as the gateway runs.
    func restartIfWanted(_ path: TunnelPath, after delay: Duration, at now: Instant) {
        guard let record = tunnels[path], record.standby == .restart,
            !record.isHeldDown, !record.isUp, !record.isInitiating, !record.needsPacket,
            !isShuttingDown
        else { return }
        timers.set(.retry(path), at: now + delay)
    }

    /// Up to a fifth more or less, so that many tunnels, or both ends of one, do not begin at once.
    ///
    /// - Returns: thousandths.
    func jitter() -> Int { 800 + Int(random.next32() % 401) }

    func bringUp(
        _ token: RequestToken,
        _ wanted: [TunnelPath],
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        if let obstacle = manualObstacle(wanted, toTakeDown: false) {
            return effects.append(.requestEnded(token, .failed(obstacle)))
        }
        let missing = wanted.filter { tunnels[$0]?.isUp == false }
        // What is ended by hand is there until the peer has heard of it.
        let ending = wanted.filter { path in
            tunnels[path]?.isUp == true && engine.isEnding(path.tunnel, of: path.connection)
        }
        // The peer may have brought it up again.
        for path in wanted where !ending.contains(path) { tunnels[path]?.isHeldDown = false }
        guard !missing.isEmpty || !ending.isEmpty else {
            effects.append(.requestEnded(token, .done("already up")))
            return
        }
        guard !isShuttingDown else {
            effects.append(.requestEnded(token, .failed(.shuttingDown)))
            return
        }
        requests.add(token, .up, of: missing + ending)
        for path in ending {
            tunnels[path]?.isAskedForAgain = true
            watchEnd(of: path)
        }
        if let connection = missing.first?.connection {
            absorb(
                engine.handle(.askAgain(connection: connection), at: now),
                at: now,
                into: &effects
            )
        }
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
        if let obstacle = manualObstacle(wanted, toTakeDown: true) {
            return effects.append(.requestEnded(token, .failed(obstacle)))
        }
        for path in wanted {
            tunnels[path]?.isHeldDown = true
            tunnels[path]?.isAskedForAgain = false
            tunnels[path]?.classes.isEnding = true
            tunnels[path]?.keepsResources = false
            tunnels[path]?.underWay = PairsUnderWay()
            timers.cancel(.retry(path))
            timers.cancel(.resources(path))
            connections[connection]?.search.waiting.removeAll { $0.path == path }
            for (waiting, outcome) in requests.failed(path, .ended(path)) {
                effects.append(.requestEnded(waiting, outcome))
            }
        }
        // What is ended by hand does not come back by a ticket (RFC 5723 §6.2).
        if paths(connection, nil).allSatisfy({ tunnels[$0]?.isHeldDown == true }) {
            engine.forgetTicket(of: connection)
        }
        let isKnown = engine.hasSA(of: connection)
        let present = wanted.filter { tunnels[$0].map { $0.isUp || $0.isInitiating } ?? false }
        guard !present.isEmpty || (tunnel == nil && isKnown) else {
            // What replaces one that is gone may be under way all the same.
            if tunnel != nil, isKnown {
                absorb(
                    engine.handle(.terminate(connection: connection, child: tunnel), at: now),
                    at: now,
                    into: &effects
                )
            }
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
        for path in wanted {
            if tunnels[path]?.isUp == false {
                settleDown(path, into: &effects)
            } else {
                watchEnd(of: path)
            }
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
