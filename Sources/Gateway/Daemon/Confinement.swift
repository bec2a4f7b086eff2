internal import Configuration
internal import Glibc
internal import LinuxIO
internal import Logging

extension GatewayDaemon {
    /// Gives up what the running gateway does not need: capabilities, files, system calls.
    ///
    /// Comes before the packet path's threads are started, so that they are confined too. What
    /// stays within reach for a reload are whole directories, since editors replace files: those
    /// of the configuration and of the secrets that it names now. The files in them are read with
    /// the rights of the daemon's user, whom no capability helps.
    static func confine(
        _ configuration: GatewayConfiguration,
        _ logger: Logger
    ) throws(SystemCallFailure) {
        try Privileges.reduce()
        let files = [configuration.file] + configuration.connections.flatMap(\.secretFiles)
        // What the resolver reads may lie anywhere behind a link.
        let readByOthers = ["/etc/resolv.conf", "/etc/hosts"].map { directory(of: resolved($0)) }
        let directories = Set(readByOthers).union(
            files.flatMap { [directory(of: $0), directory(of: resolved($0))] }
        )
        let outcome = try FileSystemRestriction.restrict(
            to: [
                // Removing the control socket at the end.
                FileSystemRestriction.Path(
                    directory(of: configuration.settings.controlSocket),
                    isWritable: true
                ),
                FileSystemRestriction.Path(LastGoodConfiguration.directory, isWritable: true),
                // A reload may bring tunnels with interfaces of their own.
                FileSystemRestriction.Path("/dev/net/tun", isWritable: true),
                // The resolver, time zones and the kernel's own figures.
                FileSystemRestriction.Path("/etc"),
                FileSystemRestriction.Path("/run/systemd"),
                FileSystemRestriction.Path("/run/NetworkManager"),
                FileSystemRestriction.Path("/run/resolvconf"),
                FileSystemRestriction.Path("/usr/share"),
                FileSystemRestriction.Path("/proc"),
                FileSystemRestriction.Path("/sys"),
            ] + directories.sorted().map { FileSystemRestriction.Path($0) }
        )
        if outcome == .unavailable {
            logger.info("the kernel has no Landlock: files stay within reach of this process")
        }
        try SystemCallFilter.install()
    }

    private static func directory(of path: String) -> String {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) }
        return directory.map { $0.isEmpty ? "/" : $0 } ?? "."
    }

    /// Where symbolic links lead; the path itself where that cannot be told.
    private static func resolved(_ path: String) -> String {
        guard let result = unsafe realpath(path, nil) else { return path }
        defer { unsafe free(result) }
        return unsafe String(cString: result)
    }
}
