internal import LinuxIO
internal import PacketProtection

/// Control's end of one worker: what is posted to it, what it tells, and its thread.
final class WorkerChannel {
    let commands: Mailbox<DataPlaneCommand>
    let events: Mailbox<DataPlaneEvent>
    let counters = WorkerCounters()
    private var thread: WorkerThread?
    /// Commands that found the mailbox full, oldest first.
    private var waiting: [DataPlaneCommand] = []
    /// How many of them, from the oldest, the worker has by now.
    private var sent = 0
    private var posted: UInt64 = 0

    static let commandCapacity = 1024

    /// - Parameter eventWakeUp: wakes control, whichever worker it is.
    init(eventWakeUp: EventDescriptor) throws(SystemCallFailure) {
        commands = try Mailbox(capacity: WorkerChannel.commandCapacity)
        events = Mailbox(capacity: DataPlane.eventCapacity, wakeUp: eventWakeUp)
    }

    func start(_ setup: WorkerSetup) throws(SystemCallFailure) {
        thread = try WorkerThread(setup)
    }

    func post(_ command: DataPlaneCommand) {
        posted += 1
        waiting.append(command)
        sendWaiting()
    }

    func sendWaiting() {
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

    /// Whether everything posted was carried out.
    var isUpToDate: Bool { counters.commandsCarriedOut == posted }

    func stop() {
        thread?.stop { commands.wake() }
    }
}
