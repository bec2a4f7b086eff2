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
                packets(tunnel, connection, link: link)
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
        let smallest = packets(tunnel, connection, link: link).min()
        return max(minimum, smallest ?? link)
    }

    /// The largest packet that each algorithm of a tunnel carries.
    private static func packets(
        _ tunnel: TunnelConfiguration,
        _ connection: ConnectionConfiguration,
        link: Int
    ) -> [Int] {
        let room = link - outer(connection)
        // In transport mode the packet's own header is the outer one.
        let kept = tunnel.carriage.mode.value == .transport ? header(connection) : 0
        return suites(tunnel).map { $0.largestInnerPacket(within: room) + kept }
            + authenticationHeaders(tunnel).map { link - header(connection) - $0 + kept }
    }

    /// Octets of the outer IP header and of UDP, at most.
    private static func outer(_ connection: ConnectionConfiguration) -> Int {
        header(connection) + (connection.encapsulation.value == .esp ? 0 : 8)
    }

    private static func header(_ connection: ConnectionConfiguration) -> Int {
        isV4Alone(connection) ? 20 : 40
    }

    /// Octets of AH for each algorithm that it may have, with the padding that IPv6 wants.
    private static func authenticationHeaders(_ tunnel: TunnelConfiguration) -> [Int] {
        tunnel.carriage.ahProposals.flatMap { located in
            located.value.transforms(of: .integrity).compactMap {
                IntegrityAlgorithm(rawValue: $0.identifier).authenticationHeaderICVLength
            }.map { (PacketAuthenticator.fixedLength + $0 + 7) / 8 * 8 }
        }
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
