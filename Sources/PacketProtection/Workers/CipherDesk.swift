internal import CPacketCipher
internal import IPsecCrypto
internal import Synchronization

/// Where a worker lays out the packets of one SA, so that other threads help it with the cipher.
///
/// The worker numbers packets, and holds what arrives against windows and selectors; threads that help
/// only seal or open, each a share at a time, where the packets lie. The worker works on shares too and
/// goes on when all are done: packets stay in their order, and nothing of an SA but its keys is seen by
/// two threads.
///
/// `@unchecked Sendable` because the task is plain memory. What makes it right: the worker writes the task
/// before it releases `claims`, a thread reads it only while it has a share of it, which it took by
/// acquiring `claims`, and the worker lays out another only after it has acquired in `done` that every
/// share was given back.
@safe package final class CipherDesk: @unchecked Sendable {
    private enum Work {
        case seal
        case open
    }

    /// As many packets as ciphers for several packets at once like to have; whoever takes a share has
    /// it for microseconds.
    private static let share = 16
    /// So many times the worker looks whether the others are done before it lets them have its processor.
    private static let patience = 2000
    private static let field: UInt64 = 32
    private static let mask: UInt64 = 0xFFFF_FFFF

    /// How many threads help.
    package let helpers: Int
    /// Packets taken so far above, and how many there are below.
    private let claims = Atomic<UInt64>(0)
    /// So that who looks for work does not disturb who counts what is done.
    private let spacing = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))
    /// Packets that those who help have done.
    private let done = Atomic<Int>(0)
    private let helped = Atomic<Int>(0)
    private let wake: @Sendable () -> Void
    private let giveWay: @Sendable () -> Void

    private var work = Work.seal
    private var jobs: UnsafeMutablePointer<cygnet_packet_job>?
    private var cipher: Unmanaged<SpreadCipher>?

    /// - Parameters:
    ///   - helpers: how many threads call `help`, numbered from 1.
    ///   - wake: wakes those that wait for work.
    ///   - giveWay: lets another thread have the processor for a while.
    package init(
        helpers: Int,
        wake: @escaping @Sendable () -> Void,
        giveWay: @escaping @Sendable () -> Void
    ) {
        self.helpers = helpers
        self.wake = wake
        self.giveWay = giveWay
    }

    /// Packets that other threads have sealed or opened so far.
    package var packetsHelped: Int { helped.load(ordering: .relaxed) }

    // MARK: The worker

    func seal(
        _ jobs: UnsafeMutablePointer<cygnet_packet_job>,
        count: Int,
        _ cipher: Unmanaged<SpreadCipher>
    ) {
        unsafe spread(.seal, jobs, count: count, cipher)
    }

    func open(
        _ jobs: UnsafeMutablePointer<cygnet_packet_job>,
        count: Int,
        _ cipher: Unmanaged<SpreadCipher>
    ) {
        unsafe spread(.open, jobs, count: count, cipher)
    }

    private func spread(
        _ work: Work,
        _ jobs: UnsafeMutablePointer<cygnet_packet_job>,
        count: Int,
        _ cipher: Unmanaged<SpreadCipher>
    ) {
        self.work = work
        unsafe self.jobs = jobs
        unsafe self.cipher = cipher
        // An SA that was made for fewer threads than there are is the worker's alone.
        let isForAll = unsafe cipher._withUnsafeGuaranteedRef { $0.helpers >= helpers }
        guard count > CipherDesk.share, isForAll else {
            return carryOut(0..<count, thread: 0)
        }
        done.store(0, ordering: .relaxed)
        // In one order with the flags of those that fall asleep: either they see this, or `wake` sees them.
        claims.store(UInt64(count), ordering: .sequentiallyConsistent)
        wake()
        var own = 0
        while let share = claim() {
            carryOut(share, thread: 0)
            own += share.count
        }
        let others = count - own
        var looks = 0
        while done.load(ordering: .acquiring) < others {
            looks += 1
            if looks % CipherDesk.patience == 0 { giveWay() } else { cygnet_relax() }
        }
        helped.store(helped.load(ordering: .relaxed) &+ others, ordering: .relaxed)
    }

    // MARK: Those who help

    /// A moment between two looks.
    package static func pause() { cygnet_relax() }

    package var hasWork: Bool {
        let seen = claims.load(ordering: .sequentiallyConsistent)
        return seen >> CipherDesk.field < seen & CipherDesk.mask
    }

    /// Works as long as there are shares to be taken.
    ///
    /// - Parameter thread: 1 to `helpers`; no two threads have the same.
    /// - Returns: whether there was one.
    package func help(thread: Int) -> Bool {
        precondition(thread >= 1 && thread <= helpers)
        var hasHelped = false
        while let share = claim() {
            carryOut(share, thread: thread)
            hasHelped = true
            done.wrappingAdd(share.count, ordering: .releasing)
        }
        return hasHelped
    }

    /// Takes a share of what lies there. One that is taken is of the task that lies there now, whatever
    /// was seen before.
    private func claim() -> Range<Int>? {
        var seen = claims.load(ordering: .acquiring)
        while true {
            let first = Int(seen >> CipherDesk.field)
            let count = Int(seen & CipherDesk.mask)
            guard first < count else { return nil }
            let end = min(first + CipherDesk.share, count)
            let (isTaken, current) = claims.weakCompareExchange(
                expected: seen,
                desired: UInt64(end) << CipherDesk.field | UInt64(count),
                successOrdering: .acquiringAndReleasing,
                failureOrdering: .acquiring
            )
            if isTaken { return first..<end }
            seen = current
        }
    }

    private func carryOut(_ share: Range<Int>, thread: Int) {
        guard let jobs = unsafe jobs, let cipher = unsafe cipher else { return }
        unsafe cipher._withUnsafeGuaranteedRef { spread in
            let own = spread[thread]
            let first = unsafe jobs + share.lowerBound
            switch work {
            case .seal: unsafe own.seal(first, count: share.count)
            case .open: unsafe own.open(first, count: share.count)
            }
        }
    }
}
