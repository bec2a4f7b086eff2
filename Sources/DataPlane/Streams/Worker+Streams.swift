internal import Glibc
internal import IPsecPrimitives
internal import LinuxIO
internal import PacketProtection

// IKE and ESP along TCP connections (RFC 9329), once there is ESP to carry: before, control has
// them.
extension Worker {
    /// A flood of IKE by UDP, which anybody can send, leaves three quarters of the mailbox free: one of
    /// them is for what comes along connections of known peers.
    private static let reserveForPacketPath = DataPlane.eventCapacity / 2
    /// RFC 9329 §6.1: "only a few consecutive ESP packets" of unknown SPIs are no reason to close.
    private static let strangeLimit = 64

    mutating func carryOut(_ command: StreamCommand, at now: Instant) {
        switch command {
        case .adopt(let parcel): adopt(parcel, at: now)
        case .send(let frame, let number):
            guard let index = sender.streams.index(of: number) else { return }
            sender.streams.send(frame, along: index, at: now)
        case .close(let number):
            guard let index = sender.streams.index(of: number) else { return }
            sender.streams.beginClosing(index, at: now)
        case .drop(let number):
            guard let index = sender.streams.index(of: number) else { return }
            sender.streams.end(index, .closed)
        }
    }

    private mutating func adopt(_ parcel: StreamParcel, at now: Instant) {
        guard let index = sender.streams.adopt(parcel) else { return }
        if !parcel.unsent.isEmpty { sender.streams.send(parcel.unsent, along: index, at: now) }
        guard sender.streams.has(index), !parcel.received.isEmpty else { return }
        // Not the buffer of reads: one may be under way.
        let buffer = StreamBuffer(octets: parcel.received.count)
        buffer.begin(with: parcel.received)
        unsafe takeStreamed(buffer.memory, parcel.received.count, index, at: now)
    }

    /// Serves a connection that has something, or takes something again.
    mutating func serveStream(_ index: Int, _ readiness: SourcePoll.Readiness, at now: Instant) {
        guard sender.streams.has(index) else { return }
        if readiness.isWritable { sender.streams.flush(index, at: now) }
        guard readiness.isReadable, sender.streams.has(index) else { return }
        // What others cannot take stays in the connection, where nothing of it is lost.
        guard inbound.othersHaveRoom else { return }
        lastStream = index
        let file = unsafe sender.streams.streams[index].connection.number
        let rest = unsafe sender.streams.streams[index].rest.count
        let count = unsafe read(file, streamBuffer.memory + rest, StreamBuffer.readOctets)
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            // RFC 9329 §6.1: what has come of a message by then is discarded.
            return sender.streams.end(index, .closed)
        }
        if unsafe sender.streams.streams[index].isClosing { return }
        setup.counters.streamReads.add(1)
        setup.counters.octetsReceived.add(count)
        // Control told of an SA before the peer could use it, perhaps since the poll.
        let number = unsafe sender.streams.streams[index].number
        if setup.commands.hasMessages { carryOutCommands(at: now) }
        guard sender.streams.index(of: number) == index else { return }
        unsafe streamBuffer.begin(with: sender.streams.streams[index].rest)
        unsafe takeStreamed(streamBuffer.memory, rest + count, index, at: now)
    }

    /// Deals with what lies in a buffer, and keeps the rest of it.
    private mutating func takeStreamed(
        _ memory: UnsafeMutableRawPointer,
        _ count: Int,
        _ index: Int,
        at now: Instant
    ) {
        let local = unsafe sender.streams.streams[index].local
        let remote = unsafe sender.streams.streams[index].remote
        let number = unsafe sender.streams.streams[index].number
        var frames = unsafe StreamFrames(memory, count: count)
        let strange = inbound.strangePackets
        var packets = 0
        var ending: StreamEnding?
        reading: while true {
            switch frames.next() {
            case .packet(let offset, let size):
                if !inbound.hasRoom { flushInbound(at: now) }
                unsafe receiveStreamed(memory + offset, size, from: remote, to: local, at: now)
                packets &+= 1
            case .message(let offset, let size):
                let bytes = unsafe UnsafeRawBufferPointer(
                    start: memory + offset,
                    count: size
                )
                let event = unsafe DataPlaneEvent.streamMessage(number, Array(bytes))
                guard setup.events.send(event, reserve: Worker.reserveForPacketPath) else {
                    ending = .overload
                    break reading
                }
                setup.events.wake()
            case .keepalive: continue
            case .incomplete: break reading
            case .fault:
                ending = .fault
                break reading
            }
        }
        // Packets are opened in the buffer: before it is used again.
        flushInbound(at: now)
        setup.counters.streamPacketsReceived.add(packets)
        if ending == nil, isOutOfStep(index, packets, Int(inbound.strangePackets &- strange)) {
            ending = .outOfStep
        }
        if let ending { return sender.streams.end(index, ending) }
        unsafe sender.streams.streams[index].rest.removeAll(keepingCapacity: true)
        let remaining = count - frames.offset
        guard remaining > 0 else { return }
        unsafe sender.streams.streams[index].rest.append(
            contentsOf: UnsafeRawBufferPointer(
                start: memory + frames.offset,
                count: remaining
            )
        )
    }

    private mutating func receiveStreamed(
        _ packet: UnsafeMutableRawPointer,
        _ size: Int,
        from remote: Endpoint,
        to local: Endpoint,
        at now: Instant
    ) {
        if isTraced {
            return unsafe inbound.receiveStreamedTraced(
                packet,
                byteCount: size,
                from: remote,
                to: local,
                at: now
            )
        }
        unsafe inbound.receiveStreamed(packet, byteCount: size, from: remote, to: local, at: now)
    }

    /// RFC 9329 §6.1: a connection with too many packets that are not what they should be is corrupt.
    private mutating func isOutOfStep(_ index: Int, _ packets: Int, _ strange: Int) -> Bool {
        guard packets > 0 else { return false }
        if strange < packets {
            unsafe sender.streams.streams[index].strangePackets = 0
            return false
        }
        unsafe sender.streams.streams[index].strangePackets += strange
        return unsafe sender.streams.streams[index].strangePackets > Worker.strangeLimit
    }

    /// Tells control which connections are no more.
    mutating func reportStreams() {
        guard sender.streams.hasEndings else { return }
        let events = setup.events
        sender.streams.report { events.send(.streamEnded($0, $1)) }
        events.wake()
    }
}

/// Where a worker reads TCP connections to, one after the other: what was left of a message, and what
/// comes behind it.
@safe final class StreamBuffer {
    /// Octets a read.
    static let readOctets = 1 << 17

    let memory: UnsafeMutableRawPointer

    init(octets: Int = StreamBuffer.readOctets + StreamFrames.largest) {
        unsafe memory = .allocate(byteCount: octets, alignment: 64)
    }

    deinit { unsafe memory.deallocate() }

    /// Puts what was left over in front; at most one message that is not whole.
    func begin(with rest: [UInt8]) {
        unsafe rest.withUnsafeBytes { source in
            guard let base = source.baseAddress else { return }
            unsafe memory.copyMemory(from: base, byteCount: source.count)
        }
    }
}
