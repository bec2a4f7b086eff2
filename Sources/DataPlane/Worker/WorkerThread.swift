internal import Glibc
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
    var isStopping = StopFlag()
}

/// Set once by control, read by the worker between batches.
final class StopFlag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool { value.load(ordering: .acquiring) }

    func set() { value.store(true, ordering: .releasing) }
}

/// A thread of its own for a worker, outside Swift's pool, which must not be blocked.
final class WorkerThread {
    private var thread = pthread_t()
    private var isRunning = false
    private let isStopping: StopFlag

    /// Carries the setup over to the new thread.
    private final class Parcel {
        let setup: WorkerSetup
        let poll: SourcePoll

        init(_ setup: WorkerSetup, _ poll: SourcePoll) {
            self.setup = setup
            self.poll = poll
        }
    }

    init(_ setup: WorkerSetup) throws(SystemCallFailure) {
        isStopping = setup.isStopping
        let parcel = unsafe Unmanaged.passRetained(Parcel(setup, try SourcePoll(setup)))
        let result = unsafe pthread_create(&thread, nil, WorkerThread.main, parcel.toOpaque())
        guard result == 0 else {
            unsafe parcel.release()
            throw SystemCallFailure(
                call: "pthread_create",
                errorNumber: result,
                remedy: "Raise the limit on tasks (ulimit -u, TasksMax=)."
            )
        }
        isRunning = true
    }

    /// Asks the worker to end, by `wake` if it waits, and joins it.
    func stop(_ wake: () -> Void) {
        guard isRunning else { return }
        isRunning = false
        isStopping.set()
        wake()
        _ = pthread_join(thread, nil)
    }

    private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? =
        { argument in
            // Signals are control's.
            var signals = sigset_t()
            unsafe sigfillset(&signals)
            unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
            guard let argument = unsafe argument else { return nil }
            let parcel = unsafe Unmanaged<Parcel>.fromOpaque(argument).takeRetainedValue()
            parcel.setup.pin()
            var worker = Worker(parcel.setup, poll: parcel.poll)
            worker.run()
            return nil
        }
}

extension WorkerSetup {
    /// Keeps the calling thread where the configuration wants it. What the machine has not was refused
    /// before; where that has changed since, the system chooses.
    func pin() {
        let processors = configuration.processors
        guard place.index < processors.count else { return }
        try? Processors.pinThread(to: processors[place.index])
    }
}
