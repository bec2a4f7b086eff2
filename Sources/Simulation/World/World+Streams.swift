internal import ConnectionControl
internal import IKEProtocol
internal import IPsecPrimitives

// TCP between gateways (RFC 9329).
extension World {
    /// Where gateways listen.
    private static let listeningPort: UInt16 = 4500
    /// How long sent octets may wait to be confirmed before the system gives a connection up.
    private static let silenceLimit: UInt64 = .seconds(30)

    func scheduleUDPBlocks() {
        for peering in scenario.peerings {
            for block in peering.transport.blocks {
                schedule(.udpBlock(peering: peering.number, true), at: block.from)
                guard let end = block.to else { continue }
                schedule(.udpBlock(peering: peering.number, false), at: end)
            }
        }
    }

    func blockUDP(_ peering: Int, _ isBlocked: Bool) {
        guard let plan = scenario.peering(peering) else { return }
        coverage.count("udp", isBlocked ? "blocked" : "passes")
        trace.note(at: now) { "UDP of \(plan.name) \(isBlocked ? "is blocked" : "passes")" }
        internet.blockUDP(plan.gateways[0], plan.gateways[1], isBlocked)
    }

    /// Somebody opens a connection.
    func open(_ attempt: StreamAttempt, to remote: Endpoint, by gateway: SimulatedGateway) {
        let key = SimulatedStreams.Attempt(
            gateway: gateway.index,
            life: gateway.life,
            attempt: attempt
        )
        guard let target = internet.owner(of: remote.address), target != gateway.index,
            let there = internet.wayIn(target, port: remote.port),
            let way = internet.roundTrip(gateway.index, target)
        else { return }  // Nobody answers: the gateway's own patience ends the attempt.
        schedule(.streamOpens(key, target: target, there: there, remote: remote), at: now + way)
    }

    func opens(
        _ key: SimulatedStreams.Attempt,
        _ target: Int,
        _ there: Endpoint,
        _ remote: Endpoint
    ) {
        guard streams.abandoned.remove(key) == nil, gateways[key.gateway].life == key.life,
            gateways[key.gateway].isRunning
        else { return }
        guard gateways[target].isRunning, there.port == World.listeningPort else {
            return control(.streamFailed(key.attempt, "refused"), at: key.gateway)
        }
        let port = streams.freshPort()
        let near = Endpoint(address: internet.addresses[key.gateway], port: port)
        let seen = Endpoint(address: internet.publicAddress(of: key.gateway), port: port)
        let number = streams.add(
            SimulatedStream(
                opener: key.gateway,
                answerer: target,
                openerEnds: StreamEnds(local: near, remote: remote),
                answererEnds: StreamEnds(local: there, remote: seen),
                lives: [key.life, gateways[target].life]
            )
        )
        coverage.count("stream", "opened")
        trace.note(at: now) { "stream \(number) from g\(key.gateway) to g\(target) opens" }
        trace.mix(UInt64(number) << 16 | UInt64(target))
        control(
            .streamOpened(key.attempt, local: near, remote: remote),
            at: key.gateway
        )
    }

    /// Sends a message or a packet along a connection.
    func sendByStream(
        _ bytes: [UInt8],
        isMessage: Bool,
        _ ends: StreamEnds,
        of gateway: SimulatedGateway
    ) {
        guard let (number, end) = streams.find(gateway.index, ends), var stream = streams[number],
            !stream.isBroken, !stream.isClosed[end]
        else { return }
        trace.mix(now ^ UInt64(number) << 40)
        trace.mix(bytes)
        trace.record(at: now, gateway.index, octets: bytes.count) { "sends by stream \(number)" }
        let target = stream.gateway(1 - end)
        let isThere =
            stream.answererEnds.remote.address == internet.publicAddress(of: stream.opener)
            && stream.openerEnds.remote.address == internet.publicAddress(of: stream.answerer)
        guard isThere,
            let delay = internet.streamDelay(gateway.index, target, ends, &streams.dice)
        else {
            stream.isBroken = true
            streams[number] = stream
            return schedule(.streamBreaks(number), at: now + World.silenceLimit)
        }
        stream.lastArrival[1 - end] = max(stream.lastArrival[1 - end] + 1, now + delay)
        streams[number] = stream
        schedule(
            .streamArrival(number, end: 1 - end, isMessage: isMessage, bytes),
            at: stream.lastArrival[1 - end]
        )
    }

    func arrive(_ number: Int, end: Int, isMessage: Bool, _ bytes: [UInt8]) {
        guard let stream = streams[number], !stream.isBroken, !stream.isClosed[end] else { return }
        let gateway = gateways[stream.gateway(end)]
        guard gateway.isRunning, gateway.life == stream.lives[end] else {
            // The process is another: its system knows nothing of the connection.
            return breaks(number)
        }
        let ends = stream.ends(end)
        guard isMessage else {
            guard let path = gateway.path else { return }
            let datagram = WireDatagram(
                carrier: .tcp,
                source: ends.remote,
                destination: ends.local,
                bytes: bytes
            )
            for packet in path.receive(datagram, at: instant).packets {
                receiveInner(packet, at: gateway.index)
            }
            return postEvents(of: gateway)
        }
        checks.ikeReceived(bytes, from: nil, at: gateway.index, now)
        coverage.count("stream", "message")
        control(
            .datagram(
                IKEDatagram(
                    bytes: bytes,
                    local: ends.local,
                    remote: ends.remote,
                    transport: .tcp
                )
            ),
            at: gateway.index
        )
    }

    /// One end closes; the other sees that when all that was sent before has arrived.
    func close(_ ends: StreamEnds, by gateway: Int) {
        guard let (number, end) = streams.find(gateway, ends), var stream = streams[number] else {
            return
        }
        stream.isClosed[end] = true
        let arrival = max(stream.lastArrival[1 - end], now) + .milliseconds(1)
        streams[number] = stream
        schedule(
            .streamCloses(number, end: 1 - end),
            at: stream.isBroken ? now + World.silenceLimit : arrival
        )
    }

    func closes(_ number: Int, end: Int) {
        guard let stream = streams[number] else { return }
        streams.remove(number)
        tell(stream, end)
    }

    /// What was sent never arrives: both ends see it.
    func breaks(_ number: Int) {
        guard let stream = streams[number] else { return }
        coverage.count("stream", "broken")
        trace.note(at: now) { "stream \(number) breaks" }
        streams.remove(number)
        for end in 0...1 { tell(stream, end) }
    }

    private func tell(_ stream: SimulatedStream, _ end: Int) {
        let gateway = gateways[stream.gateway(end)]
        guard gateway.isRunning, gateway.life == stream.lives[end], !stream.isClosed[end] else {
            return
        }
        let ends = stream.ends(end)
        control(.streamClosed(local: ends.local, remote: ends.remote), at: gateway.index)
    }

    /// The process that had them is gone; its system closes what it had.
    func closeStreams(of gateway: Int) {
        for (number, stream) in streams.inOrder {
            for end in 0...1 where stream.gateway(end) == gateway && !stream.isClosed[end] {
                close(stream.ends(end), by: gateway)
                trace.mix(UInt64(number))
            }
        }
    }

    /// As the daemon does: connections that no IKE SA goes by.
    func closeIdleStreams(of gateway: SimulatedGateway) {
        let quiet = streams.open(at: gateway.index)
            .filter { $0.lastArrival[1] + .seconds(10) < now }
        guard !quiet.isEmpty, let used = gateway.controller?.streamsInUse else { return }
        for stream in quiet where !used.contains(stream.answererEnds) {
            close(stream.answererEnds, by: gateway.index)
        }
    }
}
