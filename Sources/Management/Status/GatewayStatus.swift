/// What `cygnet status` reports. The schema is documented in `Documentation/status-schema.md`;
/// names and meanings of members never change within one `schema`.
package struct GatewayStatus: Codable, Equatable, Sendable {
    /// The version of this schema. Members may be added without a new one.
    package static let currentSchema = 1

    package var schema = GatewayStatus.currentSchema
    /// The gateway's own version.
    package var version: String
    package var configurationFile: String
    package var uptimeSeconds: Double
    package var interface: InterfaceStatus
    package var guardState: GuardStatus
    /// What happens to packets that no policy covers: `bypass` or `discard`.
    package var defaultPolicy: String
    package var connections: [ConnectionStatus]
    /// Every reason for which something was dropped, most first.
    package var drops: [DropCount]
    /// The IKE messages of all connections since the gateway started.
    package var ike: IKECounts?
    /// The threads that carry packets.
    package var workers: [WorkerStatus]?
    /// Limits on what leaves; absent where there is none.
    package var traffic: [TrafficStatus]?

    package init(
        version: String,
        configurationFile: String,
        uptimeSeconds: Double,
        interface: InterfaceStatus,
        guardState: GuardStatus,
        defaultPolicy: String,
        connections: [ConnectionStatus],
        drops: [DropCount],
        ike: IKECounts? = nil,
        workers: [WorkerStatus]? = nil,
        traffic: [TrafficStatus]? = nil
    ) {
        self.version = version
        self.configurationFile = configurationFile
        self.uptimeSeconds = uptimeSeconds
        self.interface = interface
        self.guardState = guardState
        self.defaultPolicy = defaultPolicy
        self.connections = connections
        self.drops = drops
        self.ike = ike
        self.workers = workers
        self.traffic = traffic
    }
}

/// The TUN device and the cipher behind it.
package struct InterfaceStatus: Codable, Equatable, Sendable {
    package var name: String
    package var mtu: Int
    /// `multi-buffer` or `openssl`.
    package var packetCipher: String

    package init(name: String, mtu: Int, packetCipher: String) {
        self.name = name
        self.mtu = mtu
        self.packetCipher = packetCipher
    }
}

/// Whether the kernel keeps protected traffic from leaving or arriving in clear.
package enum GuardStatus: String, Codable, Sendable {
    /// Routes, rules and filters are in place.
    case set
    /// Lifted by hand.
    case lifted
    /// Only some of it is in place.
    case incomplete
}
