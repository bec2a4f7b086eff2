/// Whether the next packet of an SA is worth the try (RFC 3173 §2.2): what is compressed or encrypted already
/// gets no smaller, and the packets behind it are mostly of its kind.
struct CompressionTrials: Hashable {
    /// Packets shorter than this are sent as they are, in octets: they would hardly get smaller.
    static let threshold = 128
    /// After so many failures in a row, packets are sent without a try.
    static let patience: UInt16 = 8
    /// First so many, then twice as many each time, up to sixty-four times.
    static let firstPause: UInt16 = 16
    private static let doublings: UInt16 = 6

    private var failures: UInt16 = 0
    private var pause: UInt16 = 0

    mutating func isWorthwhile(_ length: Int) -> Bool {
        guard length >= CompressionTrials.threshold else { return false }
        guard pause == 0 else {
            pause &-= 1
            return false
        }
        return true
    }

    mutating func succeeded() { failures = 0 }

    mutating func failed() {
        if failures < CompressionTrials.patience &+ CompressionTrials.doublings { failures &+= 1 }
        guard failures >= CompressionTrials.patience else { return }
        pause = CompressionTrials.firstPause << (failures &- CompressionTrials.patience)
    }
}
