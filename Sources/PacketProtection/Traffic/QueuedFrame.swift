internal import IPsecPrimitives

/// A frame as it comes to a queue: what it will be cut into, and what that weighs on the link.
struct FrameShape {
    /// 1, or those of a superpacket.
    var segments = 1
    /// Octets of the outer packets of each segment but the last, and of the last.
    var segmentOctets: Int
    var lastOctets: Int
    /// Of a superpacket: octets of IP and upper-layer headers, and of payload a segment.
    var headers = 0
    var segmentPayload = 0

    init(octets: Int) {
        segmentOctets = octets
        lastOctets = octets
    }
}

/// A frame that waits.
struct QueuedFrame {
    var next: Int32 = -1
    var byteCount: Int32 = 0
    var blocks: Int32 = 0
    /// Segments that are gone, and one above the last that may go.
    var firstSegment: Int32 = 0
    var endSegment: Int32 = 0
    /// Whether the segments beyond that were dropped when it came.
    var isCut = false
    var device: UInt16 = 0
    var mark: UInt8 = 0
    var headers: Int32 = 0
    var segmentOctets: Int32 = 0
    var lastOctets: Int32 = 0
    var segmentPayload: Int32 = 0
    var since: UInt64 = 0

    var segments: Int { Int(endSegment &- firstSegment) }

    /// Of the outer packets of the next so many segments.
    func octets(ofNext count: Int) -> Int {
        count < segments || isCut
            ? count &* Int(segmentOctets)
            : (count &- 1) &* Int(segmentOctets) &+ Int(lastOctets)
    }
}

/// What leaves a queue now: a whole frame, or segments of one.
struct Departure {
    /// Its first block in the pool.
    var frame: Int
    var byteCount: Int
    var device: UInt16
    /// Which of the configured marks it has, 0 for none.
    var mark: UInt8
    var since: UInt64
    /// As in `FrameShape`; `segmentPayload` is 0 where it is the frame as it came.
    var headers: Int
    var segmentPayload: Int
    var segments: Range<Int>
    /// Whether nothing of the frame is left in the queue.
    var isLast: Bool
    /// Why it is dropped; nil where it is sent.
    var reason: DropReason?
}

/// One class of one shaper: what waits, first come first served, and what is known of it.
struct ClassQueue {
    let shaper: Int32
    /// From 0.
    let level: Int
    let weight: Int
    /// In octets of outer packets; in nanoseconds; the last in octets of what leaves at once.
    let limit: Int
    let patience: UInt64
    let target: UInt64
    let slice: Int
    /// Whether it may use memory that is kept from others.
    let isFirst: Bool
    var ceiling: TokenBucket?
    /// The ceiling is reached, and the calendar has when it is not any more.
    var isBlocked = false
    var deficit = 0
    var head: Int32 = -1
    var tail: Int32 = -1
    var blocks = 0
    var control = DelayControl()
    var counts = TrafficClassCounts()

    var isEmpty: Bool { head < 0 }

    mutating func note(delay: UInt64) {
        let mean = Int64(counts.meanDelay)
        counts.meanDelay = UInt64(max(mean + (Int64(clamping: delay) - mean) / 16, 0))
        counts.longestDelay = max(counts.longestDelay, delay)
    }
}

extension ClassQueue {
    /// Longer than any link is slow for one packet.
    private static let largestTarget: UInt64 = 500_000_000
    /// An outer packet of an ordinary link, in octets.
    static let packet = 1500
    /// How much of its rate leaves at once at most, in nanoseconds: what comes first after it waits no
    /// longer.
    private static let sliceTime = 250_000

    init(_ category: TrafficClass, of shaper: Int, rate: UInt64, isFirst: Bool, at now: UInt64) {
        self.shaper = Int32(shaper)
        level = category.priority - TrafficClass.priorities.lowerBound
        weight = category.weight
        let rate = min(rate, category.ceiling ?? .max)
        patience = UInt64(max(category.patience.wholeNanoseconds, 0))
        limit = max(
            ClassQueue.octets(rate, in: patience),
            4 * ClassQueue.packet
        )
        // On a slow link one packet takes as long as others wait in all.
        let packetTime = UInt64(ClassQueue.packet) * 8 * 1_000_000_000 / rate
        target = min(max(DelayControl.target, 2 * packetTime), ClassQueue.largestTarget)
        slice = ClassQueue.slice(rate)
        self.isFirst = isFirst
        ceiling = category.ceiling.map { TokenBucket(rate: $0, at: now) }
    }

    static func slice(_ rate: UInt64) -> Int {
        min(max(octets(rate, in: UInt64(sliceTime)), packet), 1 << 16)
    }

    private static func octets(_ rate: UInt64, in nanoseconds: UInt64) -> Int {
        let (product, isTooMuch) = rate.multipliedReportingOverflow(by: nanoseconds)
        return isTooMuch ? Int.max / 2 : Int(product / 8_000_000_000)
    }
}
