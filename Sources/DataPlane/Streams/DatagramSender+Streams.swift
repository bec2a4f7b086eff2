internal import IPsecPrimitives
internal import PacketProtection

// ESP along TCP connections (RFC 9329 §3.2).
extension DatagramSender {
    /// Queues the packets of a run whose SA no socket is for; the number that was taken, or nil
    /// where the SA does not go by TCP at all.
    ///
    /// - Parameter known: where the connection was found the last time, kept for the next.
    @inline(never)
    mutating func sendAlongStream(
        _ run: DatagramRun,
        _ bytes: UnsafeMutableRawPointer,
        _ path: OuterPath,
        known: inout Int32,
        at now: Instant
    ) -> Int? {
        // AH, and headers of its own, have no place in a stream (RFC 9329 §3).
        guard path.encapsulation == .tcp, !run.hasHeader else { return nil }
        if let relay { return unsafe give(run, bytes, path, relay) }
        let index = stream(of: path, known: Int(known))
        known = Int32(truncatingIfNeeded: index)
        guard index >= 0 else {
            counters.streamMissing.add(run.count)
            return 0
        }
        var offset = 0
        var taken = 0
        while offset < run.byteCount {
            let size = min(run.segmentSize, run.byteCount &- offset)
            if unsafe streams.streams[index].queue.append(
                packet: bytes + offset,
                count: size,
                at: now
            ) {
                taken &+= 1
            }
            offset &+= size
        }
        if taken > 0 { streams.markDirty(index) }
        if taken < run.count { counters.streamQueueFull.add(run.count &- taken) }
        counters.streamPacketsSent.add(taken)
        return taken
    }

    /// Gives the packets to the worker that has the connections; the number for which there was room.
    private func give(
        _ run: DatagramRun,
        _ bytes: UnsafeMutableRawPointer,
        _ path: OuterPath,
        _ relay: StreamRelay
    ) -> Int {
        let record = HandOverRing.Record(sealedFor: path)
        var offset = 0
        var given = 0
        while offset < run.byteCount {
            let size = min(run.segmentSize, run.byteCount &- offset)
            if unsafe relay.ring.put(bytes + offset, byteCount: size, record) { given &+= 1 }
            offset &+= size
        }
        if given > 0 { relay.exchange.wake(1) }
        if given < run.count { counters.streamQueueFull.add(run.count &- given) }
        return given
    }

    /// Queues a packet that another worker has sealed.
    mutating func takeSealed(_ packet: HandOverRing.Packet, at now: Instant) {
        let index = unsafe streams.index(local: packet.record.local, remote: packet.record.source)
        guard index >= 0 else { return counters.streamMissing.add(1) }
        guard
            unsafe streams.streams[index].queue.append(
                packet: packet.bytes,
                count: packet.byteCount,
                at: now
            )
        else { return counters.streamQueueFull.add(1) }
        streams.markDirty(index)
        counters.streamPacketsSent.add(1)
    }

    private func stream(of path: OuterPath, known: Int) -> Int {
        if streams.has(known), unsafe !streams.streams[known].isClosing,
            unsafe streams.streams[known].local == path.local,
            unsafe streams.streams[known].remote == path.remote
        {
            return known
        }
        return streams.index(local: path.local, remote: path.remote)
    }
}

/// What leads from a worker to the one that has the TCP connections.
struct StreamRelay {
    let ring: HandOverRing
    let exchange: WorkerExchange
}
