internal import IPsecPrimitives

/// Reproducible choices. Each purpose rolls dice of its own, so that leaving one purpose out does
/// not change what the others see.
struct Dice {
    private var state: UInt64

    init(seed: UInt64, stream: UInt64) {
        state = Dice.mix(seed &* 0x9e37_79b9_7f4a_7c15 ^ Dice.mix(stream &+ 0x632b_e59b_d9b4_e019))
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return Dice.mix(state)
    }

    /// 0 to `count` - 1. Precondition: `count` is positive.
    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }

    mutating func within(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.count)
    }

    mutating func chance(perMille: Int) -> Bool { below(1000) < perMille }

    mutating func pick<Element>(_ items: [Element]) -> Element { items[below(items.count)] }

    /// A span in nanoseconds, given in milliseconds.
    mutating func span(milliseconds range: ClosedRange<Int>) -> UInt64 {
        let low = UInt64(range.lowerBound) * 1_000_000
        let width = UInt64(range.upperBound - range.lowerBound) * 1_000_000
        return low + (width == 0 ? 0 : next() % (width + 1))
    }

    /// SplitMix64's finisher.
    static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

/// What a gateway draws: a stream of its own for each life of each gateway.
struct GatewayRandomness: RandomSource {
    private var dice: Dice

    init(seed: UInt64, gateway: Int, life: Int, purpose: UInt64) {
        dice = Dice(seed: seed, stream: 1000 + UInt64(gateway) * 4096 + UInt64(life) * 4 + purpose)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count {
            var word = dice.next()
            for _ in 0..<min(8, count - result.count) {
                result.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
            }
        }
        return result
    }
}
