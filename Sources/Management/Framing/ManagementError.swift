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
    /// A system call failed.
    case system(call: String, code: Int32)
}
