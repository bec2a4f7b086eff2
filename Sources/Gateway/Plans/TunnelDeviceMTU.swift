internal import Configuration
internal import IPsecCrypto
internal import IPsecPrimitives

/// The MTU of a tunnel device: the largest inner packet that every tunnel behind it carries whole.
///
/// With it, the kernel itself tells senders of larger packets (RFC 4301 §8.2.1), and local TCP
/// chooses fitting segments. A tunnel that carries less is looked after by the packet path.
enum TunnelDeviceMTU {
    /// RFC 8200 §5: IPv6 does not work below.
    static let minimum = 1280

    static func octets(for configuration: GatewayConfiguration) -> Int {
        if let fixed = configuration.settings.mtu { return fixed }
        let link = configuration.settings.linkMTU
        let smallest = configuration.connections.flatMap { connection in
            connection.tunnels.filter { $0.interface == nil }.flatMap { tunnel in
                suites(tunnel).map { $0.largestInnerPacket(within: link - outer(connection)) }
            }
        }.min()
        return max(minimum, smallest ?? link)
    }

    /// Of the interface of one route-based tunnel.
    static func octets(
        for tunnel: TunnelConfiguration,
        of configuration: GatewayConfiguration
    ) -> Int {
        if let fixed = tunnel.mtu.value { return fixed }
        let link = configuration.settings.linkMTU
        guard let connection = configuration.connection(named: tunnel.path.connection) else {
            return link
        }
        let smallest = suites(tunnel)
            .map { $0.largestInnerPacket(within: link - outer(connection)) }.min()
        return max(minimum, smallest ?? link)
    }

    /// Octets of the outer IP header and of UDP, at most.
    private static func outer(_ connection: ConnectionConfiguration) -> Int {
        let header = isV4Alone(connection) ? 20 : 40
        return header + (connection.encapsulation.value == .esp ? 0 : 8)
    }

    /// Whether no outer packet can be of IPv6.
    private static func isV4Alone(_ connection: ConnectionConfiguration) -> Bool {
        if connection.localAddress.value?.version == .v4 { return true }
        let peers = connection.remoteAddresses.value
        return !peers.isEmpty
            && peers.allSatisfy { peer in
                let prefixes = peer.prefixes
                return !prefixes.isEmpty && prefixes.allSatisfy { $0.version == .v4 }
            }
    }

    private static func suites(_ tunnel: TunnelConfiguration) -> [CipherSuite] {
        tunnel.espProposals.flatMap { located in
            let integrity = located.value.transforms(of: .integrity).map {
                IntegrityAlgorithm(rawValue: $0.identifier)
            }
            return located.value.encryption.flatMap { encryption in
                (integrity.map(Optional.some) + [nil]).compactMap {
                    CipherSuite(encryption: encryption, integrity: $0)
                }
            }
        }
    }
}

extension CipherSuite {
    /// RFC 4303 §2: SPI, sequence number, IV, the packet, padding to a block, two octets of
    /// trailer, ICV.
    func largestInnerPacket(within octets: Int) -> Int {
        let room = octets - 8 - ivLength - icvLength
        return room / blockLength * blockLength - 2
    }
}
