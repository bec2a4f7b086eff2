internal import IPsecPrimitives

/// Somebody who hears everything on the outside, and says what he likes.
struct Attackers {
    struct Overheard {
        let datagram: WireDatagram
        let from: Int
    }

    /// When they strike.
    let times: [UInt64]
    private(set) var heard: [Overheard] = []
    private var next = 0
    var dice: Dice
    /// Of what they say in the place of gateways that redirect.
    var redirectDice: Dice
    let isActive: Bool
    /// Those who talk to a gateway as if they were a peer.
    var strangers: [Stranger] = []

    private static let memory = 400

    init(_ scenario: Scenario) {
        dice = Dice(seed: scenario.seed, stream: 5)
        redirectDice = Dice(seed: scenario.seed, stream: RedirectGenerator.stream + 1)
        isActive = scenario.character == .hostile && scenario.hasAttackers
        guard isActive else {
            times = []
            return
        }
        let last = Int((scenario.timeline.calm - VirtualTime.start) / .milliseconds(1))
        let count = dice.within(50...600)
        var dice = dice
        times = (0..<count).map { _ in VirtualTime.start + .milliseconds(dice.within(500...last)) }
        self.dice = dice
    }

    mutating func overhear(_ datagram: WireDatagram, from gateway: Int) {
        guard isActive else { return }
        let entry = Overheard(datagram: datagram, from: gateway)
        if heard.count < Attackers.memory {
            heard.append(entry)
        } else {
            heard[next] = entry
            next = (next + 1) % Attackers.memory
        }
    }

    mutating func pick() -> Overheard? { heard.isEmpty ? nil : dice.pick(heard) }

    /// A few octets are others, and the end may be missing. An octet that is put in the place of
    /// another could be the same: whether anything is damaged would depend on what the keys make of
    /// it.
    mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
        guard !bytes.isEmpty else { return bytes }
        var result = bytes
        for _ in 0..<dice.within(1...4) {
            let place = dice.below(result.count)
            result[place] ^= UInt8(dice.within(1...255))
        }
        if dice.chance(perMille: 300) { result.removeLast(dice.below(result.count)) }
        return result
    }
}
