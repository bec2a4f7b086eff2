internal import CNFTables

/// The guard in the kernel: the nftables table `inet cygnet_guard`.
package enum PacketGuard {
    /// Puts `plan` in force, in place of what was, in one transaction.
    package static func set(_ plan: GuardPlan) throws(SystemCallFailure) {
        _ = plan
    }

    /// The table as the kernel has it, or nil when there is none.
    package static func show() throws(SystemCallFailure) -> String? {
        nil
    }

    /// Takes the guard away. Without one it does nothing.
    package static func lift() throws(SystemCallFailure) {
    }
}
