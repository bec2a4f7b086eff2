internal import IPsecPrimitives

/// A great many gateways around one: the load of a head office.
package enum CrowdGenerator {
    package static func scenario(gateways count: Int, seed: UInt64) -> Scenario {
        let start = VirtualTime.start
        let calm = start + .seconds(120)
        var scenario = Scenario(
            seed: seed,
            character: .lossFree,
            gateways: (0..<count).map {
                GatewayPlan(index: $0, address: address($0), cookieThreshold: 32)
            },
            peerings: [],
            // One way for all.
            conditions: [LinkConditions(delay: .milliseconds(20), jitter: .milliseconds(5))],
            faults: [],
            timeline: Timeline(
                calm: calm,
                settled: calm + .seconds(150),
                closing: calm + .seconds(450),
                end: calm + .seconds(540)
            ),
            probeInterval: .seconds(20)
        )
        scenario.peerings = (1..<count).map { peering($0, scenario) }
        return scenario
    }

    private static func address(_ index: Int) -> IPAddress {
        .v4(IPv4Address(bits: 0xC612_0000 + UInt32(index) + 1))
    }

    private static func peering(_ spoke: Int, _ scenario: Scenario) -> PeeringPlan {
        var peerings = PeeringGenerator(dice: Dice(seed: scenario.seed, stream: UInt64(spoke)))
        var plan = peerings.peering(spoke - 1, 0, spoke, scenario)
        plan.mismatch = .none
        for place in 0...1 {
            plan.ends[place].secret = "secret of \(spoke)"
            plan.ends[place].localIdentity = "g\(place == 0 ? 0 : spoke).example"
            plan.ends[place].remoteIdentity = "g\(place == 0 ? spoke : 0).example"
            plan.ends[place].ikeProposals = ["aes128gcm16-prfsha256-x25519"]
            plan.ends[place].ikeLifetime = 600
        }
        let near = SelectorPlan(network: IPPrefix("10.0.0.0/16")!)
        let bits = 0x0B00_0000 + UInt32(spoke) << 8
        let far = SelectorPlan(
            network: IPPrefix(address: .v4(IPv4Address(bits: bits)), length: 24)!
        )
        plan.tunnels = [
            TunnelPlan(
                name: "t0",
                ends: [(near, far, "on-traffic"), (far, near, "at-boot")].map {
                    TunnelEndPlan(
                        local: [$0],
                        remote: [$1],
                        espProposals: ["aes128gcm16"],
                        start: $2,
                        lifetime: 240,
                        lifetimePackets: nil
                    )
                }
            )
        ]
        return plan
    }
}
