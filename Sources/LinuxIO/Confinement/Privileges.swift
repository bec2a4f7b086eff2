internal import CLinux
internal import Glibc

/// The privileges of this process.
package enum Privileges {
    /// The capabilities that the daemon keeps.
    package enum Capability: Int32, Sendable, CaseIterable {
        case networkAdministration = 12
        case rawSockets = 13

        package var name: String {
            switch self {
            case .networkAdministration: "CAP_NET_ADMIN"
            case .rawSockets: "CAP_NET_RAW"
            }
        }
    }

    /// Drops every capability but `kept` from all sets, for good; call it before starting threads.
    ///
    /// Also sets no_new_privs and makes the process undumpable, so that no core or ptrace shows
    /// its keys.
    package static func reduce(
        to kept: [Capability] = Capability.allCases
    ) throws(SystemCallFailure) {
        let numbers = kept.map(\.rawValue)
        let result = unsafe numbers.withUnsafeBufferPointer { buffer in
            unsafe cygnet_capabilities_keep(buffer.baseAddress, Int32(buffer.count))
        }
        guard result == 0 else { throw .last("capset") }
        guard cygnet_no_new_privileges() == 0 else { throw .last("prctl(PR_SET_NO_NEW_PRIVS)") }
        guard cygnet_not_dumpable() == 0 else { throw .last("prctl(PR_SET_DUMPABLE)") }
    }

    /// Fails with the missing capability's name unless all of `needed` are in force.
    package static func demand(
        _ needed: [Capability] = Capability.allCases
    ) throws(SystemCallFailure) {
        let mask = effectiveMask()
        for capability in needed where mask >> UInt64(capability.rawValue) & 1 == 0 {
            throw SystemCallFailure(
                call: "capget(\(capability.name))",
                errorNumber: EPERM,
                remedy: "Run as root, or give the process \(capability.name)."
            )
        }
    }

    /// Bit n is set when capability n is in force.
    package static func effectiveMask() -> UInt64 {
        var mask: UInt64 = 0
        return unsafe cygnet_capabilities_effective(&mask) == 0 ? mask : 0
    }
}
