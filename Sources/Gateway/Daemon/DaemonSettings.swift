internal import Configuration
internal import DataPlane
internal import IPsecCrypto
internal import IPsecPrimitives
internal import LinuxIO
internal import PacketProtection

extension PacketPathConfiguration {
    init(_ configuration: GatewayConfiguration, localAddresses: [IPAddress]) {
        self.init()
        held.packetsPerPolicy = configuration.settings.heldPackets
        errorSourceV6 = ErrorSource(localAddresses, for: configuration).address
    }
}

extension PacketPathCommand {
    static func setErrorSource(
        _ localAddresses: [IPAddress],
        for configuration: GatewayConfiguration
    ) -> PacketPathCommand {
        .setErrorSource(ErrorSource(localAddresses, for: configuration).address)
    }
}

/// The address that ICMPv6 errors to the inside come from: an inside one where there is any.
private struct ErrorSource {
    private(set) var address: IPv6Address?

    init(_ localAddresses: [IPAddress], for configuration: GatewayConfiguration) {
        let inside = configuration.policies.flatMap(\.local)
        let preferred = localAddresses.filter { address in
            inside.contains { $0.contains(address) }
        }
        for address in preferred + localAddresses {
            guard case .v6(let found) = address else { continue }
            self.address = found
            return
        }
    }
}

extension PacketCipherBackEnd {
    init(_ choice: GatewaySettings.PacketCipherChoice) {
        self =
            switch choice {
            case .automatic: .automatic
            case .multiBuffer: .multiBuffer
            case .openSSL: .openSSL
            }
    }

    /// As the configuration writes it.
    var name: String {
        switch self {
        case .multiBuffer: "multi-buffer"
        case .openSSL: "openssl"
        }
    }
}

extension DataPlaneConfiguration {
    init(
        _ packetPath: PacketPathConfiguration,
        _ settings: GatewaySettings,
        _ device: TUNDevice,
        _ sockets: ListeningSockets,
        _ workers: WorkerPlan
    ) {
        self.init(
            device: device,
            udpSockets: sockets.natTraversal,
            rawSockets: sockets.esp,
            headerSockets: sockets.ah,
            packetPath: packetPath
        )
        furtherWorkers = sockets.furtherWorkers
        processors = workers.processors
        cipherThreads = settings.cipherThreads
        learnsPathMTU = settings.pathMTU == .learn
    }
}
