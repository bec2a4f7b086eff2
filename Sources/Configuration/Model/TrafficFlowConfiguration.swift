/// To what length a tunnel brings its packets (RFC 4303 §2.7).
package enum PaddingLength: Hashable, Sendable {
    /// To none.
    case off
    /// The largest that fits the path.
    case mtu
    /// Bytes of inner packet; longer ones stay as they are.
    case bytes(Int)
}

/// A train of equal packets at an even pace, whatever a tunnel carries (`ip-tfs`, RFC 9347).
package struct TrainConfiguration: Equatable, Sendable {
    /// Bits a second, with all headers.
    package var rate: Located<UInt64>
    /// Bytes of each outer packet; nil: what the path carries.
    package var packetSize: Located<Int?>
    /// How long a packet waits at most.
    package var queue: Located<Duration>
    /// Outer packets that may come before one that was sent earlier.
    package var reorderWindow: Located<Int>
    /// Whether the tunnel does without where the peer cannot, or will not, do it.
    package var isOptional: Located<Bool>

    package init(rate: Located<UInt64>) {
        self.rate = rate
        packetSize = Located(nil, at: rate.location)
        queue = Located(.milliseconds(100), at: rate.location)
        reorderWindow = Located(3, at: rate.location)
        isOptional = Located(false, at: rate.location)
    }
}
