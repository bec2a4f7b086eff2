internal import Configuration
internal import DataPlane
internal import IKEProtocol
internal import IPsecPrimitives
internal import LinuxIO

/// The sockets of the gateway: IKE on port 500, IKE and ESP in UDP on port 4500, raw ESP and AH.
final class ListeningSockets {
    let ike: [UDPSocket]
    let natTraversal: [UDPSocket]
    let esp: [RawESPSocket]
    let ah: [RawAHSocket]
    /// What workers besides the first receive and send by.
    let furtherWorkers: [WorkerSockets]
    /// Addresses that alone are answered on; empty: all.
    private let allowed: Set<IPAddress>

    /// - Parameter workers: how many share ESP and AH among them; IKE comes by the first one's sockets.
    init(_ settings: GatewaySettings, workers: Int) throws(SystemCallFailure) {
        let mark = PacketMark(value: settings.firewallMark, mask: settings.firewallMask)
        let versions = try ListeningSockets.versions(settings)
        var ike: [UDPSocket] = []
        for version in versions {
            ike.append(
                try UDPSocket(
                    bindingTo: Endpoint(
                        address: ListeningSockets.bindingAddress(version, settings),
                        port: settings.ikePort
                    ),
                    options: UDPSocket.Options(mark: mark)
                )
            )
        }
        var sockets: [WorkerSockets] = []
        for worker in 0..<workers {
            sockets.append(
                try ListeningSockets.packetSockets(
                    settings,
                    versions,
                    SocketShare(index: worker, of: workers)
                )
            )
        }
        self.ike = ike
        natTraversal = sockets[0].udp
        esp = sockets[0].raw
        ah = sockets[0].header
        furtherWorkers = Array(sockets.dropFirst())
        allowed = Set(settings.listenAddresses)
    }

    /// The sockets of one worker.
    private static func packetSockets(
        _ settings: GatewaySettings,
        _ versions: [IPVersion],
        _ share: SocketShare
    ) throws(SystemCallFailure) -> WorkerSockets {
        let mark = PacketMark(value: settings.firewallMark, mask: settings.firewallMask)
        var sockets = WorkerSockets(udp: [])
        for version in versions {
            sockets.udp.append(
                try UDPSocket(
                    bindingTo: Endpoint(
                        address: ListeningSockets.bindingAddress(version, settings),
                        port: settings.natPort
                    ),
                    options: UDPSocket.Options(
                        mark: mark,
                        isForPackets: true,
                        sharers: share.count
                    )
                )
            )
            sockets.raw.append(try RawESPSocket(version: version, mark: mark, share: share))
            sockets.header.append(try RawAHSocket(version: version, mark: mark, share: share))
        }
        return sockets
    }

    /// Sends through the socket whose port the datagram names.
    func send(_ datagram: IKEDatagram) throws(SystemCallFailure) {
        let version = datagram.remote.address.version
        if datagram.isUncut, !datagram.local.address.isUnspecified,
            let socket = ah.first(where: { $0.version == version })
        {
            let isMarked = natTraversal.contains { $0.local.port == datagram.local.port }
            return try socket.sendUncut(
                (isMarked ? [0, 0, 0, 0] : []) + datagram.bytes,
                from: datagram.local,
                to: datagram.remote
            )
        }
        if let socket = natTraversal.first(where: {
            $0.version == version && $0.local.port == datagram.local.port
        }) {
            // RFC 7296 §3.1: four zero octets tell IKE from ESP on this port.
            try socket.send(
                [0, 0, 0, 0] + datagram.bytes,
                from: datagram.local.address,
                to: datagram.remote
            )
        } else if let socket = ike.first(where: { $0.version == version }) {
            try socket.send(
                datagram.bytes,
                from: datagram.local.address,
                to: datagram.remote
            )
        }
    }

    /// RFC 3948 §2.3: one octet 0xFF keeps a NAT's mapping alive.
    func sendKeepalive(local: Endpoint, remote: Endpoint) throws(SystemCallFailure) {
        let socket = natTraversal.first { $0.version == remote.address.version }
        try socket?.send([0xFF], from: local.address, to: remote)
    }

    /// Where peers may come by TCP; nowhere unless a connection is for it.
    static func streamEndpoints(_ configuration: GatewayConfiguration) -> [Endpoint] {
        guard configuration.connections.contains(where: { $0.paths.transport.value != .udp }),
            let versions = try? ListeningSockets.versions(configuration.settings)
        else { return [] }
        let settings = configuration.settings
        return versions.flatMap { version in
            let named = settings.listenAddresses.filter { $0.version == version }
            let addresses = named.isEmpty ? [.unspecified(version)] : named
            return addresses.flatMap { address in
                settings.tcpPorts.map { Endpoint(address: address, port: $0) }
            }
        }
    }

    func mayReceive(on local: Endpoint) -> Bool {
        allowed.isEmpty || allowed.contains(local.address)
    }

    /// One socket a version, so several addresses mean the unspecified one and a look at each
    /// datagram.
    private static func bindingAddress(
        _ version: IPVersion,
        _ settings: GatewaySettings
    ) -> IPAddress {
        let named = settings.listenAddresses.filter { $0.version == version }
        return named.count == 1 ? named[0] : .unspecified(version)
    }

    /// The versions to listen on: those named, or every one that the kernel has.
    private static func versions(
        _ settings: GatewaySettings
    ) throws(SystemCallFailure) -> [IPVersion] {
        if !settings.listenAddresses.isEmpty {
            return [.v4, .v6].filter { version in
                settings.listenAddresses.contains { $0.version == version }
            }
        }
        do throws(SystemCallFailure) {
            _ = try UDPSocket(
                bindingTo: Endpoint(address: .unspecified(.v6), port: 0),
                options: UDPSocket.Options(mark: nil)
            )
        } catch {
            // A kernel without IPv6 still makes a gateway.
            return [.v4]
        }
        return [.v4, .v6]
    }
}
