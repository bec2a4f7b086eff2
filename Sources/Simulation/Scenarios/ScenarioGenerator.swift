internal import IPsecPrimitives

/// Makes a scenario of a seed.
package struct ScenarioGenerator {
    private let seed: UInt64
    private var dice: Dice

    package static func scenario(seed: UInt64) -> Scenario {
        var generator = ScenarioGenerator(seed: seed, dice: Dice(seed: seed, stream: 1))
        return generator.make()
    }

    private mutating func make() -> Scenario {
        let character = dice.pick([
            Scenario.Character.lossFree, .lossFree, .lossy, .lossy, .stormy, .stormy, .stormy,
            .hostile,
        ])
        let count = dice.pick([2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8])
        let isV6 = dice.chance(perMille: 200)
        let gateways = (0..<count).map { gateway($0, isV6: isV6) }
        let start = VirtualTime.start
        let calm = start + .seconds(420)
        let timeline = Timeline(
            calm: calm,
            settled: calm + .seconds(150),
            closing: calm + .seconds(240),
            // A Delete that nobody answers is given up after several minutes.
            end: calm + .seconds(900)
        )
        var scenario = Scenario(
            seed: seed,
            character: character,
            gateways: gateways,
            peerings: [],
            conditions: conditions(character, count),
            faults: [],
            timeline: timeline,
            probeInterval: dice.span(milliseconds: 800...3000)
        )
        scenario.peerings = peerings(scenario)
        var faults = FaultGenerator(seed: seed)
        scenario.faults = faults.faults(for: scenario)
        var varieties = VarietyGenerator(seed: seed)
        varieties.vary(&scenario)
        var carriage = CarriageGenerator(seed: seed)
        carriage.add(to: &scenario)
        var secrets = SecretGenerator(seed: seed)
        secrets.add(to: &scenario)
        var scarcity = ScarcityGenerator(seed: seed)
        scarcity.add(to: &scenario)
        var roaming = RoamingGenerator(seed: seed)
        roaming.add(to: &scenario)
        var redirects = RedirectGenerator(seed: seed)
        redirects.add(to: &scenario)
        var classes = ClassGenerator(seed: seed)
        classes.add(to: &scenario)
        var wear = WearGenerator(seed: seed)
        wear.add(to: &scenario)
        return scenario
    }

    private mutating func gateway(_ index: Int, isV6: Bool) -> GatewayPlan {
        let outside = IPAddress(isV6 ? "2001:db8:ff::\(index + 1)" : "192.0.2.\(index + 1)")!
        var plan = GatewayPlan(
            index: index,
            address: outside,
            cookieThreshold: dice.pick([32, 32, 32, 1])
        )
        if !isV6, dice.chance(perMille: 250) {
            plan.address = IPAddress("192.168.\(index + 1).1")!
            plan.nat = NATPlan(
                publicAddress: outside,
                isOpen: dice.chance(perMille: 500),
                // The first is the middle of the star: others must find it.
                forwards: index == 0 || dice.chance(perMille: 300),
                timeout: .seconds(dice.within(40...120))
            )
        }
        return plan
    }

    private mutating func conditions(
        _ character: Scenario.Character,
        _ count: Int
    ) -> [LinkConditions] {
        let slow = dice.pick([5, 20, 60, 150, 400])
        return (0..<count * count).map { _ in
            var link = LinkConditions(
                delay: dice.span(milliseconds: 1...slow),
                jitter: dice.span(milliseconds: 0...max(slow / 4, 1))
            )
            guard character != .lossFree else { return link }
            link.lossPerMille = dice.pick([0, 10, 50, 150, 300])
            link.duplicationPerMille = dice.pick([0, 0, 30, 150])
            link.detourPerMille = dice.pick([0, 20, 100])
            link.detour = dice.span(milliseconds: 100...4000)
            link.corruptionPerMille = dice.pick([0, 0, 10, 40])
            link.truncationPerMille = dice.pick([0, 0, 10])
            return link
        }
    }

    private mutating func peerings(_ scenario: Scenario) -> [PeeringPlan] {
        let count = scenario.gateways.count
        var result: [PeeringPlan] = []
        for left in 0..<count {
            for right in left + 1..<count {
                // A star around the first gateway, and some ways across.
                guard left == 0 || dice.chance(perMille: 250) else { continue }
                // Two boxes that let nobody in keep their gateways apart for good.
                let ends = [left, right].map { scenario.gateways[$0] }
                guard ends.contains(where: \.isReachable) else { continue }
                var peerings = PeeringGenerator(dice: Dice(seed: seed, stream: dice.next()))
                var plan = peerings.peering(result.count, left, right, scenario)
                // Dice of their own: what else a seed means stays as it is without tickets.
                var resumption = Dice(seed: seed, stream: 900_000 + UInt64(result.count))
                if resumption.chance(perMille: 350) {
                    // An end without them must do as well.
                    let isWhole = resumption.chance(perMille: 850)
                    for place in isWhole ? [0, 1] : [resumption.below(2)] {
                        plan.ends[place].resumes = true
                    }
                }
                plan.transport = TransportPlan(seed, plan.number, scenario.timeline)
                result.append(plan)
            }
        }
        return result
    }
}
