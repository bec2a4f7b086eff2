internal import LinuxIO
internal import Logging

extension GatewayDaemon {
    /// Gives up what the running gateway does not need: capabilities, files, system calls.
    ///
    /// Comes before the packet path's threads are started, so that they are confined too.
    static func confine(controlSocket: String, _ logger: Logger) throws(SystemCallFailure) {
        try Privileges.reduce()
        let directory = controlSocket.lastIndex(of: "/").map { String(controlSocket[..<$0]) }
        let outcome = try FileSystemRestriction.restrict(to: [
            // Removing the control socket at the end, and telling the service manager.
            FileSystemRestriction.Path(
                directory.flatMap { $0.isEmpty ? "/" : $0 } ?? ".",
                isWritable: true
            ),
            FileSystemRestriction.Path("/run/systemd", isWritable: true),
            // The resolver, time zones and the kernel's own figures.
            FileSystemRestriction.Path("/etc"),
            FileSystemRestriction.Path("/usr/share"),
            FileSystemRestriction.Path("/proc"),
            FileSystemRestriction.Path("/sys"),
        ])
        if outcome == .unavailable {
            logger.info("the kernel has no Landlock: files stay within reach of this process")
        }
        try SystemCallFilter.install()
    }
}
