package import IPsecPrimitives

/// A worker's place among several, with what leads to the others.
package struct WorkerPassages: Sendable {
    package let place: WorkerPlace
    /// To each worker by its index; there is none to the worker itself.
    package let rings: [HandOverRing?]
    /// Where threads help with the cipher; nil where none do.
    package let desk: CipherDesk?

    package static let alone = WorkerPassages(place: .alone, rings: [nil])

    /// Precondition: as many rings as workers.
    package init(place: WorkerPlace, rings: [HandOverRing?], desk: CipherDesk? = nil) {
        precondition(rings.count == place.count)
        self.place = place
        self.rings = rings
        self.desk = desk
    }
}

/// One direction's way to the other workers: what is theirs is copied to them.
///
/// Not the fast path: a worker is asked by the kernel for what is its own, as far as the kernel can
/// tell.
@safe struct HandOver: ~Copyable {
    let place: WorkerPlace
    /// Keeps the rings.
    private let passages: WorkerPassages
    /// The rings at hand without counting references.
    private let ways: UnsafeMutablePointer<Unmanaged<HandOverRing>?>
    /// The desk at hand in the same way.
    let desk: Unmanaged<CipherDesk>?
    /// A bit for each worker that was given something since `takeWaiting`.
    private var waiting: UInt64 = 0
    private(set) var packets = 0

    init(_ passages: WorkerPassages) {
        place = passages.place
        self.passages = passages
        unsafe desk = passages.desk.map { unsafe Unmanaged.passUnretained($0) }
        unsafe ways = .allocate(capacity: passages.rings.count)
        for (index, ring) in passages.rings.enumerated() {
            unsafe (ways + index).initialize(
                to: ring.map { unsafe Unmanaged.passUnretained($0) }
            )
        }
    }

    deinit { unsafe ways.deallocate() }

    /// Gives a packet to another worker; false when it has too many already.
    mutating func give(
        _ bytes: UnsafeMutableRawPointer,
        byteCount: Int,
        _ record: HandOverRing.Record,
        to worker: Int
    ) -> Bool {
        guard let way = unsafe ways[worker] else { return false }
        let isTaken = unsafe way._withUnsafeGuaranteedRef {
            unsafe $0.put(bytes, byteCount: byteCount, record)
        }
        guard isTaken else { return false }
        waiting |= 1 << UInt64(worker)
        packets &+= 1
        return true
    }

    /// Whether each of the others has room for much more.
    var eachIsHalfFree: Bool {
        for worker in 0..<place.count {
            guard let way = unsafe ways[worker] else { continue }
            guard unsafe way._withUnsafeGuaranteedRef({ $0.isHalfFree }) else { return false }
        }
        return true
    }

    /// The workers that wait to be woken, by a bit for each; they are forgotten.
    mutating func takeWaiting() -> UInt64 {
        defer { waiting = 0 }
        return waiting
    }
}

extension OutboundProcessor {
    /// Workers that were given something since the last call, by a bit for each.
    package mutating func takeGivenTo() -> UInt64 { handOver.takeWaiting() }

    /// Packets that were given to other workers so far.
    package var packetsHandedOver: Int { handOver.packets }

    /// Whether a read of any size may be given to any other worker.
    package var othersHaveRoom: Bool {
        handOver.place.count == 1 || handOver.eachIsHalfFree
    }

    /// Gives what a device read to the worker that has the SA for it, whom the decision names.
    @inline(never)
    mutating func passOn(
        _ frame: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        to decision: FlowDecision
    ) {
        var record = HandOverRing.Record(kind: .frame)
        record.device = packet.device
        record.mark = mark
        let isGiven = unsafe handOver.give(
            frame,
            byteCount: OffloadHeader.length + packet.totalLength,
            record,
            to: Int(decision.slot)
        )
        if !isGiven { drops.count(.workerBusy) }
    }

    /// Takes a frame that another worker has read into the batch. Precondition: `hasRoom`.
    package mutating func takeHandedOver(_ packet: HandOverRing.Packet, at now: Instant) {
        let device = unsafe packet.record.device
        begin(mark: unsafe packet.record.mark, at: now)
        if isCrowded, unsafe packet.byteCount <= StagedReads.largestRead {
            return unsafe stage(
                packet.bytes,
                byteCount: packet.byteCount,
                device: device,
                at: now.nanoseconds
            )
        }
        if staged.count > 0 { processStaged(at: now.nanoseconds) }
        unsafe process(
            packet.bytes,
            byteCount: packet.byteCount,
            device: device,
            at: now.nanoseconds
        )
    }
}

extension InboundProcessor {
    /// Workers that were given something since the last call, by a bit for each.
    package mutating func takeGivenTo() -> UInt64 { handOver.takeWaiting() }

    /// Packets that were given to other workers so far.
    package var packetsHandedOver: Int { handOver.packets }

    /// Whether a batch of receives may be given to any other worker, as far as such are in use.
    package var othersHaveRoom: Bool {
        handOver.place.count == 1 || handOver.eachIsHalfFree
    }

    /// Whether a packet for an SPI that is not known here is another worker's and was given to it,
    /// or counted.
    @inline(never)
    mutating func passOn(_ esp: UnsafeMutableRawPointer, _ count: Int) -> Bool {
        let owner = handOver.place.owner(of: SPI(rawValue: unsafe esp.read32(0)))
        let buffer = unsafe buffers[bufferCount - 1]
        // Of raw packets each worker's socket gets its own.
        guard owner != handOver.place.index, buffer.carrier != .esp else { return false }
        var record = HandOverRing.Record(kind: buffer.carrier == .tcp ? .streamed : .datagram)
        record.trafficClass = buffer.trafficClass
        record.hopLimit = buffer.hopLimit
        record.source = buffer.source
        record.local = buffer.local
        if unsafe !handOver.give(esp, byteCount: count, record, to: owner) {
            drops.count(.workerBusy)
        }
        return true
    }

    /// Takes a datagram that another worker has received; it is opened where it lies. Precondition:
    /// `hasRoom`.
    package mutating func takeHandedOver(_ packet: HandOverRing.Packet, at now: Instant) {
        if unsafe packet.record.kind == .streamed {
            return unsafe receiveStreamed(
                packet.bytes,
                byteCount: packet.byteCount,
                from: packet.record.source,
                to: packet.record.local,
                at: now
            )
        }
        unsafe receiveUDP(
            packet.bytes,
            byteCount: packet.byteCount,
            segmentSize: 0,
            from: packet.record.source,
            to: packet.record.local,
            trafficClass: packet.record.trafficClass,
            hopLimit: packet.record.hopLimit,
            at: now
        )
    }
}
