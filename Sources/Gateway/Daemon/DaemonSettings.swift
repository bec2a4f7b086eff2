internal import Configuration
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

extension PacketPathConfiguration {
    init(_ configuration: GatewayConfiguration, localAddresses: [IPAddress]) {
        self.init()
        held.packetsPerPolicy = configuration.settings.heldPackets
        let sources = ErrorSources(localAddresses, for: configuration)
        errorSourceV4 = sources.v4
        errorSourceV6 = sources.v6
    }
}

extension PacketPathCommand {
    static func setErrorSources(
        _ localAddresses: [IPAddress],
        for configuration: GatewayConfiguration
    ) -> PacketPathCommand {
        let sources = ErrorSources(localAddresses, for: configuration)
        return .setErrorSources(v4: sources.v4, v6: sources.v6)
    }
}

/// The addresses that ICMP errors to the inside come from: inside ones where there are any.
private struct ErrorSources {
    private(set) var v4: IPv4Address?
    private(set) var v6: IPv6Address?

    init(_ localAddresses: [IPAddress], for configuration: GatewayConfiguration) {
        let inside = configuration.policies.flatMap(\.local)
        let preferred = localAddresses.filter { address in
            inside.contains { $0.contains(address) }
        }
        for address in preferred + localAddresses {
            switch address {
            case .v4(let address): v4 = v4 ?? address
            case .v6(let address): v6 = v6 ?? address
            }
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
