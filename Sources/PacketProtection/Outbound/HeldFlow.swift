internal import IPsecPrimitives

/// Two hosts and their protocol, in eight octets: what the peer refuses an SA for. Others that are
/// taken for the same lose no more than packets that wait.
struct HeldFlow: Equatable {
    let digest: UInt64

    init(_ packet: PacketTuple) {
        func mixed(_ value: UInt64) -> UInt64 {
            let product = value &* 0x9e37_79b9_7f4a_7c15
            return product ^ product >> 32
        }
        var result = UInt64(packet.ipProtocol)
        for address in [packet.source.bits, packet.destination.bits] {
            result = mixed(result ^ UInt64(truncatingIfNeeded: address))
            result = mixed(result ^ UInt64(truncatingIfNeeded: address >> 64))
        }
        digest = result
    }
}

/// When packets of flows have last asked for an SA, where each may get one of its own: so that those
/// of one that the peer refuses leave others their turn. Of a fixed size, so that very many flows
/// share a place now and then, and not always the same ones.
struct FlowAcquires {
    private static let count = 256
    /// In nanoseconds, for how long two flows share a place.
    private static let period: UInt64 = 8_000_000_000

    private var times = [UInt64](repeating: 0, count: FlowAcquires.count)
    private var isAsked = [Bool](repeating: false, count: FlowAcquires.count)
    private var policies = [UInt32](repeating: 0, count: FlowAcquires.count)

    /// Whether a flow may ask now; if so, it has.
    mutating func take(_ flow: HeldFlow, of policy: UInt32, at now: UInt64, every wait: UInt64)
        -> Bool
    {
        let period = now / FlowAcquires.period
        let salt = (UInt64(policy) ^ period << 32) &* 0xbf58_476d_1ce4_e5b9
        let product = (flow.digest ^ salt ^ salt >> 31) &* 0x94d0_49bb_1331_11eb
        let place = Int(truncatingIfNeeded: product >> 40) % FlowAcquires.count
        if isAsked[place], now &- times[place] < wait { return false }
        isAsked[place] = true
        times[place] = now
        policies[place] = policy
        return true
    }

    /// Everyone may ask again for an SA of a policy.
    mutating func forget(_ policy: UInt32) {
        for place in isAsked.indices where policies[place] == policy { isAsked[place] = false }
    }
}
