/// To what length the packets of an SA are brought (RFC 4303 §2.7).
package enum PaddingTarget: Hashable, Sendable {
    /// To none: what the cipher needs is all.
    case none
    /// The largest that fits the path.
    case tunnelMTU
    /// So many octets of inner packet; longer ones stay as they are.
    case octets(Int)
}

/// A train of equal packets at an even pace that carries everything an SA carries (RFC 9347).
package struct TrainParameters: Hashable, Sendable {
    /// Octets of the inner packets and the padding in each second, with all headers around them.
    package var bitsPerSecond: UInt64
    /// The largest outer packet in octets, with its IP header; nil: what the path carries.
    package var packetOctets: Int?
    /// How long an inner packet waits at most where the queue is full.
    package var queueDelay = Duration.milliseconds(100)
    /// Whether the peer puts inner packets together from several outer ones (the D flag, §6.1.4).
    package var peerTakesFragments = true

    package init(bitsPerSecond: UInt64) { self.bitsPerSecond = bitsPerSecond }
}

/// How what comes as a train is taken apart (RFC 9347 §2.2.3, §2.5).
package struct ReassemblyParameters: Hashable, Sendable {
    /// Outer packets that may come before one that was sent earlier; 0: none may.
    package var reorderWindow = 3
    /// How long an outer packet that is missing is waited for.
    package var lossTimeout = Duration.milliseconds(20)

    package static let reorderWindowRange = 0...64

    package init() {}
}
