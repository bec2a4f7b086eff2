internal import IPsecPrimitives
internal import LinuxIO
internal import Logging

// Looking after the guard.
extension GatewayDaemon {
    /// Until a look that was in vain is tried again.
    private static let timeBetweenTries = Duration.seconds(1)

    func registerGuardWatch() throws(SystemCallFailure) {
        try loop.add(guardWatch.rules.number) { [unowned self] _ in
            if guardWatch.rules.drain() { doubtGuard(.routing) }
        }
        try loop.add(guardWatch.filters.number) { [unowned self] _ in
            let news = guardWatch.filters.drainNamingGuard()
            if news.namesGuard { keptGuard.doubt() }
            if news.hasNews { doubtGuard(.filter) }
        }
        try loop.add(guardWatch.pause.number) { [unowned self] _ in
            guardWatch.pause.acknowledge()
            keepGuard(guardWatch.doubts)
        }
        forgetOwnNews()
        tellConflict()
    }

    /// Looks after a half of the guard now, or as soon as the last look is long enough ago.
    func doubtGuard(_ half: KeptGuard.Half) {
        guardWatch.doubts.insert(half)
        if BootClock.now() >= guardWatch.nextLook {
            keepGuard(guardWatch.doubts)
        } else {
            guardWatch.pause.arm(at: guardWatch.nextLook)
        }
    }

    func keepGuard(_ halves: Set<KeptGuard.Half> = [.filter, .routing]) {
        if halves.isEmpty { return }
        guardWatch.doubts.subtract(halves)
        let start = BootClock.now()
        do throws(SystemCallFailure) {
            let isRestored = try keptGuard.restore(halves, of: plans, network)
            guardWatch.failure = nil
            let end = BootClock.now()
            guardWatch.noteLook(halves, end - start, foundDamage: isRestored, at: end)
            tellConflict()
            guard isRestored else { return }
            forgetOwnNews()
            logger.warning("somebody took away a part of the guard; it is in force again")
        } catch {
            // What was put back before is no news.
            _ = guardWatch.filters.drain()
            guardWatch.doubts.formUnion(halves)
            guardWatch.nextLook = BootClock.now() + GatewayDaemon.timeBetweenTries
            guardWatch.pause.arm(at: guardWatch.nextLook)
            if guardWatch.failure != error {
                logger.warning("cannot look after the guard, will try again: \(error)")
            }
            guardWatch.failure = error
        }
    }

    /// What this gateway itself has just changed is no news; another look, in a moment, sees what else
    /// may have come with it.
    func forgetOwnNews() {
        _ = guardWatch.filters.drain()
        _ = guardWatch.rules.drain()
        guardWatch.doubts = [.filter, .routing]
        guardWatch.pause.arm(
            at: max(guardWatch.nextLook, BootClock.now() + GuardWatch.shortestWait)
        )
    }

    /// Says once that a route cannot be where somebody else's is.
    private func tellConflict() {
        guard guardWatch.conflict != keptGuard.conflict else { return }
        guardWatch.conflict = keptGuard.conflict
        if let conflict = keptGuard.conflict { logger.warning("a route is missing: \(conflict)") }
    }
}
