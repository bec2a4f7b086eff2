package import LinuxIO

/// Names a TCP connection that the packet path carries.
package struct StreamNumber: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// A TCP connection on its way from control to the worker, in the middle of whatever it carries
/// (RFC 9329). Its prefix is behind it.
package struct StreamParcel: Sendable {
    package var number: StreamNumber
    package var connection: TCPConnection
    /// What has come and is not dealt with: from the beginning of a message on.
    package var received: [UInt8]
    /// What is still to be sent, before anything else.
    package var unsent: [UInt8]

    package init(
        number: StreamNumber,
        connection: TCPConnection,
        received: [UInt8],
        unsent: [UInt8]
    ) {
        self.number = number
        self.connection = connection
        self.received = received
        self.unsent = unsent
    }
}

/// Why the worker has let a connection go.
package enum StreamEnding: Hashable, Sendable {
    /// The other end or the network ended it, or control asked for it.
    case closed
    /// A length that cannot be, or content that is neither IKE nor ESP (RFC 9329 §3.1).
    case fault
    /// Many packets one after the other that no SA could have sealed (RFC 9329 §6.1).
    case outOfStep
    /// IKE messages found no room, for the other end does not read.
    case slowReader
    /// Control had no room for its IKE messages.
    case overload
    /// There is no room for more connections, or none to watch it.
    case refused
}
