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
        tellConflicts()
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
            tellConflicts()
            tellLifting()
            guard isRestored else { return }
            forgetOwnNews()
            logger.warning("somebody took away a part of the guard; it is in force again")
        } catch {
            // What was put back before is no news. What others did meanwhile is seen all the same.
            if halves.contains(.filter) { _ = guardWatch.filters.drain() }
            if halves.contains(.routing) { _ = guardWatch.rules.drain() }
            guardWatch.doubts = [.filter, .routing]
            guardWatch.nextLook = BootClock.now() + GatewayDaemon.timeBetweenTries
            guardWatch.pause.arm(at: guardWatch.nextLook)
            if guardWatch.failure != error {
                logger.warning("cannot look after the guard, will try again: \(error)")
            }
            guardWatch.failure = error
        }
    }

    /// Puts routes back that went by what this gateway itself did, or by what changed beside it: nobody
    /// took them away.
    func restoreRoutes() {
        do throws(SystemCallFailure) {
            if try keptGuard.restore([.routing], of: plans, network) {
                _ = guardWatch.rules.drain()
                lookAgain()
            }
            tellConflicts()
        } catch {
            doubtGuard(.routing)
        }
    }

    /// What this gateway itself has just changed is no news; another look, in a moment, sees what else
    /// may have come with it.
    func forgetOwnNews() {
        _ = guardWatch.filters.drain()
        _ = guardWatch.rules.drain()
        lookAgain()
    }

    private func lookAgain() {
        guardWatch.doubts = [.filter, .routing]
        guardWatch.pause.arm(
            at: max(guardWatch.nextLook, BootClock.now() + GuardWatch.shortestWait)
        )
    }

    /// Says once of each route that it cannot be where somebody else's is.
    private func tellConflicts() {
        for conflict in keptGuard.conflicts.subtracting(guardWatch.conflicts).inOrder {
            logger.warning("a route is missing: \(conflict)")
        }
        guardWatch.conflicts = keptGuard.conflicts
    }

    /// Says once that nothing is kept in, in case that nobody meant it: a saved rule set may bring back
    /// the mark of a lifting that is long over.
    private func tellLifting() {
        defer { guardWatch.isLifted = keptGuard.isLifted }
        guard keptGuard.isLifted, !guardWatch.isLifted else { return }
        logger.warning(
            """
            the guard is lifted: what a tunnel should carry may pass in clear; \
            cygnet guard set puts it in force again
            """
        )
    }
}
