/// By what the messages of a peering may travel, and when the network between the two passes no
/// UDP.
package struct TransportPlan: Sendable {
    package struct Block: Sendable {
        let from: UInt64
        /// Nil: for good.
        let to: UInt64?
    }

    /// In the words of a configuration, the same at both ends.
    var word = "udp"
    /// Seconds.
    var udpRetry = 600
    var blocks: [Block] = []

    init() {}

    /// Rolled with dice of their own: what else a seed means stays as it was.
    init(_ seed: UInt64, _ peering: Int, _ timeline: Timeline) {
        var dice = Dice(seed: seed, stream: 0x7463_7000_0000 + UInt64(peering))
        guard dice.chance(perMille: 300) else { return }
        word = dice.pick(["auto", "auto", "auto", "tcp"])
        udpRetry = dice.within(20...200)
        let start = VirtualTime.start
        let length = Int((timeline.calm - start) / .seconds(1))
        switch dice.below(word == "auto" ? 4 : 2) {
        case 0: blocks = [Block(from: start, to: nil)]
        case 1: break
        case 2:
            let from = dice.within(0...length / 2)
            blocks = [
                Block(
                    from: start + .seconds(from),
                    to: start + .seconds(from + dice.within(20...length / 2))
                )
            ]
        default: blocks = [Block(from: start + .seconds(dice.within(0...length)), to: nil)]
        }
    }
}
