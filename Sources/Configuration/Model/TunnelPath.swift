/// The name of a tunnel: its connection's and its own.
package struct TunnelPath: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let connection: String
    package let tunnel: String

    package init(connection: String, tunnel: String) {
        self.connection = connection
        self.tunnel = tunnel
    }

    /// `branch/net`.
    package var description: String { "\(connection)/\(tunnel)" }

    package static func < (left: TunnelPath, right: TunnelPath) -> Bool {
        (left.connection, left.tunnel) < (right.connection, right.tunnel)
    }
}
