/// Inner packets that wait for their place in a train, in the order they came; bounded in octets and
/// in packets, with memory taken once.
///
/// They lie behind one another in twice the octets that may wait. When the end is reached, what waits
/// moves to the beginning: each octet at most once while as many others pass.
@safe struct AggregateQueue: ~Copyable {
    private struct Entry {
        var octets: Int
        var since: UInt64
    }

    private let memory: UnsafeMutableRawPointer
    private let entries: UnsafeMutablePointer<Entry>
    /// Octets that may wait.
    let limit: Int
    private let maximumPackets: Int
    private var head = 0
    private var tail = 0
    private var first = 0
    /// Packets that wait, one of which a part may have left.
    private(set) var count = 0

    /// Packets are rarely shorter on average.
    private static let octetsPerEntry = 64
    private static let leastEntries = 64

    init(octets: Int) {
        limit = octets
        maximumPackets = max(octets / AggregateQueue.octetsPerEntry, AggregateQueue.leastEntries)
        unsafe memory = .allocate(byteCount: 2 * octets, alignment: 64)
        unsafe entries = .allocate(capacity: maximumPackets)
    }

    deinit {
        unsafe memory.deallocate()
        unsafe entries.deallocate()
    }

    /// Octets that wait.
    var octets: Int { tail - head }

    /// Room for a packet of `length` octets, which the caller fills before anything else is asked of
    /// the queue; nil where it is full.
    mutating func append(_ length: Int, at now: UInt64) -> UnsafeMutableRawPointer? {
        guard count < maximumPackets, octets + length <= limit else { return nil }
        if tail + length > 2 * limit {
            unsafe memory.copyMemory(from: memory + head, byteCount: octets)
            tail -= head
            head = 0
        }
        let place = unsafe memory + tail
        tail += length
        var index = first + count
        if index >= maximumPackets { index -= maximumPackets }
        unsafe entries[index] = Entry(octets: length, since: now)
        count += 1
        return unsafe place
    }

    /// The packet in front. Precondition: `count` is above 0.
    var front: UnsafeMutableRawPointer { unsafe memory + head }
    var frontOctets: Int { unsafe entries[first].octets }
    var frontSince: UInt64 { unsafe entries[first].since }

    /// Precondition: `count` is above 0.
    mutating func removeFront() {
        head += unsafe entries[first].octets
        first += 1
        if first == maximumPackets { first = 0 }
        count -= 1
        if count == 0 {
            head = 0
            tail = 0
        }
    }
}
