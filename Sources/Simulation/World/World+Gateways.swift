internal import ConnectionControl
internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

// Gateways among one another: what goes into them, and what comes out.
extension World {
    func boot(_ index: Int) {
        let gateway = gateways[index]
        guard !gateway.isRunning, phase < .closing,
            scenario.peerings.contains(where: { $0.gateways.contains(index) })
        else { return }
        do {
            let credentials = try gateway.boot(current, at: instant) { [unowned self] child in
                observe(child, at: index)
            }
            guard let controller = gateway.controller else { return }
            trace.note(at: now) { "\(gateway.plan.name) starts, life \(gateway.life)" }
            if gateway.plan.second != nil { hearAddresses(index, gateway.life) }
            perform(controller.start(credentials: credentials, at: instant), of: gateway)
        } catch {
            fail(.setup, error.text)
        }
    }

    /// Lets control handle an event, and does what it says.
    func control(_ event: ControlEvent, at index: Int) {
        let gateway = gateways[index]
        guard let controller = gateway.controller else { return }
        perform(controller.handle(event, at: instant), of: gateway)
    }

    func perform(_ effects: [ControlEffect], of gateway: SimulatedGateway) {
        for effect in effects { perform(effect, of: gateway) }
        if checks.hasUnowned { fail(checks.orphan(at: gateway.index)) }
        armTimer(of: gateway)
        postEvents(of: gateway)
    }

    private func perform(_ effect: ControlEffect, of gateway: SimulatedGateway) {
        switch effect {
        case .send(let datagram): send(datagram, of: gateway)
        case .sendKeepalive(let local, let remote):
            launch(
                WireDatagram(carrier: .udp, source: local, destination: remote, bytes: [0xff]),
                of: gateway
            )
        case .openStream(let attempt, _, let remote): open(attempt, to: remote, by: gateway)
        case .abandonStream(let attempt):
            streams.abandoned.insert(
                SimulatedStreams.Attempt(
                    gateway: gateway.index,
                    life: gateway.life,
                    attempt: attempt
                )
            )
        case .closeStream(let local, let remote):
            close(StreamEnds(local: local, remote: remote), by: gateway.index)
        case .packetPath(let command):
            trace.note(at: now) { command.words.map { "\(gateway.plan.name) \($0)" } }
            fail(checks.command(command, at: gateway.index, now))
            for datagram in gateway.path?.apply(command, at: instant) ?? [] {
                sendESP(datagram, of: gateway)
            }
        case .findLocalAddress(let connection, let remote):
            let address = internet.preferredAddress(of: gateway.index)
            control(
                .localAddressFound(connection: connection, remote: remote, address),
                at: gateway.index
            )
        case .resolve(let name):
            let delay = nameDice.span(milliseconds: 1...200)
            schedule(.lookup(gateway.index, life: gateway.life, name: name), at: now + delay)
        case .findRoute(let remote):
            let address = internet.preferredAddress(of: gateway.index)
            control(.routeFound(remote: remote, local: address), at: gateway.index)
        case .report(let report):
            coverage.count(report)
            trace.note(at: now) { "\(gateway.plan.name): \(report.summary)" }
            trace.mix(report.event.coverageName)
            trace.record(at: now, gateway.index) { report.event.coverageName }
            trace.mix(report.connection ?? "")
            fail(checks.report(report, at: gateway.index, now))
        case .requestProgress, .countersReady: break
        case .requestEnded(_, let outcome):
            if case .failed(let failure) = outcome { trace.mix(failure.subject.rawValue) }
        case .allClosed:
            gateway.hasClosed = true
            finishClosing(gateway.index)
        }
    }

    private func armTimer(of gateway: SimulatedGateway) {
        guard let next = gateway.controller?.nextTimeout else {
            gateway.timer = nil
            return
        }
        let deadline = max(next.nanoseconds, now)
        guard gateway.timer != deadline else { return }
        gateway.timer = deadline
        schedule(.timer(gateway.index, deadline: deadline), at: deadline)
    }

    /// What the packet path has to tell reaches control a moment later.
    func postEvents(of gateway: SimulatedGateway) {
        guard let events = gateway.path?.takeEvents(), !events.isEmpty else { return }
        for event in events {
            let delay = dice.next() % .microseconds(300)
            schedule(
                .packetPath(gateway.index, life: gateway.life, event),
                at: now + delay
            )
        }
    }

    func close(_ index: Int) {
        gateways[index].isClosing = true
        control(.shutDown, at: index)
    }

    /// A gateway that all peers have answered ends; it comes back if it was to restart.
    private func finishClosing(_ index: Int) {
        guard phase < .closing else { return }
        stop(index)
    }

    /// The process is gone.
    func stop(_ index: Int) {
        closeStreams(of: index)
        gateways[index].halt()
        checks.stopped(index, now)
        trace.note(at: now) { "\(self.gateways[index].plan.name) is gone" }
    }

    private func observe(_ child: ChildSAInstallation, at index: Int) {
        record(child)
        fail(checks.installation(child, at: gateways[index], now))
    }
}

extension PacketPathCommand {
    /// Which SA the packet path gets, prefers or loses.
    fileprivate var words: String? {
        switch self {
        case .installInbound(let sa): "installs \(sa.spi) in, SA \(sa.identifier.rawValue)"
        case .installOutbound(let sa): "installs \(sa.spi) out, SA \(sa.identifier.rawValue)"
        case .activateOutbound(let sa): "prefers SA \(sa.rawValue)"
        case .removeSA(let sa): "removes SA \(sa.rawValue)"
        case .updatePath, .setLinkMTU, .replacePolicies, .adoptPolicies, .dropHeldPackets,
            .dropHeldFlow, .setErrorSource, .setTraffic, .query, .ask, .beginTrace, .endTrace:
            nil
        }
    }
}
