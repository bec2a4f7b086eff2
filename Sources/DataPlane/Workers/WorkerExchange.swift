internal import LinuxIO
internal import PacketProtection
internal import Synchronization

/// What leads from one worker to the others and back: rings of packets, and how to wake who waits.
final class WorkerExchange: Sendable {
    /// Set while a worker was woken and has not looked yet, so that it is woken once.
    private final class Bell: Sendable {
        private let isRung = Atomic<Bool>(false)
        private let commands: Mailbox<DataPlaneCommand>

        init(_ commands: Mailbox<DataPlaneCommand>) { self.commands = commands }

        func ring() {
            guard !isRung.exchange(true, ordering: .acquiringAndReleasing) else { return }
            commands.wake()
        }

        /// Whoever rings from now on wakes again; what was given before the last ring is seen.
        func answer() { _ = isRung.exchange(false, ordering: .acquiringAndReleasing) }

        /// Wakes again where somebody has rung since the last answer.
        func remind() {
            if isRung.load(ordering: .acquiring) { commands.wake() }
        }
    }

    private let count: Int
    private let bells: [Bell]
    /// From each worker to each, by rows.
    private let rings: [HandOverRing?]

    init(_ channels: [WorkerChannel]) {
        count = channels.count
        bells = channels.map { Bell($0.commands) }
        // With many workers each has fewer packets for each other.
        let octets = channels.count > 8 ? 1 << 20 : 4 << 20
        rings = (0..<channels.count * channels.count).map { place in
            place / channels.count == place % channels.count ? nil : HandOverRing(octets: octets)
        }
    }

    /// The rings by which a worker gives packets to the others, by their order.
    func rings(from worker: Int) -> [HandOverRing?] {
        (0..<count).map { rings[worker * count + $0] }
    }

    /// The way of sealed packets to the worker that has the TCP connections.
    func relay(from worker: Int) -> StreamRelay? {
        rings[worker * count].map { StreamRelay(ring: $0, exchange: self) }
    }

    /// The rings in which others have packets for a worker.
    func arrivals(at worker: Int) -> [HandOverRing] {
        (0..<count).compactMap { rings[$0 * count + worker] }
    }

    /// Wakes the workers whose bits are set.
    func wake(_ workers: UInt64) {
        var left = workers
        while left != 0 {
            bells[left.trailingZeroBitCount].ring()
            left &= left - 1
        }
    }

    func answer(_ worker: Int) { bells[worker].answer() }

    /// Wakes a worker again whose wake-up was taken for one of its commands.
    func remind(_ worker: Int) { bells[worker].remind() }
}
