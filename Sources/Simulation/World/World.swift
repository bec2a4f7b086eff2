internal import ConnectionControl
internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

/// One run: gateways, the network between them, and a clock that jumps from event to event.
package final class World {
    package let scenario: Scenario
    /// As the gateways are configured now; reloads change it.
    var current: Scenario
    package private(set) var capture: Capture?
    private(set) var now = VirtualTime.start
    private(set) var queue = EventQueue<WorldEvent>()
    private(set) var events = 0
    private var eventsOfMoment = 0
    var internet: Internet
    var streams: SimulatedStreams
    let gateways: [SimulatedGateway]
    var traffic: ProbeTraffic
    var checks: Checks
    var coverage = Coverage()
    var trace: Trace
    var dice: Dice
    /// Of the DNS.
    var nameDice: Dice
    /// Of secrets that change.
    var secretDice: Dice
    /// Of gateways that roam.
    var roamingDice: Dice
    private(set) var phase = Phase.turmoil
    private var lastDatagram: UInt64 = 0
    var wantedEnds: [WantedEnd]
    var attackers: Attackers
    package private(set) var violation: Violation?

    enum Phase: Int, Comparable {
        case turmoil
        /// Faults have ended; tunnels may still be on their way.
        case recovery
        /// Everything wanted is up, and has to stay so.
        case settled
        case closing

        static func < (left: Phase, right: Phase) -> Bool { left.rawValue < right.rawValue }
    }

    package init(_ scenario: Scenario, trace: Trace = Trace(), captures: Bool = false) {
        self.scenario = scenario
        current = scenario
        capture = captures ? Capture() : nil
        self.trace = trace
        internet = Internet(scenario)
        streams = SimulatedStreams(seed: scenario.seed)
        gateways = scenario.gateways.map(SimulatedGateway.init)
        traffic = ProbeTraffic(scenario)
        checks = Checks(scenario)
        dice = Dice(seed: scenario.seed, stream: 3)
        nameDice = Dice(seed: scenario.seed, stream: 7)
        secretDice = Dice(seed: scenario.seed, stream: SecretGenerator.stream + 1)
        roamingDice = Dice(seed: scenario.seed, stream: RoamingGenerator.stream + 1)
        attackers = Attackers(scenario)
        wantedEnds = WantedEnd.all(of: scenario)
    }

    /// Runs to the end, or to the first violation.
    package func run() -> Outcome {
        begin()
        while violation == nil, let entry = queue.popFirst() {
            guard entry.time <= scenario.timeline.end else { break }
            countEvents(at: entry.time)
            trace.record(at: now, entry.event.gateway) { entry.event.name }
            handle(entry.event)
        }
        if violation == nil { checkTheEnd() }
        return Outcome(
            seed: scenario.seed,
            character: scenario.character,
            violation: violation,
            hash: trace.hash,
            course: trace.course,
            events: events,
            virtualNanoseconds: min(now, scenario.timeline.end) - VirtualTime.start,
            coverage: coverage
        )
    }

    /// So many events in one moment are a circle.
    private static let eventsOfOneMoment = 5000

    private func countEvents(at time: UInt64) {
        eventsOfMoment = time == now ? eventsOfMoment + 1 : 0
        now = time
        events += 1
        if eventsOfMoment > World.eventsOfOneMoment { fail(.bounds, "time stands still") }
    }

    private func begin() {
        for peering in scenario.peerings where peering.mismatch != .none {
            coverage.count("mismatch", peering.mismatch.rawValue)
        }
        for tunnel in scenario.peerings.flatMap(\.tunnels) {
            if let carriage = tunnel.carriage { coverage.count("carriage", carriage.rawValue) }
            if tunnel.ends[0].lifetimePackets != nil { coverage.count("wear", "by packets") }
            if let form = tunnel.selectorForm { coverage.count("selectors", form) }
        }
        countRoaming()
        for gateway in gateways {
            queue.schedule(.boot(gateway.index), at: now + dice.span(milliseconds: 0...2000))
        }
        for flow in traffic.flows.indices {
            let first = now + .seconds(3) + dice.span(milliseconds: 0...3000)
            queue.schedule(.probe(flow: flow), at: first)
        }
        scheduleUDPBlocks()
        for (index, fault) in scenario.faults.enumerated() {
            queue.schedule(.faultBegins(index), at: fault.time)
        }
        for (index, time) in attackers.times.enumerated() {
            queue.schedule(.attack(index), at: time)
        }
        queue.schedule(.housekeeping, at: now + .seconds(1))
        queue.schedule(.calm, at: scenario.timeline.calm)
        queue.schedule(.settled, at: scenario.timeline.settled)
        queue.schedule(.closing, at: scenario.timeline.closing)
    }

    private func handle(_ event: WorldEvent) {
        switch event {
        case .boot(let gateway): boot(gateway)
        case .timer(let gateway, let deadline):
            guard gateways[gateway].timer == deadline else { return }
            gateways[gateway].timer = nil
            control(.timeout, at: gateway)
        case .arrival(let datagram): arrive(datagram)
        case .packetPath(let gateway, let life, let event):
            guard gateways[gateway].life == life else { return }
            control(.packetPath(event), at: gateway)
        case .pathMTU(let gateway, let life, let remote, let octets):
            guard gateways[gateway].life == life else { return }
            control(.pathMTU(remote: remote, octets: octets), at: gateway)
        case .lookup(let gateway, let life, let name): answerLookup(gateway, life, name)
        case .streamOpens(let key, let target, let there, let remote):
            opens(key, target, there, remote)
        case .streamArrival(let number, let end, let isMessage, let bytes):
            arrive(number, end: end, isMessage: isMessage, bytes)
        case .streamCloses(let number, let end): closes(number, end: end)
        case .streamBreaks(let number): breaks(number)
        case .udpBlock(let peering, let isBlocked): blockUDP(peering, isBlocked)
        case .addresses(let gateway, let life): hearAddresses(gateway, life)
        case .reread(let gateway, let life):
            if gateways[gateway].life == life { reread(gateway) }
        case .roamingHalf(let index): roamOn(scenario.faults[index])
        case .probe(let flow): sendProbe(flow)
        case .faultBegins(let index): begin(scenario.faults[index])
        case .faultEnds(let index): end(scenario.faults[index])
        case .attack(let index): attack(index)
        case .housekeeping: keepHouse()
        case .calm:
            phase = .recovery
            internet.calm()
            trace.note(at: now) { "faults have ended" }
        case .settled:
            phase = .settled
            checkConvergence()
        case .closing:
            phase = .closing
            coverage.count("character", scenario.character.rawValue)
            for gateway in gateways where gateway.isRunning { close(gateway.index) }
        }
    }

    func schedule(_ event: WorldEvent, at time: UInt64) { queue.schedule(event, at: time) }

    var instant: Instant { Instant(nanoseconds: now) }

    /// The first violation ends the run; what follows from it would only confuse.
    func fail(_ checker: Checker, _ text: @autoclosure () -> String) {
        guard violation == nil else { return }
        violation = Violation(checker: checker, text: text(), time: now)
        let line = violation?.line ?? ""
        trace.note(at: now) { line }
    }

    func fail(_ found: Violation?) {
        guard let found, violation == nil else { return }
        violation = found
        trace.note(at: now) { found.line }
    }

    func nextDatagramNumber() -> UInt64 {
        lastDatagram += 1
        return lastDatagram
    }

    func record(_ datagram: WireDatagram, of gateway: SimulatedGateway) {
        guard capture != nil else { return }
        capture?.record(datagram, at: now)
        guard datagram.ikeMessage != nil, let controller = gateway.controller else { return }
        for keys in controller.exposedKeys { capture?.add(keys) }
    }

    func record(_ child: ChildSAInstallation) { capture?.add(child) }

    private func keepHouse() {
        for gateway in gateways { gateway.path?.expire(at: instant) }
        for gateway in gateways { closeIdleStreams(of: gateway) }
        collectEvents()
        lookAround()
        queue.schedule(.housekeeping, at: now + .seconds(1))
    }

    private func collectEvents() {
        for gateway in gateways { postEvents(of: gateway) }
    }
}
