internal import CLinux

/// Tells the service manager how the daemon is doing (sd_notify), if there is one.
package struct ServiceNotifier: Sendable {
    private let path: String?

    /// - Parameter socketPath: the value of `NOTIFY_SOCKET`; nil or empty makes every call void.
    package init(socketPath: String?) {
        path = socketPath.flatMap { $0.isEmpty ? nil : $0 }
    }

    package func ready(status: String) {
        send("READY=1\nSTATUS=\(oneLine(status))")
    }

    package func reloading(at microseconds: UInt64) {
        send("RELOADING=1\nMONOTONIC_USEC=\(microseconds)")
    }

    package func stopping() {
        send("STOPPING=1")
    }

    package func status(_ text: String) {
        send("STATUS=\(oneLine(text))")
    }

    private func oneLine(_ text: String) -> String {
        String(text.map { $0.isNewline ? " " : $0 })
    }

    // A service manager that does not listen is no reason to fail.
    private func send(_ text: String) {
        guard let path else { return }
        _ = unsafe cygnet_unix_notify(path, text, text.utf8.count)
    }
}
