internal import IPsecPrimitives

/// Packets from host to host through the tunnels, each with a number of its own.
struct ProbeTraffic {
    struct Flow {
        let name: String
        let peering: Int
        let tunnel: Int
        let from: Int
        let to: Int
        /// Those that stand in for the one that it goes to.
        let standIns: Set<Int>
        let source: IPAddress
        let destination: IPAddress
        let ipProtocol: UInt8
        let sourcePort: UInt16
        let port: UInt16
        /// The longest way that a probe takes when nothing is wrong, in nanoseconds.
        let longestDelay: UInt64
        /// Of its packets, by turns; empty: all have 0.
        let codePoints: [UInt8]
        /// The last packet, but for its number the same as all of them; empty before the first.
        var packet: [UInt8] = []
        var lastSequence: UInt32 = 0
        /// Numbered one after the other, the oldest first.
        var pending: [Pending] = []
        /// Of the pending ones, from the front, those whose time was over when last looked at.
        var judged = 0

        func place(of sequence: UInt32) -> Int? {
            guard let first = pending.first?.sequence, sequence >= first,
                sequence - first < pending.count
            else { return nil }
            return Int(sequence - first)
        }

        mutating func forget(_ count: Int) {
            guard count > 0 else { return }
            pending.removeFirst(count)
            judged = max(0, judged - count)
        }
    }

    struct Pending {
        let sequence: UInt32
        let sentAt: UInt64
        let isGuarded: Bool
        var copies = 0
    }

    struct Arrival {
        let flow: Int
        let sequence: UInt32
        let problem: String?
    }

    private(set) var flows: [Flow] = []
    private let interval: UInt64
    private var dice: Dice
    /// Stands in each probe, so that one can be recognised wherever it turns up.
    let mark: [UInt8]

    init(_ scenario: Scenario) {
        interval = scenario.probeInterval
        dice = Dice(seed: scenario.seed, stream: 4)
        mark = ProbeTraffic.mark(of: scenario)
        for peering in scenario.peerings {
            for (index, tunnel) in peering.tunnels.enumerated() where tunnel.carriage == nil {
                for place in 0...1 {
                    flows.append(ProbeTraffic.flow(scenario, peering, index, tunnel, place))
                }
            }
        }
    }

    static func mark(of scenario: Scenario) -> [UInt8] {
        let word = Dice.mix(scenario.seed ^ 0x7072_6f62_6573)
        return (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }
    }

    private static func flow(
        _ scenario: Scenario,
        _ peering: PeeringPlan,
        _ index: Int,
        _ tunnel: TunnelPlan,
        _ place: Int
    ) -> Flow {
        let end = tunnel.ends[place]
        // Where a tunnel has several selectors, one way goes by the first and one by the last.
        let local = place == 0 ? end.local[0] : end.local[end.local.count - 1]
        let remote = place == 0 ? end.remote[0] : end.remote[end.remote.count - 1]
        let ipProtocol = remote.ipProtocol == 0 ? local.ipProtocol : remote.ipProtocol
        let from = peering.gateways[place]
        let to = peering.gateways[1 - place]
        let link = scenario.conditions[
            scenario.isCrowd ? 0 : from * scenario.gateways.count + to
        ].calmed
        return Flow(
            name: "\(peering.name)/\(tunnel.name) from g\(from)",
            peering: peering.number,
            tunnel: index,
            from: from,
            to: to,
            standIns: peering.standsInFor == 1 - place ? peering.standIns : [],
            source: local.host(7),
            destination: remote.host(9),
            ipProtocol: ipProtocol == 0 ? 17 : ipProtocol,
            sourcePort: local.port == 0 ? 7000 : local.port,
            port: remote.port == 0 ? 7777 : remote.port,
            longestDelay: link.longestDelay,
            codePoints: codePoints(of: tunnel)
        )
    }

    /// One that has no SA of its own, and one of each class that either end has.
    private static func codePoints(of tunnel: TunnelPlan) -> [UInt8] {
        let classes = tunnel.ends.map(\.classes).max { $0.count < $1.count } ?? []
        return classes.isEmpty ? [] : [0] + classes.compactMap(\.last)
    }

    /// The DSCP of the last packet of a flow.
    func codePoint(ofLast index: Int) -> UInt8 {
        let values = flows[index].codePoints
        return values.isEmpty ? 0 : values[Int(flows[index].lastSequence) % values.count]
    }

    mutating func nextInterval(_ flow: Int) -> UInt64 {
        interval / 2 + dice.next() % interval
    }

    mutating func send(_ index: Int, at now: UInt64, isGuarded: Bool) -> [UInt8] {
        flows[index].lastSequence += 1
        let sequence = flows[index].lastSequence
        if flows[index].pending.count >= 96 { flows[index].forget(32) }
        flows[index].pending.append(
            Pending(sequence: sequence, sentAt: now, isGuarded: isGuarded)
        )
        if flows[index].packet.isEmpty {
            flows[index].packet = ProbePacket.bytes(
                flows[index],
                number: index,
                sequence: sequence,
                mark: mark
            )
        } else {
            ProbePacket.renumber(&flows[index].packet, sequence)
        }
        if !flows[index].codePoints.isEmpty {
            ProbePacket.mark(&flows[index].packet, codePoint(ofLast: index))
        }
        return flows[index].packet
    }

    /// Nil when it is no probe of ours, or comes out where it should not.
    mutating func arrived(_ packet: [UInt8], at gateway: Int, _ now: UInt64) -> Arrival? {
        guard let found = ProbePacket.parse(packet, mark: mark), found.flow < flows.count else {
            return nil
        }
        let flow = flows[found.flow]
        guard flow.to == gateway || flow.standIns.contains(gateway) else { return nil }
        guard let place = flows[found.flow].place(of: found.sequence) else {
            return Arrival(flow: found.flow, sequence: found.sequence, problem: nil)
        }
        flows[found.flow].pending[place].copies += 1
        let probe = flows[found.flow].pending[place]
        let latest = flows[found.flow].longestDelay + .milliseconds(2)
        var problem: String?
        if probe.copies > 1 {
            problem = "probe \(found.sequence) of \(flows[found.flow].name) arrives twice"
        } else if probe.isGuarded, now - probe.sentAt > latest {
            problem = "probe \(found.sequence) of \(flows[found.flow].name) arrives late"
        }
        return Arrival(flow: found.flow, sequence: found.sequence, problem: problem)
    }

    /// Forgets old probes; says so when one should have arrived. Each is looked at once when its
    /// time is over: what is guarded and has not come by then ends the run.
    mutating func overdue(at now: UInt64) -> [String] {
        flows.indices.compactMap { overdue($0, at: now) }
    }

    private mutating func overdue(_ index: Int, at now: UInt64) -> String? {
        var lost: String?
        while flows[index].judged < flows[index].pending.count {
            let probe = flows[index].pending[flows[index].judged]
            guard now - probe.sentAt > .seconds(10) else { break }
            flows[index].judged += 1
            guard probe.isGuarded, probe.copies == 0, lost == nil else { continue }
            lost =
                "probe \(probe.sequence) of \(flows[index].name), sent at "
                + "\(VirtualTime.text(probe.sentAt)), is lost"
        }
        let old = flows[index].pending[..<flows[index].judged]
            .prefix { now - $0.sentAt > .seconds(45) }.count
        flows[index].forget(old)
        return lost
    }
}
