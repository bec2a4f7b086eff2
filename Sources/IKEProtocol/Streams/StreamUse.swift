/// Names one attempt of ours to open a TCP connection.
package struct StreamAttempt: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// What an IKE SA remembers of the TCP connections it goes by or may go by (RFC 9329).
///
/// A class, for an IKE SA and the one that replaces it are on the same connection for a while
/// (RFC 9329 §6.1), and for those alone pay that have one.
final class StreamUse {
    /// The connection that is being opened.
    var attempt: StreamAttempt?
    /// Connections in a row that could not be opened, or broke before anything came by them.
    var failures = 0
    /// A connection that is open while messages go by UDP: because UDP is being tried, or because
    /// it does not seem to get through.
    var standby: IKEPath?
}
