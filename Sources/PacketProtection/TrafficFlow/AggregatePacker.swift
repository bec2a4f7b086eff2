/// The sending end of AGGFRAG: inner packets in, payloads of one size out (RFC 9347 §2.2).
@safe struct AggregatePacker: ~Copyable {
    private var queue: AggregateQueue
    /// Octets of the packet in front that have left.
    private var sent = 0
    /// Whether a packet may go in several payloads.
    private let fragments: Bool
    private(set) var packets: UInt64 = 0
    private(set) var octets: UInt64 = 0
    private(set) var paddingOctets: UInt64 = 0
    /// Packets that no payload can hold any more, because payloads became smaller.
    private(set) var tooLong: UInt64 = 0
    /// How long the last packet waited until its end had left, in nanoseconds, and the longest that
    /// one did.
    private(set) var lastDelay: UInt64 = 0
    private(set) var longestDelay: UInt64 = 0

    /// A block is not begun in less room: its receiver would have to wait even for the length.
    private static let leastBeginning = 40

    init(queueOctets: Int, fragments: Bool) {
        queue = AggregateQueue(octets: queueOctets)
        self.fragments = fragments
    }

    var waitingPackets: Int { queue.count }
    var waitingOctets: Int { queue.octets - sent }

    /// Room for an inner packet, which the caller fills at once; nil where the queue is full.
    mutating func append(_ length: Int, at now: UInt64) -> UnsafeMutableRawPointer? {
        unsafe queue.append(length, at: now)
    }

    /// From here on another SA carries the train: what one has begun to send, the other sends from
    /// its beginning (RFC 9347 §2.2.3).
    mutating func beginAnew() { sent = 0 }

    /// Writes a whole payload: header, what waits, and padding. Precondition: there are `size` octets
    /// at `bytes`, more than the header.
    mutating func write(to bytes: UnsafeMutableRawPointer, size: Int, at now: UInt64) {
        let header = AggregateHeader(blockOffset: sent > 0 ? queue.frontOctets - sent : 0)
        unsafe header.write(to: bytes)
        var target = unsafe bytes + header.octets
        var room = size - header.octets
        let whole = room
        while room > 0, queue.count > 0 {
            let left = queue.frontOctets - sent
            if sent == 0, left > room {
                if !fragments, left > whole {
                    tooLong += 1
                    queue.removeFront()
                    continue
                }
                if !fragments || room < AggregatePacker.leastBeginning { break }
            }
            let part = min(left, room)
            unsafe target.copyMemory(from: queue.front + sent, byteCount: part)
            unsafe target += part
            room -= part
            octets += UInt64(part)
            if part < left {
                sent += part
                break
            }
            finishFront(at: now)
        }
        // RFC 9347 §6.1.3.3: a first nibble of zero, and the rest is padding.
        if room > 0 {
            _ = unsafe target.initializeMemory(as: UInt8.self, repeating: 0, count: room)
            paddingOctets += UInt64(room)
        }
    }

    private mutating func finishFront(at now: UInt64) {
        sent = 0
        packets += 1
        lastDelay = now > queue.frontSince ? now - queue.frontSince : 0
        longestDelay = max(longestDelay, lastDelay)
        queue.removeFront()
    }
}
