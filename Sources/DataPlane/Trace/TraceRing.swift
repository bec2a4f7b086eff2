package import PacketProtection
internal import Synchronization

/// Records on their way from one worker to control: a ring of bounded size that the worker never
/// waits for.
///
/// `@unchecked Sendable` because the ring is plain memory. What makes it right: exactly one thread
/// calls `take` and exactly one `next`; octets are written before `tail` is released and read after
/// `tail` was acquired, and are used again only after `head` was released in turn.
@safe package final class TraceRing: TraceSink, @unchecked Sendable {
    /// A record and its octets, or, of length zero, that what follows begins at the ring's start.
    private struct Header: BitwiseCopyable {
        /// Octets to the next header.
        var length: Int
        var record: TraceRecord
    }

    /// What control takes out of the ring.
    package struct Entry {
        package let record: TraceRecord
        package let octets: [UInt8]
    }

    private let memory: UnsafeMutableRawPointer
    private let capacity: Int
    /// Octets taken out so far; written by the receiver.
    private let head = Atomic<Int>(0)
    /// Octets put in so far; written by the worker.
    private let tail = Atomic<Int>(0)
    private let lost = Atomic<Int>(0)
    private let beyondRate = Atomic<Int>(0)

    private static let alignment = 16

    /// - Parameter octets: a power of two.
    init(octets: Int) {
        precondition(octets >= 4096 && octets & (octets - 1) == 0)
        capacity = octets
        unsafe memory = .allocate(byteCount: octets, alignment: TraceRing.alignment)
    }

    deinit { unsafe memory.deallocate() }

    /// Records for which there was no room.
    package var lostRecords: Int { lost.load(ordering: .relaxed) }
    package var recordsBeyondRate: Int { beyondRate.load(ordering: .relaxed) }

    package func countBeyondRate() {
        beyondRate.store(beyondRate.load(ordering: .relaxed) + 1, ordering: .relaxed)
    }

    package func take(_ record: TraceRecord, _ octets: UnsafeRawBufferPointer) {
        let wanted = MemoryLayout<Header>.stride + octets.count
        let length = (wanted + TraceRing.alignment - 1) & ~(TraceRing.alignment - 1)
        var position = tail.load(ordering: .relaxed)
        let used = position - head.load(ordering: .acquiring)
        let toEnd = capacity - (position & (capacity - 1))
        let skipped = toEnd < length ? toEnd : 0
        guard used + skipped + length <= capacity else {
            lost.store(lost.load(ordering: .relaxed) + 1, ordering: .relaxed)
            return
        }
        if skipped > 0 {
            unsafe (memory + (position & (capacity - 1))).storeBytes(of: 0, as: Int.self)
            position += skipped
        }
        let place = unsafe memory + (position & (capacity - 1))
        unsafe place.storeBytes(of: Header(length: length, record: record), as: Header.self)
        if let source = octets.baseAddress {
            unsafe (place + MemoryLayout<Header>.stride).copyMemory(
                from: source,
                byteCount: octets.count
            )
        }
        tail.store(position + length, ordering: .releasing)
    }

    /// The oldest record, or nil.
    package func next() -> Entry? {
        var position = head.load(ordering: .relaxed)
        guard position != tail.load(ordering: .acquiring) else { return nil }
        if unsafe (memory + (position & (capacity - 1))).load(as: Int.self) == 0 {
            position += capacity - (position & (capacity - 1))
        }
        let place = unsafe memory + (position & (capacity - 1))
        let header = unsafe place.load(as: Header.self)
        let octets = unsafe UnsafeRawBufferPointer(
            start: place + MemoryLayout<Header>.stride,
            count: Int(header.record.captured)
        )
        let entry = unsafe Entry(record: header.record, octets: Array(octets))
        head.store(position + header.length, ordering: .releasing)
        return entry
    }
}
