package import LinuxIO
package import PacketProtection

/// The packet path at work: one worker thread that owns both directions, run to completion.
///
/// Control, on one thread of its own, posts commands and drains events; nothing is shared with
/// the worker but two mailboxes and counters. More workers would each own their SAs, and `post`
/// would choose among their mailboxes.
package final class DataPlane {
    private let thread: WorkerThread
    private let commands: Mailbox<DataPlaneCommand>
    private let events: Mailbox<DataPlaneEvent>
    private let counters: WorkerCounters
    /// Commands that found the mailbox full, oldest first.
    private var waiting: [DataPlaneCommand] = []
    /// How many of them, from the oldest, the worker has by now.
    private var sent = 0

    private static let commandCapacity = 1024
    static let eventCapacity = 4096

    /// Readable when `drainEvents` has something to give.
    package var eventDescriptor: Int32 { events.descriptor }

    /// Starts the worker. Signals are blocked in it.
    package static func start(
        _ configuration: DataPlaneConfiguration
    ) throws(SystemCallFailure) -> DataPlane {
        try DataPlane(configuration)
    }

    private init(_ configuration: DataPlaneConfiguration) throws(SystemCallFailure) {
        commands = try Mailbox(capacity: DataPlane.commandCapacity)
        events = try Mailbox(capacity: DataPlane.eventCapacity)
        counters = WorkerCounters()
        thread = try WorkerThread(
            WorkerSetup(
                configuration: configuration,
                commands: commands,
                events: events,
                counters: counters
            )
        )
    }

    deinit {
        stop()
    }

    /// Hands a command to the worker, which carries them out in order between two batches.
    package func post(_ command: PacketPathCommand) {
        if case .replacePolicies(let entries) = command {
            // Made ready here: the worker has packets to carry.
            post(.packetPath(.adoptPolicies(CompiledPolicies(entries))))
        } else {
            post(.packetPath(command))
        }
    }

    /// As `post`, for what is not the packet path's own.
    package func post(_ command: DataPlaneCommand) {
        waiting.append(command)
        sendWaiting()
    }

    /// What has happened since the last call.
    package func drainEvents() -> [DataPlaneEvent] {
        events.acknowledge()
        sendWaiting()
        var result: [DataPlaneEvent] = []
        // Bounded, so that a flood of events cannot hold control here.
        while result.count < DataPlane.eventCapacity, let event = events.receive() {
            result.append(event)
        }
        if result.count == DataPlane.eventCapacity { events.wake() }
        return result
    }

    /// The counters of sockets and device; those of SAs come by `PacketPathCommand.query`.
    package func snapshot() -> DataPlaneSnapshot { counters.snapshot }

    /// Ends the worker and waits for it; what waits in queues is dropped. May be called again.
    package func stop() {
        thread.stop { commands.wake() }
    }

    private func sendWaiting() {
        let before = sent
        while sent < waiting.count, commands.send(waiting[sent]) { sent += 1 }
        guard sent > before else { return }
        // Not one by one: what waits may be very much.
        if sent == waiting.count || sent > waiting.count / 2 {
            waiting.removeFirst(sent)
            sent = 0
        }
        commands.wake()
    }
}
