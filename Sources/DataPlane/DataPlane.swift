internal import Glibc
package import LinuxIO
package import PacketProtection

/// The packet path at work: worker threads, each with both directions of SAs of its own, run to
/// completion.
///
/// Control, on one thread of its own, posts commands and drains events; nothing is shared with
/// a worker but two mailboxes and counters. Workers give one another the packets that are not theirs.
package final class DataPlane {
    let channels: [WorkerChannel]
    private let eventWakeUp: EventDescriptor
    private let crew: CipherCrew?
    private var routing: CommandRouting
    private var snapshots: SnapshotGathering
    /// Traces have names that are never used again.
    var lastTrace: UInt64 = 0

    static let eventCapacity = 4096

    /// Readable when `drainEvents` has something to give.
    package var eventDescriptor: Int32 { eventWakeUp.number }

    package var workerCount: Int { channels.count }

    /// Starts the workers. Signals are blocked in them.
    package static func start(
        _ configuration: DataPlaneConfiguration
    ) throws(SystemCallFailure) -> DataPlane {
        let dataPlane = try DataPlane(configuration)
        do throws(SystemCallFailure) {
            try dataPlane.startThreads(configuration)
        } catch {
            dataPlane.stop()
            throw error
        }
        return dataPlane
    }

    private init(_ configuration: DataPlaneConfiguration) throws(SystemCallFailure) {
        let wakeUp = try EventDescriptor()
        var channels: [WorkerChannel] = []
        for _ in 0..<configuration.workerCount {
            channels.append(try WorkerChannel(eventWakeUp: wakeUp))
        }
        eventWakeUp = wakeUp
        self.channels = channels
        crew =
            configuration.cipherThreads > 0
            ? try CipherCrew(threads: configuration.cipherThreads, workers: channels.count) : nil
        routing = CommandRouting(workers: channels.count)
        snapshots = SnapshotGathering(workers: channels.count)
    }

    private func startThreads(
        _ configuration: DataPlaneConfiguration
    ) throws(SystemCallFailure) {
        let exchange = channels.count > 1 ? WorkerExchange(channels) : nil
        try crew?.start()
        for (index, channel) in channels.enumerated() {
            try channel.start(
                WorkerSetup(
                    configuration: configuration.ofWorker(index),
                    commands: channel.commands,
                    events: channel.events,
                    counters: channel.counters,
                    place: WorkerPlace(index: index, of: channels.count),
                    exchange: exchange,
                    desk: crew?.desks[index]
                )
            )
        }
    }

    deinit {
        stop()
    }

    /// Hands a command to the workers whom it concerns, who carry it out in order between two batches.
    package func post(_ command: PacketPathCommand) {
        if case .replacePolicies(let entries) = command {
            // Made ready here: the workers have packets to carry.
            post(.packetPath(.adoptPolicies(CompiledPolicies(entries))))
        } else {
            post(.packetPath(command))
        }
    }

    /// As `post`, for what is not the packet path's own.
    package func post(_ command: DataPlaneCommand) {
        if case .packetPath(let inner) = command,
            case .one(let worker) = routing.recipients(of: inner)
        {
            return channels[worker].post(command)
        }
        // One worker has all connections, and the others give it what goes along them.
        if case .stream = command { return channels[0].post(command) }
        for channel in channels { channel.post(command) }
    }

    /// What has happened since the last call.
    package func drainEvents() -> [DataPlaneEvent] {
        eventWakeUp.drain()
        var result: [DataPlaneEvent] = []
        for channel in channels {
            channel.sendWaiting()
            // Bounded, so that a flood of events cannot hold control here.
            var count = 0
            while count < DataPlane.eventCapacity, let event = channel.events.receive() {
                count += 1
                if case .packetPath(.snapshot(let token, let part)) = event {
                    guard let whole = snapshots.add(part, token: token) else { continue }
                    result.append(.packetPath(.snapshot(token: token, whole)))
                } else {
                    result.append(event)
                }
            }
            if count == DataPlane.eventCapacity { eventWakeUp.signal() }
        }
        return result
    }

    /// Waits until every worker has carried out what was posted to it, at most so long.
    ///
    /// - Returns: whether they all have.
    package func waitUntilCarriedOut(milliseconds: Int) -> Bool {
        // In steps: what found a mailbox full is sent meanwhile.
        for _ in 0...(milliseconds * 5) {
            for channel in channels { channel.sendWaiting() }
            if channels.allSatisfy(\.isUpToDate) { return true }
            _ = usleep(200)
        }
        return false
    }

    /// The counters of sockets and device; those of SAs come by `PacketPathCommand.query`.
    package func snapshot() -> DataPlaneSnapshot {
        workerSnapshots().reduce(into: DataPlaneSnapshot()) { $0.add($1) }
    }

    /// The same of each worker.
    package func workerSnapshots() -> [DataPlaneSnapshot] {
        channels.enumerated().map { index, channel in
            var snapshot = channel.counters.snapshot
            snapshot.packetsHelped = UInt64(crew?.desks[index].packetsHelped ?? 0)
            return snapshot
        }
    }

    /// Ends the workers and waits for them; what waits in queues is dropped. May be called again.
    package func stop() {
        for channel in channels { channel.stop() }
        // No worker lays out anything any more.
        crew?.stop()
    }
}
