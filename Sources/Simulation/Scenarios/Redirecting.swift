internal import IPsecPrimitives

/// One end of a peering sends the other elsewhere for a while (RFC 5685).
package struct Redirecting: Sendable {
    package enum Course: String, CaseIterable, Sendable {
        /// Another gateway takes the peer in.
        case servedThere = "served there"
        /// The other sends the peer on to a third.
        case chain
        /// The others send it on in a circle.
        case circle
        /// The other knows nothing of the peer.
        case refused
        /// Nobody is there.
        case nowhere
    }

    /// A gateway that has the connection, and where it sends the peer; nil: it takes it in.
    struct Step: Sendable {
        let gateway: Int
        let target: String?
    }

    let peering: Int
    let course: Course
    /// Whether the peer has to prove itself before it hears of it.
    let isProven: Bool
    /// The first is an end of the peering; the others stand in for it.
    let steps: [Step]
}

/// Plans redirects in some scenarios; with dice of its own.
struct RedirectGenerator {
    static let stream: UInt64 = 0x7265_6469_0000

    private var dice: Dice

    init(seed: UInt64) { dice = Dice(seed: seed, stream: RedirectGenerator.stream) }

    mutating func add(to scenario: inout Scenario) {
        guard dice.chance(perMille: 250), scenario.gateways.allSatisfy({ $0.second == nil })
        else { return }
        let able = scenario.peerings.indices.flatMap { index in
            [0, 1].map { (index, $0) }
        }.filter { mayRedirect($0.0, $0.1, scenario) }
        guard !able.isEmpty else { return }
        let (index, place) = dice.pick(able)
        let others = standIns(index, place, scenario)
        if dice.chance(perMille: 100) { scenario.peerings[index].ends[1 - place].follows = false }
        scenario.peerings[index].standsInFor = place
        var time = VirtualTime.start + .milliseconds(dice.within(0...60_000))
        let last = scenario.timeline.calm - .seconds(20)
        for _ in 0..<dice.within(1...3) {
            let end = min(time + .milliseconds(dice.within(20_000...120_000)), last)
            guard time + .seconds(5) < end else { break }
            let plan = redirecting(index, place, others, scenario)
            scenario.peerings[index].standIns.formUnion(plan.steps.dropFirst().map(\.gateway))
            scenario.faults.append(
                PlannedFault(
                    number: (scenario.faults.map(\.number).max() ?? -1) + 1,
                    time: time,
                    end: end,
                    kind: .redirect(plan)
                )
            )
            time = end + .milliseconds(dice.within(1000...60_000))
        }
    }

    /// Where ends are to disagree, or TCP is tried, nothing else should stand in the way.
    private func mayRedirect(_ index: Int, _ place: Int, _ scenario: Scenario) -> Bool {
        let peering = scenario.peerings[index]
        return peering.mismatch == .none && peering.transport.word == "udp"
            && peering.tunnels.allSatisfy { $0.carriage == nil }
            && peering.ends[place].knowsPeer && peering.ends[1 - place].knowsPeer
    }

    /// Gateways that can stand in for an end: those that the peer finds, that do not know it
    /// themselves, and that know each of their peers by its address.
    private func standIns(_ index: Int, _ place: Int, _ scenario: Scenario) -> [Int] {
        let peering = scenario.peerings[index]
        let peer = peering.gateways[1 - place]
        return scenario.gateways.indices.filter { gateway in
            !peering.gateways.contains(gateway) && scenario.gateways[gateway].isReachable
                && scenario.peerings.allSatisfy { other in
                    !other.gateways.contains(gateway)
                        || (!other.gateways.contains(peer) && other.mismatch == .none
                            && other.end(of: gateway).knowsPeer
                            && other.end(of: gateway).peerName == nil)
                }
        }
    }

    private mutating func redirecting(
        _ index: Int,
        _ place: Int,
        _ others: [Int],
        _ scenario: Scenario
    ) -> Redirecting {
        let peering = scenario.peerings[index]
        let first = peering.gateways[place]
        let isProven = dice.chance(perMille: 500)
        var courses: [Redirecting.Course] = [.nowhere]
        if !others.isEmpty { courses += [.servedThere, .servedThere, .servedThere, .refused] }
        if others.count > 1 { courses += [.chain, .chain, .circle] }
        let course = dice.pick(courses)
        let start = others.isEmpty ? 0 : dice.below(others.count)
        let second = others.isEmpty ? first : others[start]
        let third = others.isEmpty ? first : others[(start + 1) % others.count]
        let steps: [Redirecting.Step]
        switch course {
        case .nowhere:
            let isV6 = scenario.gateways[first].publicAddress.version == .v6
            let nowhere = isV6 ? "\"2001:db8:dead::1\"" : "198.18.66.66"
            steps = [Redirecting.Step(gateway: first, target: nowhere)]
        case .refused:
            steps = [Redirecting.Step(gateway: first, target: target(second, scenario))]
        case .servedThere:
            steps = [
                Redirecting.Step(gateway: first, target: target(second, scenario)),
                Redirecting.Step(gateway: second, target: nil),
            ]
        case .chain, .circle:
            steps = [
                Redirecting.Step(gateway: first, target: target(second, scenario)),
                Redirecting.Step(gateway: second, target: target(third, scenario)),
                Redirecting.Step(
                    gateway: third,
                    target: course == .chain ? nil : target(first, scenario)
                ),
            ]
        }
        return Redirecting(
            peering: peering.number,
            course: course,
            isProven: isProven,
            steps: steps
        )
    }

    private mutating func target(_ gateway: Int, _ scenario: Scenario) -> String {
        dice.chance(perMille: 300)
            ? "g\(gateway).example.net" : "\"\(scenario.gateways[gateway].publicAddress)\""
    }
}
