internal import CLinux
internal import Glibc

/// Landlock: the process sees only the paths that it needs.
package enum FileSystemRestriction {
    package struct Path: Hashable, Sendable {
        package var path: String
        /// Also write, and make and remove files and sockets.
        package var isWritable: Bool

        package init(_ path: String, isWritable: Bool = false) {
            self.path = path
            self.isWritable = isWritable
        }
    }

    package enum Outcome: Equatable, Sendable {
        /// In force, by the kernel's Landlock version.
        case restricted(version: Int)
        /// The kernel has no Landlock, or it is off; nothing changed.
        case unavailable
    }

    /// Restricts the calling thread, and those that it starts from here on, for good.
    ///
    /// Paths that do not exist are left out. Call `Privileges.reduce` first (no_new_privs), and
    /// this before any other thread is started.
    package static func restrict(
        to paths: [Path]
    ) throws(SystemCallFailure) -> Outcome {
        let version = cygnet_landlock_version()
        guard version >= 1 else { return .unavailable }
        let copies = unsafe paths.map { unsafe strdup($0.path) }
        defer { unsafe copies.forEach { unsafe free($0) } }
        let pointers = unsafe copies.map { unsafe UnsafePointer<CChar>($0) }
        let access = paths.map { Int32($0.isWritable ? 1 : 0) }
        let result = unsafe pointers.withUnsafeBufferPointer { pointers in
            unsafe access.withUnsafeBufferPointer { access in
                unsafe cygnet_landlock_restrict(
                    pointers.baseAddress,
                    access.baseAddress,
                    Int32(access.count)
                )
            }
        }
        guard result == 0 else { throw .last("landlock_restrict_self") }
        return .restricted(version: Int(version))
    }
}
