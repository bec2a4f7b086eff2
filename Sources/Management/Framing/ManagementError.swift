internal import Glibc

/// Why the control API could not be used.
package enum ManagementError: Error, Equatable, Sendable {
    /// The text says what did not fit.
    case malformed(String)
    case lineTooLong(limit: Int)
    /// No gateway listens at the path.
    case notRunning(path: String)
    /// The socket may not be opened by this user.
    case notPermitted(path: String)
    /// The path does not fit into a socket address.
    case pathTooLong(path: String, limit: Int)
    /// The gateway went away before its last reply.
    case closedEarly
    /// The gateway said nothing for this many seconds.
    case silent(seconds: Int)
    /// A system call failed.
    case system(call: String, code: Int32)
}

extension ManagementError: CustomStringConvertible {
    /// One sentence, and one with the remedy.
    package var description: String {
        switch self {
        case .malformed(let text):
            "The gateway's answer cannot be read (\(text)). "
                + "Use the same version of cygnet as the gateway."
        case .lineTooLong(let limit):
            "A line of the control socket is longer than \(limit) bytes. "
                + "Use the same version of cygnet as the gateway."
        case .notRunning(let path):
            "No gateway answers at \(path). Start one with `cygnet run`, "
                + "or name its socket with --socket."
        case .notPermitted(let path):
            "You may not open \(path). Run this as root, with sudo."
        case .pathTooLong(let path, let limit):
            "The socket path \(path) is longer than \(limit) bytes. Name a shorter one."
        case .closedEarly:
            "The gateway went away before it had answered. Its log says why."
        case .silent(let seconds):
            "The gateway has said nothing for \(seconds) seconds. Its log may say why."
        case .system(let call, let code):
            "\(call) failed: \(unsafe String(cString: strerror(code)))."
        }
    }
}
