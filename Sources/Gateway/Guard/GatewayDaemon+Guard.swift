internal import IPsecPrimitives
internal import LinuxIO
internal import Logging

// Looking after the guard.
extension GatewayDaemon {
    /// Programs that change packet filters all the time make us look no more often.
    private static let timeBetweenLooks = Duration.milliseconds(100)
    /// Until a look that was in vain is tried again.
    private static let timeBetweenTries = Duration.seconds(1)

    func registerGuardWatch() throws(SystemCallFailure) {
        try register(guardWatch.rules, .routing)
        try register(guardWatch.filters, .filter)
        try loop.add(guardWatch.pause.number) { [unowned self] _ in
            guardWatch.pause.acknowledge()
            keepGuard(guardWatch.doubts)
        }
    }

    private func register(
        _ watch: NetlinkWatch,
        _ half: KeptGuard.Half
    ) throws(SystemCallFailure) {
        try loop.add(watch.number) { [unowned self] _ in
            guard watch.drain() else { return }
            guardWatch.doubts.insert(half)
            let next = guardWatch.lastLook + GatewayDaemon.timeBetweenLooks
            if BootClock.now() >= next {
                keepGuard(guardWatch.doubts)
            } else {
                guardWatch.pause.arm(at: next)
            }
        }
    }

    func keepGuard(_ halves: Set<KeptGuard.Half> = [.filter, .routing]) {
        guardWatch.doubts.subtract(halves)
        guardWatch.lastLook = BootClock.now()
        do throws(SystemCallFailure) {
            let isRestored = try keptGuard.restore(halves, of: plans, network)
            guardWatch.failure = nil
            guard isRestored else { return }
            logger.warning("somebody took away a part of the guard; it is in force again")
        } catch {
            guardWatch.doubts.formUnion(halves)
            guardWatch.pause.arm(at: guardWatch.lastLook + GatewayDaemon.timeBetweenTries)
            if guardWatch.failure != error {
                logger.warning("cannot look after the guard, will try again: \(error)")
            }
            guardWatch.failure = error
        }
    }
}
