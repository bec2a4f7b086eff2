package import IPsecPrimitives

/// The inbound half of a worker: ESP datagrams become writes to the TUN device.
///
/// Packets are opened in place in the caller's buffers, which must stay as they are until
/// `open` has returned; control datagrams until `reset`.
@safe package struct InboundProcessor: ~Copyable {
    private let buffer: UnsafeMutableRawBufferPointer
    private var pendingEvents: [PacketPathEvent] = []

    package init(_ configuration: PacketPathConfiguration) {
        unsafe buffer = .allocate(byteCount: 1 << 17, alignment: 64)
    }

    deinit { unsafe buffer.deallocate() }

    /// Whether one more buffer of up to 64 KiB fits this batch.
    package var hasRoom: Bool { true }

    /// Takes the payload of one UDP receive: datagrams of `segmentSize` octets behind one another
    /// (UDP_GRO), the last may be shorter.
    package mutating func receiveUDP(
        _ bytes: UnsafeMutableRawPointer,
        byteCount: Int,
        segmentSize: Int,
        from source: Endpoint,
        to local: Endpoint,
        trafficClass: UInt8,
        at now: Instant
    ) {}

    /// Takes one ESP packet, without the outer IP header.
    package mutating func receiveESP(
        _ bytes: UnsafeMutableRawPointer,
        byteCount: Int,
        from source: IPAddress,
        to local: IPAddress,
        trafficClass: UInt8,
        at now: Instant
    ) {}

    /// Opens the batch; `deviceWrites` and `controlDatagrams` are then complete.
    package mutating func open(at now: Instant) {}

    package var deviceWrites: UnsafeBufferPointer<DeviceWrite> {
        unsafe .init(start: nil, count: 0)
    }
    package var deviceBytes: UnsafeMutableRawPointer { unsafe buffer.baseAddress! }
    package var controlDatagrams: UnsafeBufferPointer<ControlDatagram> {
        unsafe .init(start: nil, count: 0)
    }

    /// Forgets writes and control datagrams: their memory is free for the next batch.
    package mutating func reset() {}

    package mutating func apply(_ command: PacketPathCommand, at now: Instant) {}

    package mutating func takeEvents() -> [PacketPathEvent] {
        defer { pendingEvents.removeAll(keepingCapacity: true) }
        return pendingEvents
    }

    package func snapshot() -> PacketPathSnapshot {
        PacketPathSnapshot(isOutbound: false, associations: [], drops: [], heldPackets: 0)
    }
}
