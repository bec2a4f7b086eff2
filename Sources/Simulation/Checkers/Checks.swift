internal import Configuration
internal import ConnectionControl
internal import IKEMessages
internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

/// All checks of a run. They see what leaves the engine and connection control, and what is on the
/// wire; none looks into the engine.
struct Checks {
    let scenario: Scenario
    var children: ChildLedger
    var associations: AssociationLedger
    var packets = PacketNumbers()
    var messages: MessageChecks
    private var attempts: AttemptChecks
    var crossings: CrossingChecks
    private var endpoints = EndpointChecks()
    var authentication = AuthenticationChecks()
    var diagnoses: DiagnosisChecks
    var paths: PathChecks
    var redirects: RedirectChecks
    var secrets = SecretWatch()
    var wire = WireReader()
    private var unowned: [Violation] = []
    private var unownedSPIs: [SPI] = []
    private var collisions = CollisionWatch()

    init(_ scenario: Scenario) {
        self.scenario = scenario
        children = ChildLedger(scenario)
        associations = AssociationLedger(gateways: scenario.gateways.count)
        messages = MessageChecks(gateways: scenario.gateways.count)
        attempts = AttemptChecks(scenario)
        crossings = CrossingChecks(scenario)
        diagnoses = DiagnosisChecks(scenario)
        paths = PathChecks(scenario)
        redirects = RedirectChecks(scenario)
    }

    mutating func installation(
        _ child: ChildSAInstallation,
        at gateway: SimulatedGateway,
        _ now: UInt64
    ) -> Violation? {
        secrets.watch(child, at: gateway.index)
        // What the packet path does not carry does not get there.
        if child.securityProtocol == .esp, child.mode == .tunnel {
            associations.expect(
                TunnelPath(connection: child.connection, tunnel: child.child),
                inbound: child.inboundSPI,
                outbound: child.outboundSPI,
                at: gateway.index
            )
        }
        return children.installed(child, at: gateway.index, now)
            ?? unproven(child, at: gateway, now)
    }

    /// RFC 7296 §2.21.2: nothing before the peer has proven who it is.
    private mutating func unproven(
        _ child: ChildSAInstallation,
        at gateway: SimulatedGateway,
        _ now: UInt64
    ) -> Violation? {
        func violation(_ checker: Checker, _ text: String) -> Violation {
            Violation(
                checker: checker,
                text: "g\(gateway.index), \(child.connection)/\(child.child), SPI "
                    + "\(child.inboundSPI): \(text)",
                time: now
            )
        }
        guard let sa = gateway.controller?.ikeSA(ofChild: child.inboundSPI) else {
            // Its IKE SA may end with it at the same event.
            unowned.append(violation(.authentication, "it belongs to no IKE SA"))
            unownedSPIs.append(child.inboundSPI)
            return nil
        }
        let pair = SPIPair(initiator: sa.initiator, responder: sa.responder)
        guard let identity = authentication.identity(provenTo: gateway.index, in: pair) else {
            return violation(.authentication, "nobody has proven anything in its IKE SA")
        }
        guard identity.data == Array(child.peerIdentity.utf8) else {
            return violation(
                .identity,
                "the peer is taken for \(child.peerIdentity), but proved another identity"
            )
        }
        return nil
    }

    var hasUnowned: Bool { !unowned.isEmpty }

    /// A Child SA that belonged to no IKE SA when it was installed, and is still there after the event.
    mutating func orphan(at gateway: Int) -> Violation? {
        defer {
            unowned = []
            unownedSPIs = []
        }
        return zip(unowned, unownedSPIs).first { associations.accepts($1, at: gateway) }?.0
    }

    mutating func command(
        _ command: PacketPathCommand,
        at gateway: Int,
        _ now: UInt64
    ) -> Violation? {
        let strayed =
            overtaken(command, at: gateway, now)
            ?? (paths.isActive ? strayed(command, at: gateway, now) : nil)
        return associations.apply(command, at: gateway, now) ?? strayed
    }

    /// With MOBIKE, the answer to what tries a path may come late, and tells of it all the same.
    private func overtaken(
        _ command: PacketPathCommand,
        at gateway: Int,
        _ now: UInt64
    ) -> Violation? {
        guard !paths.isActive, case .updatePath(let identifier, let path) = command,
            let known = associations.associations[gateway][identifier], known.isOutbound
        else { return nil }
        return endpoints.moved(path, from: known.path, at: gateway, now)
    }

    private func strayed(
        _ command: PacketPathCommand,
        at gateway: Int,
        _ now: UInt64
    ) -> Violation? {
        switch command {
        case .installOutbound(let parameters):
            return paths.moved(
                parameters.path,
                from: nil,
                associations.tunnel(parameters.spi, isOutbound: true, at: gateway),
                at: gateway,
                now
            )
        case .updatePath(let identifier, let path):
            guard let known = associations.associations[gateway][identifier], known.isOutbound
            else { return nil }
            return paths.moved(path, from: known.path, known.tunnel, at: gateway, now)
        default: return nil
        }
    }

    mutating func report(_ report: IKEReport, at gateway: Int, _ now: UInt64) -> Violation? {
        diagnoses.heard(report, at: gateway, now) ?? redirects.heard(report, at: gateway, now)
    }

    /// The process of a gateway is gone, with everything in it.
    mutating func stopped(_ gateway: Int, _ now: UInt64) {
        associations.forget(gateway)
        children.forget(gateway)
        messages.forget(gateway)
        redirects.forget(gateway)
    }

    mutating func ikeSent(
        _ bytes: [UInt8],
        by gateway: SimulatedGateway,
        _ now: UInt64,
        _ coverage: inout Coverage
    ) -> Violation? {
        guard let message = wire.read(bytes, from: gateway.controller) else {
            return Violation(
                checker: .reuse,
                text: "g\(gateway.index) sends what is no IKE message",
                time: now
            )
        }
        coverage.count(message)
        collisions.sent(message, &coverage)
        authentication.sent(message, by: gateway)
        endpoints.sent(message)
        crossings.sent(message, by: gateway.index, now) { [children] end in
            children.end(end.gateway, end.spi)?.outboundSPI
        }
        return messages.sent(message, bytes, by: gateway.index, now)
            ?? attempts.sent(message, by: gateway.index, now)
    }

    mutating func ikeReceived(
        _ bytes: [UInt8],
        from remote: Endpoint?,
        at gateway: Int,
        _ now: UInt64
    ) {
        if let remote { endpoints.received(bytes, from: remote, at: gateway) }
        guard let header = try? WireHeader(reading: bytes).header else { return }
        messages.received(header, at: gateway)
        collisions.received(header)
        if header.exchangeType == .ikeAuth { authentication.received(bytes, at: gateway) }
    }

    /// What came of it is known.
    mutating func tookIn() { endpoints.tookIn() }

    mutating func espSent(_ datagram: WireDatagram, by gateway: Int, _ now: UInt64) -> Violation? {
        packets.sent(datagram, by: gateway, now)
    }

    /// Whether the mark of our probes can be read in it.
    func isClear(_ datagram: WireDatagram, _ mark: [UInt8]) -> Bool {
        let bytes = datagram.bytes.span
        guard bytes.count >= mark.count else { return false }
        let first = mark[0]
        for start in 0...bytes.count - mark.count where bytes[start] == first {
            if mark.indices.allSatisfy({ bytes[start + $0] == mark[$0] }) { return true }
        }
        return false
    }
}
