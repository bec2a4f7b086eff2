internal import IPsecPrimitives

/// The train of one tunnel: its pace, and what waits to go by it. It goes over to the SA's successor
/// at a rekey, so that neither the pace nor a packet is lost.
@safe struct AggregateTrain: ~Copyable {
    var pace: Pace
    var packer: AggregatePacker
    /// Octets that inner packets may have.
    let largestPacket: Int
    private(set) var sent: UInt64 = 0
    /// Packets of the train that were left out, because the worker came too late.
    private(set) var leftOut: UInt64 = 0
    /// Inner packets that found the queue full.
    private(set) var refused: UInt64 = 0

    private static let queueOctets = 32_768...16_777_216

    init(_ parameters: TrainParameters, outerOctets: Int, at now: UInt64) {
        let octets = AggregateTrain.queueOctets(parameters)
        pace = Pace(units: outerOctets * 8, rate: parameters.bitsPerSecond, from: now)
        packer = AggregatePacker(queueOctets: octets, fragments: parameters.peerTakesFragments)
        largestPacket = AggregateTrain.largestPacket(parameters)
    }

    /// What the rate carries away while a packet may wait.
    private static func queueOctets(_ parameters: TrainParameters) -> Int {
        let delay = UInt64(max(parameters.queueDelay.wholeNanoseconds / 1_000_000, 1))
        let octets = Int(clamping: parameters.bitsPerSecond / 8 * delay / 1000)
        return min(max(octets, queueOctets.lowerBound), queueOctets.upperBound)
    }

    /// The largest inner packet that such a train takes at all.
    static func largestPacket(_ parameters: TrainParameters) -> Int {
        min(queueOctets(parameters), DataBlock.largestPacket)
    }

    mutating func noteSent() { sent += 1 }

    mutating func noteRefused() { refused += 1 }

    /// Leaves out what is due for too long.
    mutating func catchUp(at now: UInt64) {
        leftOut += UInt64(pace.leaveOut(at: now))
    }

    /// Passes a packet over that no SA carries now.
    mutating func passOver() {
        leftOut += 1
        pace.advance()
    }
}
