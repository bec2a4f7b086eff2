/// What a client asks of the gateway; one line of JSON.
package enum ManagementRequest: Codable, Equatable, Sendable {
    /// Answered by one `status` reply.
    case status
    /// Begin a connection with every tunnel of it, or one tunnel of it. Answered by `progress`
    /// replies and in the end `done` or `failed`.
    case up(connection: String, tunnel: String?)
    /// End a connection, or one tunnel of it. Answered like `up`.
    case down(connection: String, tunnel: String?)
    /// Shut the gateway down in good order. Answered by `done`.
    case stop
}

/// What the gateway answers; one line of JSON each.
package enum ManagementReply: Codable, Equatable, Sendable {
    case status(GatewayStatus)
    /// One line for the user; more replies follow.
    case progress(String)
    /// The request came about; the last reply.
    case done(String)
    /// The request did not come about; the last reply.
    case failed(FailureStatus)

    package var isLast: Bool {
        if case .progress = self { return false }
        return true
    }
}
