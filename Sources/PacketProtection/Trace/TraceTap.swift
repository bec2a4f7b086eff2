/// Takes records from one worker. Never waits: what it has no room for, it counts and lets go.
package protocol TraceSink: AnyObject, Sendable {
    /// - Parameter octets: `record.captured` of them.
    func take(_ record: TraceRecord, _ octets: UnsafeRawBufferPointer)
    /// A packet that the filter lets pass, beyond what may be shown a second.
    func countBeyondRate()
}

/// What a worker is given when somebody wants to see its packets.
package struct TraceTap: Sendable {
    package let identifier: UInt64
    package let filter: TraceFilter
    package let sink: any TraceSink

    package init(identifier: UInt64, filter: TraceFilter, sink: any TraceSink) {
        self.identifier = identifier
        self.filter = filter
        self.sink = sink
    }
}

/// What one direction of the packet path notes of its packets while somebody wants to see them.
///
/// What became of a packet shows in what it changed: the counters of drops, the batch, the packets
/// that wait. So nothing is noted, and nothing asked, where nobody looks.
@safe struct TraceNotes: ~Copyable {
    private struct Reader {
        let tap: TraceTap
        var seen = 0
        var limit: RateLimit
    }

    private var readers: [Reader] = []
    /// Counters of drops before the packet.
    private let before: UnsafeMutablePointer<UInt64>
    /// The beginning of a packet before it is changed; there while somebody wants it.
    private var copy: UnsafeMutableRawPointer?
    private var copied = 0
    private var wanted = 0

    private static let copyOctets = 65_536

    init() {
        unsafe before = .allocate(capacity: DropReason.allCases.count)
    }

    deinit {
        unsafe before.deallocate()
        unsafe copy?.deallocate()
    }

    var isOn: Bool { !readers.isEmpty }
    /// Whether anybody wants the packets themselves.
    var isCapturing: Bool { wanted > 0 }

    mutating func begin(_ tap: TraceTap) {
        readers.append(Reader(tap: tap, limit: RateLimit(perSecond: tap.filter.perSecond)))
        settle()
    }

    mutating func end(_ identifier: UInt64) {
        readers.removeAll { $0.tap.identifier == identifier }
        settle()
    }

    private mutating func settle() {
        wanted = min(
            readers.map(\.tap.filter.captureOctets).max() ?? 0,
            TraceNotes.copyOctets
        )
        if wanted > 0, unsafe copy == nil {
            unsafe copy = .allocate(byteCount: TraceNotes.copyOctets, alignment: 64)
        } else if wanted == 0 {
            unsafe copy?.deallocate()
            unsafe copy = nil
        }
    }

    /// Remembers the counters and, where it is wanted, the packet.
    func mark(_ drops: borrowing DropCounters) {
        for reason in DropReason.allCases {
            unsafe before[Int(reason.rawValue)] = drops.current(reason)
        }
    }

    mutating func keep(_ bytes: UnsafeRawPointer, _ count: Int) {
        copied = 0
        guard wanted > 0, let copy = unsafe copy else { return }
        copied = max(min(count, wanted), 0)
        unsafe copy.copyMemory(from: bytes, byteCount: copied)
    }

    /// What `keep` has kept.
    var kept: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: copy, count: unsafe copy == nil ? 0 : copied)
    }

    /// The reason for which something was dropped since `mark`.
    func reason(_ drops: borrowing DropCounters) -> DropReason? {
        DropReason.allCases.first { unsafe before[Int($0.rawValue)] != drops.current($0) }
    }

    /// Hands a record to those who want it.
    ///
    /// - Parameter datagram: called for each of them who wants the datagrams too, after the record.
    mutating func offer(
        _ record: TraceRecord,
        inner: UnsafeRawBufferPointer,
        datagrams: (TraceTap) -> Void = { _ in }
    ) {
        for index in readers.indices {
            let tap = readers[index].tap
            guard tap.filter.matches(record) else { continue }
            readers[index].seen += 1
            guard (readers[index].seen - 1) % max(tap.filter.sample, 1) == 0 else { continue }
            guard readers[index].limit.allows(atNanoseconds: record.time) else {
                tap.sink.countBeyondRate()
                continue
            }
            let wanted = tap.filter.captureOctets
            unsafe TraceNotes.hand(record, inner, upTo: wanted, to: tap.sink)
            if wanted > 0 { datagrams(tap) }
        }
    }

    static func hand(
        _ record: TraceRecord,
        _ octets: UnsafeRawBufferPointer,
        upTo limit: Int,
        to sink: any TraceSink
    ) {
        var record = record
        let count = min(octets.count, limit)
        record.captured = UInt32(count)
        unsafe sink.take(record, UnsafeRawBufferPointer(rebasing: octets.prefix(count)))
    }
}
