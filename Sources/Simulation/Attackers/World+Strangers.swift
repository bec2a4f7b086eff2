internal import IKEMessages
internal import IPsecPrimitives

// Attackers who begin an IKE SA themselves, and try to get by without a proof.
extension World {
    private static let strangerLimit = 40

    func approach(_ target: Int) {
        let peerings = scenario.peerings.filter {
            $0.gateways.contains(target) && $0.end(of: target).knowsPeer
        }
        guard !peerings.isEmpty, attackers.strangers.count < World.strangerLimit else { return }
        var random: any RandomSource = GatewayRandomness(
            seed: scenario.seed,
            gateway: 1000 + attackers.strangers.count,
            life: 0,
            purpose: 0
        )
        guard
            let stranger = Stranger(
                scenario,
                peering: attackers.dice.pick(peerings),
                target: target,
                random: &random
            )
        else { return }
        attackers.strangers.append(stranger)
        inject(
            "stranger",
            WireDatagram(
                carrier: .udp,
                source: stranger.source,
                destination: stranger.destination,
                bytes: stranger.request
            )
        )
    }

    /// Strangers hear what is sent in answer to them.
    func tellStrangers(_ datagram: WireDatagram) {
        guard !attackers.strangers.isEmpty, let message = datagram.ikeMessage else { return }
        for index in attackers.strangers.indices where attackers.strangers[index].hears(message) {
            intrude(index)
        }
    }

    private func intrude(_ index: Int) {
        var random: any RandomSource = GatewayRandomness(
            seed: scenario.seed,
            gateway: 1000 + index,
            life: 1,
            purpose: 0
        )
        var stranger = attackers.strangers[index]
        defer { attackers.strangers[index] = stranger }
        let nonce = Payload.nonce(NoncePayload(nonce: random.bytes(32)))
        var messages: [[UInt8]?] = []
        switch attackers.dice.below(7) {
        case 0:
            messages = [stranger.seal(.createChildSA, 1, [nonce] + stranger.child(random: &random))]
        case 1: messages = [stranger.seal(.informational, 1, [.delete(.ikeSA)])]
        case 2: messages = [stranger.seal(.informational, 1, [])]
        case 3: messages = [stranger.seal(.ikeAuth, 1, stranger.proof(nil, random: &random))]
        case 4:
            messages = [
                stranger.seal(.ikeAuth, 1, stranger.proof(random.bytes(32), random: &random)),
                stranger.seal(.createChildSA, 2, [nonce] + stranger.child(random: &random)),
            ]
        case 5:
            messages = [
                stranger.seal(.ikeAuth, 1, stranger.proof([], random: &random)),
                stranger.seal(.ikeAuth, 2, stranger.proof(random.bytes(32), random: &random)),
            ]
        default:
            messages = [
                stranger.seal(.createChildSA, 0, [nonce] + stranger.child(random: &random)),
                stranger.seal(.createChildSA, 1, [nonce] + stranger.child(random: &random)),
                stranger.seal(.ikeAuth, 1, stranger.proof(random.bytes(32), random: &random)),
            ]
        }
        for message in messages.compactMap(\.self) {
            inject(
                "intrusion",
                WireDatagram(
                    carrier: .udp,
                    source: stranger.source,
                    destination: stranger.destination,
                    bytes: message
                )
            )
        }
    }
}
