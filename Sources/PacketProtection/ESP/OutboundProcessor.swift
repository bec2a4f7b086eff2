package import IPsecPrimitives

/// The outbound half of a worker: what the TUN device read becomes ESP datagrams.
@safe package struct OutboundProcessor: ~Copyable {
    private let buffer: UnsafeMutableRawBufferPointer
    private var pendingEvents: [PacketPathEvent] = []

    package init(_ configuration: PacketPathConfiguration) {
        unsafe buffer = .allocate(byteCount: 1 << 17, alignment: 64)
    }

    deinit { unsafe buffer.deallocate() }

    /// Where the next read of the TUN device goes: a virtio_net_hdr of 10 octets and a packet.
    package var readBuffer: UnsafeMutableRawBufferPointer { unsafe buffer }

    /// Whether one more read of any size fits this batch; if not, `seal`, send and `reset`.
    package var hasRoom: Bool { true }

    /// Whether packets were released that wait for `takeReleased`.
    package var hasReleasedPackets: Bool { false }

    /// Takes what was read into `readBuffer` into the batch.
    package mutating func processRead(byteCount: Int, at now: Instant) {}

    /// Takes held packets whose SA has come into the batch, as many as fit.
    package mutating func takeReleased(at now: Instant) {}

    /// Seals the batch; `runs` and `deviceWrites` are then complete.
    package mutating func seal(at now: Instant) {}

    package var runs: UnsafeBufferPointer<DatagramRun> { unsafe .init(start: nil, count: 0) }
    /// Base of the offsets in `runs`.
    package var datagrams: UnsafeMutableRawPointer { unsafe buffer.baseAddress! }
    /// Errors for the inside, to be written to the TUN device.
    package var deviceWrites: UnsafeBufferPointer<DeviceWrite> {
        unsafe .init(start: nil, count: 0)
    }
    /// Base of the offsets in `deviceWrites`.
    package var deviceBytes: UnsafeMutableRawPointer { unsafe buffer.baseAddress! }

    /// Forgets runs and writes: their memory is free for the next batch.
    package mutating func reset() {}

    /// Precondition: `slot` is from a run of this batch.
    package func path(ofSlot slot: Int) -> OuterPath { preconditionFailure() }

    package mutating func apply(_ command: PacketPathCommand, at now: Instant) {}

    /// Drops held packets that have waited too long; call every second or so.
    package mutating func expire(at now: Instant) {}

    package mutating func takeEvents() -> [PacketPathEvent] {
        defer { pendingEvents.removeAll(keepingCapacity: true) }
        return pendingEvents
    }

    package func snapshot() -> PacketPathSnapshot {
        PacketPathSnapshot(isOutbound: true, associations: [], drops: [], heldPackets: 0)
    }
}
