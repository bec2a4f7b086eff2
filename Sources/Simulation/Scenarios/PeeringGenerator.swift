internal import IPsecPrimitives

/// Makes the configuration of two gateways for one another.
struct PeeringGenerator {
    private var dice: Dice

    init(dice: Dice) { self.dice = dice }

    mutating func peering(
        _ number: Int,
        _ left: Int,
        _ right: Int,
        _ scenario: Scenario
    ) -> PeeringPlan {
        let secret = "secret \(scenario.seed) of \(left) and \(right)"
        let ike = ikeProposals()
        let knows = [left, right].map { scenario.gateways[$0].isReachable }
        let ends = [left, right].enumerated().map { place, gateway in
            EndPlan(
                localIdentity: "g\(gateway).example",
                remoteIdentity: "g\(place == 0 ? right : left).example",
                secret: secret,
                ikeProposals: ike,
                encapsulation: dice.pick(["auto", "auto", "auto", "udp"]),
                liveness: dice.within(5...20),
                ikeLifetime: dice.within(80...300),
                keepalive: dice.within(10...20),
                firstRetransmission: dice.within(500...2000),
                tries: dice.within(4...6),
                window: dice.pick([1, 1, 4, 8]),
                fragmentSize: dice.pick([1280, 1280, 576]),
                knowsPeer: knows[1 - place]
            )
        }
        let tunnels = (0..<dice.pick([1, 1, 2, 3])).map { tunnel($0, left, right, ends) }
        var plan = PeeringPlan(
            number: number,
            gateways: [left, right],
            ends: ends,
            tunnels: tunnels,
            mismatch: .none
        )
        if dice.chance(perMille: 120) {
            plan.set(dice.pick(Mismatch.common), at: dice.below(2))
        }
        return plan
    }

    private mutating func ikeProposals() -> [String] {
        dice.pick([
            ["aes128gcm16-prfsha256-x25519"], ["aes256gcm16-prfsha384-x25519"],
            ["aes128-sha256-x25519"], ["chacha20poly1305-prfsha256-x25519"],
            ["aes256-sha512-ecp256", "aes128gcm16-prfsha256-x25519"],
            ["aes256gcm16-prfsha256-x25519-ke1_mlkem768"],
            ["aes256gcm16-prfsha384-ecp384-ke1_mlkem768-ke2_mlkem1024", "aes256-sha256-x25519"],
        ])
    }

    private mutating func tunnel(
        _ index: Int,
        _ left: Int,
        _ right: Int,
        _ ends: [EndPlan]
    ) -> TunnelPlan {
        let isV6 = dice.chance(perMille: 150)
        let near = network(left, right, index, isV6: isV6)
        let far = network(right, left, index, isV6: isV6)
        let esp = dice.pick([
            ["aes128gcm16"], ["aes256gcm16-x25519"], ["aes128-sha256-esn-noesn"],
            ["chacha20poly1305", "aes128gcm16"], ["aes128gcm16-x25519", "aes128gcm16"],
            ["aes256gcm16-x25519-ke1_mlkem768"],
        ])
        let starts = startModes(ends)
        let lifetime = dice.within(60...150)
        return TunnelPlan(
            name: "t\(index)",
            ends: [(near, far, starts[0]), (far, near, starts[1])].map { local, remote, start in
                TunnelEndPlan(
                    local: [local],
                    remote: [remote],
                    espProposals: esp,
                    start: start,
                    lifetime: dice.chance(perMille: 500) ? lifetime : dice.within(60...150),
                    lifetimePackets: nil
                )
            }
        )
    }

    /// Who begins: an end that does not know its peer cannot, and waits.
    private mutating func startModes(_ ends: [EndPlan]) -> [String] {
        let wishes = ends.map { end in
            end.knowsPeer
                ? dice.pick(["at-boot", "at-boot", "on-traffic", "on-traffic"]) : "by-hand"
        }
        return wishes
    }

    private func network(_ own: Int, _ other: Int, _ index: Int, isV6: Bool) -> SelectorPlan {
        let text =
            isV6
            ? "2001:db8:\((own + 1) % 10_000):\(((other + 1) * 16 + index) % 10_000)::/64"
            : "10.\((own + 1) % 256).\(((other + 1) * 16 + index) % 256).0/24"
        return SelectorPlan(network: IPPrefix(text)!)
    }
}
