internal import LinuxIO
internal import Management

/// The guard as a running gateway keeps it: what it set, and whether that is still in force.
struct KeptGuard {
    enum Half: Hashable, Sendable {
        case filter
        case routing
    }

    /// Routes of somebody else's that stand where some of ours should; the rest is in force.
    private(set) var conflicts: Set<SystemCallFailure> = []
    /// Whether the last look found that somebody had lifted it.
    private(set) var isLifted = false
    /// Of the table that this gateway set; nil where somebody changed it or took it away at once.
    private var fingerprint: GuardFingerprint?

    /// Sets both halves of the guard, each whether or not the other can be set: without nftables,
    /// routes still lead nowhere. Ends a lifting.
    mutating func set(
        _ plans: KernelPlans,
        _ network: NetworkConfiguration
    ) throws(SystemCallFailure) {
        var refusal: SystemCallFailure?
        do throws(SystemCallFailure) { try PacketGuard.set(plans.packetGuard) } catch {
            refusal = error
        }
        try applyRouting(plans, network)
        if let refusal { throw refusal }
        try note(plans)
    }

    /// Puts the guard of a new configuration in the place of the old one's, which comes back where
    /// that fails. A guard that was lifted by hand stays so.
    mutating func replace(
        _ old: KernelPlans,
        by new: KernelPlans,
        _ network: NetworkConfiguration
    ) throws(SystemCallFailure) {
        guard try !GuardFingerprint.isLifted() else { return }
        // The old filter judges until the kernel has taken every rule and route: nothing that it
        // covers passes while they are tried.
        do throws(SystemCallFailure) {
            let known = conflicts
            try applyRouting(new, network)
            // Those that were there before keep nothing else from being changed.
            if let conflict = conflicts.subtracting(known).inOrder.first { throw conflict }
            guard try PacketGuard.replace(by: new.packetGuard) else {
                return try network.withdraw()
            }
            try note(new)
        } catch {
            fingerprint = nil
            let isBack = try? PacketGuard.replace(by: old.packetGuard)
            if isBack == true { try? note(old) }
            // Unless it was lifted meanwhile.
            if isBack == false {
                try? network.withdraw()
            } else {
                _ = try? applyRouting(old, network)
            }
            throw error
        }
    }

    /// Applies rules and routes; one of somebody else's in the way of a route is noted, and no failure.
    ///
    /// - Returns: how many changed.
    @discardableResult
    mutating func applyRouting(
        _ plans: KernelPlans,
        _ network: NetworkConfiguration
    ) throws(SystemCallFailure) -> Int {
        defer { conflicts = network.conflicts }
        return try network.apply(plans.routing, toleratesConflicts: true)
    }

    /// Puts back what somebody took away without meaning it: a firewall that loads its rules anew
    /// flushes every table, a saved rule set brings an old one back, a network manager removes rules
    /// that it does not know. Who means it says so (`PacketGuard.lift`).
    ///
    /// - Returns: whether anything had to be put back.
    mutating func restore(
        _ halves: Set<Half>,
        of plans: KernelPlans,
        _ network: NetworkConfiguration
    ) throws(SystemCallFailure) -> Bool {
        isLifted = try GuardFingerprint.isLifted()
        if isLifted { return false }
        var isRestored = false
        var refusal: SystemCallFailure?
        if halves.contains(.filter) {
            do throws(SystemCallFailure) {
                if try !isInForce() {
                    isLifted = try !PacketGuard.replace(by: plans.packetGuard)
                    if isLifted { return false }
                    try note(plans)
                    isRestored = true
                }
            } catch {
                // Rules and routes keep traffic in without it.
                refusal = error
            }
        }
        if halves.contains(.routing), try applyRouting(plans, network) > 0 { isRestored = true }
        // Lifted meanwhile: what was put back of the rules goes again.
        if isRestored, try GuardFingerprint.isLifted() {
            isLifted = true
            try network.withdraw()
            return false
        }
        if let refusal { throw refusal }
        return isRestored
    }

    /// Notes how the table looks that has just been set. One that somebody has changed already is not
    /// ours: the next look sets it again.
    private mutating func note(_ plans: KernelPlans) throws(SystemCallFailure) {
        fingerprint = try GuardFingerprint.read()
        if fingerprint?.fits(plans.packetGuard) == false { fingerprint = nil }
    }

    /// Somebody else has changed something in the table: it is to be set anew, whatever it looks like.
    mutating func doubt() { fingerprint = nil }

    /// Whether the table is the one that this gateway set.
    private func isInForce() throws(SystemCallFailure) -> Bool {
        guard let fingerprint else { return false }
        return try GuardFingerprint.read() == fingerprint
    }

    func state() -> GuardStatus {
        do throws(SystemCallFailure) {
            if try GuardFingerprint.isLifted() { return .lifted }
            return try isInForce() ? .set : .incomplete
        } catch {
            return .incomplete
        }
    }
}

extension Set<SystemCallFailure> {
    /// Always the same of the same.
    var inOrder: [SystemCallFailure] { sorted { $0.description < $1.description } }
}
