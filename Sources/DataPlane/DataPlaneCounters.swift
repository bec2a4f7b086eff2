internal import Synchronization

/// What the workers have done so far, as far as sockets and the device are concerned; packets by
/// drop reason are in the packet path's own snapshots.
package struct DataPlaneSnapshot: Hashable, Sendable {
    /// Reads of the device; one may hold many segments.
    package var deviceReads: UInt64 = 0
    package var deviceReadOctets: UInt64 = 0
    package var deviceWrites: UInt64 = 0
    package var deviceWriteOctets: UInt64 = 0
    package var deviceWriteFailures: UInt64 = 0
    package var datagramsSent: UInt64 = 0
    package var octetsSent: UInt64 = 0
    /// Datagrams that a socket refused: no room for long, no route, too long.
    package var datagramsUnsent: UInt64 = 0
    /// Buffers received; one may hold many datagrams.
    package var receives: UInt64 = 0
    package var octetsReceived: UInt64 = 0
    /// Longer than any packet of ours.
    package var receivesTruncated: UInt64 = 0
    /// IKE datagrams and events for which control had no room.
    package var eventsLost: UInt64 = 0
    /// Errors that the network reported about datagrams of ours (ICMP).
    package var networkErrors: UInt64 = 0
    /// Packets that were read or received here and are another worker's.
    package var handedOver: UInt64 = 0
    /// Packets that another worker read or received.
    package var takenOver: UInt64 = 0
    /// Packets that other threads have sealed or opened for this worker.
    package var packetsHelped: UInt64 = 0
    /// Reads of TCP connections, and ESP packets along them.
    package var streamReads: UInt64 = 0
    package var streamPacketsReceived: UInt64 = 0
    package var streamPacketsSent: UInt64 = 0
    /// ESP packets for which too much waited already along their TCP connection.
    package var streamQueueFull: UInt64 = 0
    /// ESP packets while their TCP connection was gone and there was no other yet.
    package var streamMissing: UInt64 = 0

    /// Adds what another worker has done.
    mutating func add(_ other: DataPlaneSnapshot) {
        deviceReads += other.deviceReads
        deviceReadOctets += other.deviceReadOctets
        deviceWrites += other.deviceWrites
        deviceWriteOctets += other.deviceWriteOctets
        deviceWriteFailures += other.deviceWriteFailures
        datagramsSent += other.datagramsSent
        octetsSent += other.octetsSent
        datagramsUnsent += other.datagramsUnsent
        receives += other.receives
        octetsReceived += other.octetsReceived
        receivesTruncated += other.receivesTruncated
        eventsLost += other.eventsLost
        networkErrors += other.networkErrors
        handedOver += other.handedOver
        takenOver += other.takenOver
        packetsHelped += other.packetsHelped
        streamReads += other.streamReads
        streamPacketsReceived += other.streamPacketsReceived
        streamPacketsSent += other.streamPacketsSent
        streamQueueFull += other.streamQueueFull
        streamMissing += other.streamMissing
    }
}

/// The counters of one worker: it alone writes, anyone may read at any time.
final class WorkerCounters: Sendable {
    struct Counter: ~Copyable {
        private let value = Atomic<UInt64>(0)

        /// One writer, so that no locked instruction is needed.
        func add(_ amount: Int) {
            value.store(
                value.load(ordering: .relaxed) &+ UInt64(truncatingIfNeeded: amount),
                ordering: .relaxed
            )
        }

        var current: UInt64 { value.load(ordering: .relaxed) }
    }

    let deviceReads = Counter()
    let deviceReadOctets = Counter()
    let deviceWrites = Counter()
    let deviceWriteOctets = Counter()
    let deviceWriteFailures = Counter()
    let datagramsSent = Counter()
    let octetsSent = Counter()
    let datagramsUnsent = Counter()
    let receives = Counter()
    let octetsReceived = Counter()
    let receivesTruncated = Counter()
    let eventsLost = Counter()
    let networkErrors = Counter()
    let streamReads = Counter()
    let streamPacketsReceived = Counter()
    let streamPacketsSent = Counter()
    let streamQueueFull = Counter()
    let streamMissing = Counter()
    let handedOver = Counter()
    let takenOver = Counter()
    /// Commands carried out so far.
    private let commandsDone = Atomic<UInt64>(0)

    /// What a command has changed is seen by whoever sees that it was carried out.
    func commandIsDone() {
        commandsDone.store(
            commandsDone.load(ordering: .relaxed) &+ 1,
            ordering: .releasing
        )
    }

    var commandsCarriedOut: UInt64 { commandsDone.load(ordering: .acquiring) }

    var snapshot: DataPlaneSnapshot {
        DataPlaneSnapshot(
            deviceReads: deviceReads.current,
            deviceReadOctets: deviceReadOctets.current,
            deviceWrites: deviceWrites.current,
            deviceWriteOctets: deviceWriteOctets.current,
            deviceWriteFailures: deviceWriteFailures.current,
            datagramsSent: datagramsSent.current,
            octetsSent: octetsSent.current,
            datagramsUnsent: datagramsUnsent.current,
            receives: receives.current,
            octetsReceived: octetsReceived.current,
            receivesTruncated: receivesTruncated.current,
            eventsLost: eventsLost.current,
            networkErrors: networkErrors.current,
            handedOver: handedOver.current,
            takenOver: takenOver.current,
            streamReads: streamReads.current,
            streamPacketsReceived: streamPacketsReceived.current,
            streamPacketsSent: streamPacketsSent.current,
            streamQueueFull: streamQueueFull.current,
            streamMissing: streamMissing.current
        )
    }
}
