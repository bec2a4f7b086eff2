internal import IPsecPrimitives

/// What an outbound SA does against the analysis of its traffic, apart from the SA's own memory, for
/// most do nothing.
@safe struct TrafficFlow: ~Copyable {
    private let padding: PaddingTarget
    /// Nil where packets go as they come.
    let trainParameters: TrainParameters?
    /// The length in octets that inner packets are brought to; 0 for none.
    private(set) var paddedOctets = 0
    private(set) var dummyOctets = 0
    /// Octets of a whole outer packet of the train, and of its AGGFRAG payload.
    private(set) var outerOctets = 0
    private(set) var payloadOctets = 0
    private let dummiesPerSecond: Int
    private var dummyPace: Pace?
    /// Packets of the SA when the schedule of dummies was last looked at.
    private var packetsBefore: UInt64 = 0
    private(set) var dummies: UInt64 = 0
    var paddingOctets: UInt64 = 0
    /// There while this SA is the one that carries it.
    var train: UnsafeMutablePointer<AggregateTrain>?
    /// Whether packets may use the SA.
    private(set) var isActive = false

    /// Nil where the SA does nothing of the kind.
    init?(_ parameters: OutboundSAParameters) {
        guard
            parameters.padding != .none || parameters.dummiesPerSecond > 0
                || parameters.train != nil
        else { return nil }
        padding = parameters.padding
        trainParameters = parameters.train
        dummiesPerSecond = parameters.train == nil ? parameters.dummiesPerSecond : 0
    }

    deinit {
        if let train = unsafe train {
            unsafe train.deinitialize(count: 1)
            unsafe train.deallocate()
        }
    }

    /// The path carries other sizes from now on.
    ///
    /// - Parameters:
    ///   - innerOctets: the largest inner packet that fits it.
    ///   - overhead: octets around an inner packet of so many, with the outer IP header.
    mutating func resize(innerOctets: Int, overhead: Int) {
        switch padding {
        case .none: paddedOctets = 0
        case .tunnelMTU: paddedOctets = innerOctets
        case .octets(let octets): paddedOctets = min(octets, innerOctets)
        }
        dummyOctets = paddedOctets > 0 ? paddedOctets : innerOctets
        payloadOctets = max(innerOctets, AggregateHeader.plainOctets + 1)
        outerOctets = payloadOctets + overhead
        if let train = unsafe train { unsafe train.pointee.pace.setUnits(outerOctets * 8) }
    }

    /// Packets may use the SA from now on.
    mutating func activate(packets: UInt64, at now: UInt64) {
        isActive = true
        packetsBefore = packets
        guard dummiesPerSecond > 0, dummyPace == nil else { return }
        var pace = Pace(units: 1, rate: UInt64(dummiesPerSecond), from: now)
        pace.advance()
        dummyPace = pace
    }

    mutating func deactivate() { isActive = false }

    /// When something is due without a packet; `max` for never.
    var due: UInt64 {
        if let train = unsafe train { return unsafe train.pointee.pace.due }
        return dummyPace?.due ?? .max
    }

    /// Whether a dummy is to be sent: since the last time nothing else was. Moves the schedule on.
    mutating func takeDummy(packets: UInt64, at now: UInt64) -> Bool {
        guard dummyPace != nil else { return false }
        _ = dummyPace?.leaveOut(at: now)
        guard let pace = dummyPace, pace.due <= now else { return false }
        dummyPace?.advance()
        let isQuiet = packets == packetsBefore
        packetsBefore = packets &+ (isQuiet ? 1 : 0)
        if isQuiet { dummies += 1 }
        return isQuiet
    }

    var counts: TrafficFlowCounts {
        var counts = TrafficFlowCounts()
        counts.dummies = dummies
        counts.paddingOctets = paddingOctets
        guard let train = unsafe train else { return counts }
        counts.paddingOctets += unsafe train.pointee.packer.paddingOctets
        counts.train = unsafe TrainCounts(train.pointee)
        return counts
    }
}

/// What an SA has done against the analysis of its traffic.
package struct TrafficFlowCounts: Hashable, Sendable {
    /// Packets without content, sent or received.
    package var dummies: UInt64 = 0
    /// Octets that hide lengths; of those received, as far as they are seen.
    package var paddingOctets: UInt64 = 0
    /// Of the train that is sent.
    package var train: TrainCounts?
    /// Of the train that is received.
    package var unpacking: UnpackingCounts?

    package init() {}
}

/// A train, outbound; its counts go with it from an SA to the next.
package struct TrainCounts: Hashable, Sendable {
    /// Outer packets.
    package var sent: UInt64
    package var leftOut: UInt64
    /// Inner packets and their octets that have left.
    package var packets: UInt64
    package var octets: UInt64
    package var refused: UInt64
    package var waitingPackets: Int
    package var waitingOctets: Int
    /// Nanoseconds.
    package var lastDelay: UInt64
    package var longestDelay: UInt64
    package var interval: UInt64

    init(_ train: borrowing AggregateTrain) {
        sent = train.sent
        leftOut = train.leftOut
        packets = train.packer.packets
        octets = train.packer.octets
        refused = train.refused
        waitingPackets = train.packer.waitingPackets
        waitingOctets = train.packer.waitingOctets
        lastDelay = train.packer.lastDelay
        longestDelay = train.packer.longestDelay
        interval = train.pace.interval / UInt64(train.pace.burst)
    }
}

/// A train, inbound.
package struct UnpackingCounts: Hashable, Sendable {
    /// Inner packets.
    package var packets: UInt64
    /// Outer packets that never came.
    package var missing: UInt64
    /// Inner packets whose rest never came.
    package var incomplete: UInt64

    init(_ unpacker: borrowing AggregateUnpacker) {
        packets = unpacker.packets
        missing = unpacker.missing
        incomplete = unpacker.incomplete
    }
}
