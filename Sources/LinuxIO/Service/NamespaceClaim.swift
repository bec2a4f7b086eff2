internal import CLinux
internal import Glibc

/// The right to be the one gateway of this network namespace, held until it is let go or the process
/// ends in any way.
///
/// Rules, routes and the guard belong to the namespace: a second gateway would take them from the
/// first before it fails at a port.
package final class NamespaceClaim {
    // A name in the abstract namespace of unix sockets is of one network namespace, and is gone with
    // the last process that has it.
    private let file: FileDescriptor
    private static let backlog: Int32 = 64

    /// - Parameter patience: milliseconds in which the one that holds the name is to say who it is: a
    ///   gateway does each time that it keeps house, and anybody may have filled its queue until then.
    /// - Returns: nil when a user who may not run a gateway holds the name: nobody is kept from
    ///   protecting his traffic by that.
    /// - Throws: EADDRINUSE when another gateway runs in this network namespace.
    package static func take(
        _ name: String = "@cygnet-gateway",
        patience: Int32 = 15_000
    ) throws(SystemCallFailure) -> NamespaceClaim? {
        var process: Int32 = 0
        var user: UInt32 = 0
        var tries = 3
        while true {
            let number = unsafe cygnet_unix_listen(name, 0o600, backlog)
            if number >= 0 { return NamespaceClaim(FileDescriptor(owning: number)) }
            guard errno == EADDRINUSE else { throw .last("bind(unix \(name))") }
            if unsafe cygnet_unix_listener(name, patience, &process, &user) == 0 { break }
            // Who held it has gone meanwhile, or has it and does not listen.
            guard errno == ECONNREFUSED, tries > 1 else { return nil }
            tries -= 1
        }
        guard user == 0 || user == geteuid() else { return nil }
        throw SystemCallFailure(
            call: "bind(unix \(name))",
            errorNumber: EADDRINUSE,
            remedy: "A gateway runs in this network namespace already, as process \(process): "
                + "give it the new configuration with cygnet reload, or end it with cygnet stop."
        )
    }

    private init(_ file: FileDescriptor) {
        self.file = file
    }

    /// Lets go who has asked since the last time, as many as may wait at once: anybody may ask.
    package func answerQuestions() {
        for _ in 0..<NamespaceClaim.backlog {
            let asker = cygnet_unix_accept(file.number)
            guard asker >= 0 else { return }
            close(asker)
        }
    }
}
