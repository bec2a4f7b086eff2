package import LinuxIO
package import PacketProtection

/// The sockets of one worker.
package struct WorkerSockets: Sendable {
    package var udp: [UDPSocket]
    package var raw: [RawESPSocket]
    package var header: [RawAHSocket]

    package init(
        udp: [UDPSocket],
        raw: [RawESPSocket] = [],
        header: [RawAHSocket] = []
    ) {
        self.udp = udp
        self.raw = raw
        self.header = header
    }
}

/// What the packet path reads from and writes to; the descriptors may be in use elsewhere too.
package struct DataPlaneConfiguration: Sendable {
    /// That of policy-based tunnels; others are attached later.
    package var device: TUNDevice
    /// ESP in UDP, and IKE behind the non-ESP marker (RFC 3948): port 4500.
    package var udpSockets: [UDPSocket]
    package var rawSockets: [RawESPSocket]
    /// AH, and what else goes out with an IP header of its own.
    package var headerSockets: [RawAHSocket]
    /// One for each worker besides the first, whose sockets are those above. Each is to receive the
    /// ESP and AH whose SPI `WorkerPlace.owner` gives to it; IKE is the first's.
    package var furtherWorkers: [WorkerSockets] = []
    /// Numbers of the processors that the workers are kept on, by their order; none: the system
    /// chooses.
    package var processors: [Int] = []
    /// Threads that help the workers with the ciphers of SAs that are spread, 0 to 63.
    package var cipherThreads = 0
    package var packetPath: PacketPathConfiguration
    /// Whether what routers say of a path's MTU counts; what the system's own links carry does.
    package var learnsPathMTU = true

    package var workerCount: Int { furtherWorkers.count + 1 }

    package init(
        device: TUNDevice,
        udpSockets: [UDPSocket],
        rawSockets: [RawESPSocket] = [],
        headerSockets: [RawAHSocket] = [],
        packetPath: PacketPathConfiguration = PacketPathConfiguration()
    ) {
        self.device = device
        self.udpSockets = udpSockets
        self.rawSockets = rawSockets
        self.headerSockets = headerSockets
        self.packetPath = packetPath
    }
}

extension DataPlaneConfiguration {
    /// The configuration of one worker, with its sockets alone.
    func ofWorker(_ index: Int) -> DataPlaneConfiguration {
        var result = self
        result.furtherWorkers = []
        if index > 0 {
            result.udpSockets = furtherWorkers[index - 1].udp
            result.rawSockets = furtherWorkers[index - 1].raw
            result.headerSockets = furtherWorkers[index - 1].header
        }
        return result
    }
}
