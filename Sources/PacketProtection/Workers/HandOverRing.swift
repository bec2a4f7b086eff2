package import IPsecPrimitives
internal import Synchronization

/// A bounded queue of packets from one worker to one other, in one piece of memory.
///
/// `@unchecked Sendable` because the octets are plain memory. What makes it right: exactly one
/// thread puts and exactly one takes; a record is written before `tail` is released and read after
/// `tail` was acquired, and its memory is used again only after `head` was released in turn.
@safe package final class HandOverRing: @unchecked Sendable {
    package enum Kind: UInt8, Sendable {
        /// What a device read: a virtio_net_hdr and a packet.
        case frame
        /// The payload of one UDP datagram.
        case datagram
        /// An ESP packet that came along a TCP connection.
        case streamed
        /// An ESP packet that is to leave along the connection from `local` to `source`.
        case sealed
    }

    /// What is known of a packet besides its octets.
    package struct Record: Hashable, Sendable {
        package var kind: Kind
        package var trafficClass: UInt8 = 0
        package var hopLimit: UInt8 = 0
        package var device: UInt16 = 0
        /// Of a frame: which of the configured marks it has, 0 for none.
        package var mark: UInt8 = 0
        package var source = HandOverRing.nowhere
        package var local = HandOverRing.nowhere

        /// Of a packet that is to leave along a connection.
        package init(sealedFor path: OuterPath) {
            kind = .sealed
            source = path.remote
            local = path.local
        }

        package init(kind: Kind) { self.kind = kind }
    }

    /// A packet in the ring; its octets are the taker's until `release`.
    @unsafe package struct Packet {
        package var record: Record
        package var bytes: UnsafeMutableRawPointer
        package var byteCount: Int
    }

    private static let nowhere = Endpoint(address: .v4(IPv4Address(bits: 0)), port: 0)
    /// Each record begins on such a boundary: with its length in the ring and that of its packet, of
    /// 0 octets where nothing follows before the ring's end.
    private static let unit = 64
    private static let recordOffset = 16
    private static let headerOctets = 128
    /// The packet behind a virtio_net_hdr begins on a boundary of 16 octets.
    private static let lead = 6

    private let memory: UnsafeMutableRawPointer
    private let capacity: Int
    /// Octets taken and given back so far; written by the taker.
    private let head = Atomic<Int>(0)
    /// The taker's own: octets taken so far.
    private var taken = 0
    /// So that the two ends do not write to one line of the processor's caches.
    private let spacing = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))
    private let moreSpacing = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))
    /// Octets put so far; written by who puts.
    private let tail = Atomic<Int>(0)

    /// - Parameter octets: a power of two, and room for several packets of 64 KiB.
    package init(octets: Int = 4 << 20) {
        precondition(octets >= 1 << 18 && octets & (octets - 1) == 0)
        precondition(
            HandOverRing.recordOffset + MemoryLayout<Record>.size <= HandOverRing.headerOctets
        )
        capacity = octets
        unsafe memory = .allocate(byteCount: octets, alignment: HandOverRing.unit)
    }

    deinit { unsafe memory.deallocate() }

    /// Whether half of it is free; asked by who puts.
    package var isHalfFree: Bool {
        (tail.load(ordering: .relaxed) - head.load(ordering: .acquiring)) * 2 <= capacity
    }

    /// Copies a packet; false when there is no room. Precondition: 1 to 66,000 octets.
    package func put(
        _ bytes: UnsafeRawPointer,
        byteCount: Int,
        _ record: Record
    ) -> Bool {
        let whole = HandOverRing.headerOctets &+ HandOverRing.lead &+ byteCount
        let stride = (whole &+ HandOverRing.unit &- 1) & ~(HandOverRing.unit &- 1)
        var position = tail.load(ordering: .relaxed)
        let untilEnd = capacity &- position & (capacity &- 1)
        let skipped = stride > untilEnd ? untilEnd : 0
        let used = position &- head.load(ordering: .acquiring)
        guard capacity &- used >= stride &+ skipped else { return false }
        if skipped > 0 {
            unsafe begin(at: position, stride: skipped, byteCount: 0)
            position &+= skipped
        }
        let start = unsafe begin(at: position, stride: stride, byteCount: byteCount)
        unsafe start.storeBytes(
            of: record,
            toByteOffset: HandOverRing.recordOffset,
            as: Record.self
        )
        unsafe (start + (HandOverRing.headerOctets + HandOverRing.lead)).copyMemory(
            from: bytes,
            byteCount: byteCount
        )
        tail.store(position &+ stride, ordering: .releasing)
        return true
    }

    @discardableResult
    private func begin(at position: Int, stride: Int, byteCount: Int) -> UnsafeMutableRawPointer {
        let start = unsafe memory + position & (capacity &- 1)
        unsafe start.storeBytes(of: UInt32(stride), as: UInt32.self)
        unsafe start.storeBytes(of: UInt32(byteCount), toByteOffset: 4, as: UInt32.self)
        return unsafe start
    }

    /// The oldest packet that was not taken; its octets stay until `release`.
    package func take() -> Packet? {
        while taken != tail.load(ordering: .acquiring) {
            let start = unsafe memory + taken & (capacity &- 1)
            taken &+= Int(unsafe start.load(as: UInt32.self))
            let byteCount = Int(unsafe start.load(fromByteOffset: 4, as: UInt32.self))
            guard byteCount > 0 else { continue }
            return unsafe Packet(
                record: start.load(
                    fromByteOffset: HandOverRing.recordOffset,
                    as: Record.self
                ),
                bytes: start + (HandOverRing.headerOctets + HandOverRing.lead),
                byteCount: byteCount
            )
        }
        return nil
    }

    /// Gives back the memory of everything taken so far.
    package func release() { head.store(taken, ordering: .releasing) }
}
