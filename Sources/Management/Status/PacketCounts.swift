/// Inner packets and their bytes.
package struct TrafficCount: Codable, Equatable, Sendable {
    package var packets: UInt64
    package var bytes: UInt64

    package init(packets: UInt64 = 0, bytes: UInt64 = 0) {
        self.packets = packets
        self.bytes = bytes
    }
}

/// Packets or datagrams dropped for one reason since the gateway started.
package struct DropCount: Codable, Equatable, Sendable {
    /// A word that never changes, such as `replayed`.
    package var reason: String
    package var packets: UInt64

    package init(reason: String, packets: UInt64) {
        self.reason = reason
        self.packets = packets
    }
}
