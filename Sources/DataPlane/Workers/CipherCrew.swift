internal import Glibc
internal import LinuxIO
internal import PacketProtection
internal import Synchronization

/// Threads that help the workers with ciphers, and the desks at which they find work.
final class CipherCrew {
    /// Wakes one of the threads, if it sleeps.
    private final class Bell: Sendable {
        private let isAsleep = Atomic<Bool>(false)
        private let wakeUp: EventDescriptor

        init() throws(SystemCallFailure) {
            wakeUp = try EventDescriptor()
        }

        func ring() {
            // In one order with what lies on the desks: see `sleep`.
            guard isAsleep.load(ordering: .sequentiallyConsistent),
                isAsleep.exchange(false, ordering: .acquiringAndReleasing)
            else { return }
            wakeUp.signal()
        }

        /// Wakes it in any case, now or when it falls asleep.
        func ringForGood() { wakeUp.signal() }

        /// Sleeps until somebody rings, unless there is something to do by now.
        func sleep(unless isBusy: () -> Bool) {
            isAsleep.store(true, ordering: .sequentiallyConsistent)
            // Whoever has laid something out since the last look either sees the flag or is seen here.
            if !isBusy() { wakeUp.wait() }
            isAsleep.store(false, ordering: .relaxed)
        }
    }

    /// One for each worker.
    let desks: [CipherDesk]
    private let bells: [Bell]
    private let isStopping = StopFlag()
    private var threads: [PacketThread] = []

    /// So many looks at the desks find nothing before a thread sleeps: some tens of microseconds, in
    /// which a busy worker comes with the next batch.
    private static let patience = 2000

    init(threads count: Int, workers: Int) throws(SystemCallFailure) {
        var bells: [Bell] = []
        for _ in 0..<count { bells.append(try Bell()) }
        self.bells = bells
        desks = (0..<workers).map { [bells] _ in
            CipherDesk(
                helpers: count,
                wake: { for bell in bells { bell.ring() } },
                giveWay: { _ = sched_yield() }
            )
        }
    }

    func start() throws(SystemCallFailure) {
        for (index, bell) in bells.enumerated() {
            let (desks, isStopping) = (desks, isStopping)
            threads.append(
                try PacketThread {
                    CipherCrew.work(index + 1, at: desks, bell, isStopping)
                }
            )
        }
    }

    private static func work(
        _ thread: Int,
        at desks: [CipherDesk],
        _ bell: Bell,
        _ isStopping: StopFlag
    ) {
        // Looked at without counting references, which stand beside what the workers write.
        let places = unsafe desks.map { unsafe Unmanaged.passUnretained($0) }
        defer { withExtendedLifetime(desks) {} }
        func hasWork() -> Bool {
            unsafe places.contains { unsafe $0._withUnsafeGuaranteedRef(\.hasWork) }
        }
        var looks = 0
        while !isStopping.isSet {
            var hasHelped = false
            for index in desks.indices {
                let isBusy = unsafe places[index]._withUnsafeGuaranteedRef {
                    $0.help(thread: thread)
                }
                if isBusy { hasHelped = true }
            }
            looks = hasHelped ? 0 : looks + 1
            if looks < patience {
                if !hasHelped { CipherDesk.pause() }
                continue
            }
            looks = 0
            bell.sleep { isStopping.isSet || hasWork() }
        }
    }

    /// Ends the threads and waits for them; no worker may lay out anything any more. May be called again.
    func stop() {
        isStopping.set()
        for bell in bells { bell.ringForGood() }
        for thread in threads { thread.join() }
    }
}
