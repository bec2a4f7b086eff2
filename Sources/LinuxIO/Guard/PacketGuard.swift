internal import CNFTables
internal import Glibc

/// The guard in the kernel: the nftables table `inet cygnet_guard`.
package enum PacketGuard {
    /// Puts `plan` in force, in place of what was, and ends a lifting.
    ///
    /// The kernel fills sets of several ranges a moment after the rules of their transaction are in
    /// force, and an empty set matches nothing. So a second table judges meanwhile, with the same
    /// content: whatever passes has passed one whose sets are full.
    package static func set(_ plan: GuardPlan) throws(SystemCallFailure) {
        try set(plan, GuardPlan.removal(of: GuardPlan.liftedName))
    }

    /// Puts `plan` in force, in place of what was, unless the guard was lifted by hand.
    ///
    /// - Returns: whether it is in force.
    package static func replace(by plan: GuardPlan) throws(SystemCallFailure) -> Bool {
        do {
            try set(plan, GuardPlan.absence(of: GuardPlan.liftedName))
            return true
        } catch  where error.errorNumber == EEXIST {
            return false
        }
    }

    /// - Parameter condition: stands at the beginning of each transaction.
    private static func set(
        _ plan: GuardPlan,
        _ condition: String
    ) throws(SystemCallFailure) {
        let content = plan.content()
        let standIn = GuardPlan.standInName
        let what = "nft table inet \(GuardPlan.tableName)"
        if plan.hasRangeSets {
            let filling = GuardPlan.replacement(of: standIn, by: content)
            _ = try run(condition + filling, what: what)
        }
        let replacement = GuardPlan.replacement(of: GuardPlan.tableName, by: content)
        do {
            _ = try run(condition + replacement, what: what)
        } catch {
            _ = try run(GuardPlan.removal(of: standIn), what: what)
            throw error
        }
        _ = try run(GuardPlan.removal(of: standIn), what: what)
    }

    /// The table as the kernel has it, or nil when there is none.
    package static func show() throws(SystemCallFailure) -> String? {
        do {
            return try run(
                "list table inet \(GuardPlan.tableName)",
                what: "nft list table inet \(GuardPlan.tableName)"
            )
        } catch  where error.errorNumber == ENOENT {
            return nil
        }
    }

    /// Takes the guard away, and leaves word that this was meant. Without a guard it does just that.
    package static func lift() throws(SystemCallFailure) {
        _ = try run(
            GuardPlan.removal(of: GuardPlan.tableName)
                + GuardPlan.removal(of: GuardPlan.standInName)
                + "add table inet \(GuardPlan.liftedName)\n",
            what: "nft delete table inet \(GuardPlan.tableName)"
        )
    }

    /// Runs commands as one transaction and returns what they print.
    private static func run(_ commands: String, what: String) throws(SystemCallFailure) -> String {
        // The library ends the process where it can have no socket.
        _ = try NetlinkSocket(NetlinkConstant.netfilter)
        guard let context = unsafe nft_ctx_new(0) else {
            throw .last("nft_ctx_new", remedy: "Install libnftables (libnftables1).")
        }
        defer { unsafe nft_ctx_free(context) }
        unsafe nft_ctx_buffer_output(context)
        unsafe nft_ctx_buffer_error(context)
        errno = 0
        let result = unsafe nft_run_cmd_from_buffer(context, commands)
        let number = errno
        guard result == 0 else {
            let text = unsafe nft_ctx_get_error_buffer(context).map { unsafe String(cString: $0) }
            throw failure(text ?? "", errorNumber: number, what: what)
        }
        return unsafe nft_ctx_get_output_buffer(context).map { unsafe String(cString: $0) } ?? ""
    }

    /// The library's words begin `Error: …`; the line that follows only points at the place.
    private static func failure(
        _ text: String,
        errorNumber: Int32,
        what: String
    ) -> SystemCallFailure {
        let words = text.split(separator: "\n").first.map(String.init) ?? ""
        let isMissing = words.contains("No such file or directory")
        let isThere = words.contains("File exists")
        let isForbidden = words.contains("Operation not permitted")
        let number =
            isMissing
            ? ENOENT
            : isThere ? EEXIST : isForbidden ? EPERM : errorNumber == 0 ? EINVAL : errorNumber
        let remedy =
            isForbidden
            ? "Run as root, or give the process CAP_NET_ADMIN."
            : "nftables says: \(words.isEmpty ? "nothing" : words). "
                + "Check that the kernel has nf_tables with inet and fib support."
        return SystemCallFailure(call: what, errorNumber: number, remedy: remedy)
    }
}
