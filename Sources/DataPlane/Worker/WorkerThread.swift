internal import LinuxIO
internal import PacketProtection
internal import Synchronization

/// What a worker thread is started with.
struct WorkerSetup: Sendable {
    var configuration: DataPlaneConfiguration
    var commands: Mailbox<DataPlaneCommand>
    var events: Mailbox<DataPlaneEvent>
    var counters: WorkerCounters
    var place = WorkerPlace.alone
    /// Nil where there is one worker.
    var exchange: WorkerExchange?
    /// Where threads help with ciphers; nil where none do.
    var desk: CipherDesk?
    var isStopping = StopFlag()
}

/// Set once by control, read by the worker between batches.
final class StopFlag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool { value.load(ordering: .acquiring) }

    func set() { value.store(true, ordering: .releasing) }
}

/// A thread of its own for a worker.
final class WorkerThread {
    private let thread: PacketThread
    private let isStopping: StopFlag

    init(_ setup: WorkerSetup) throws(SystemCallFailure) {
        isStopping = setup.isStopping
        let poll = try SourcePoll(setup)
        thread = try PacketThread {
            setup.pin()
            var worker = Worker(setup, poll: poll)
            worker.run()
        }
    }

    /// Asks the worker to end, by `wake` if it waits, and joins it. May be called again.
    func stop(_ wake: () -> Void) {
        isStopping.set()
        wake()
        thread.join()
    }
}

extension WorkerSetup {
    /// What leads to the other workers, and to those that help.
    var passages: WorkerPassages {
        WorkerPassages(
            place: place,
            rings: exchange?.rings(from: place.index) ?? [nil],
            desk: desk
        )
    }

    /// Keeps the calling thread where the configuration wants it. What the machine has not was refused
    /// before; where that has changed since, the system chooses.
    func pin() {
        let processors = configuration.processors
        guard place.index < processors.count else { return }
        try? Processors.pinThread(to: processors[place.index])
    }
}
