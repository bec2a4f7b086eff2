internal import Configuration
internal import IKEProtocol
internal import IPsecPrimitives
internal import LinuxIO

/// The sockets of the gateway: IKE on port 500, IKE and ESP in UDP on port 4500, raw ESP and AH.
final class ListeningSockets {
    let ike: [UDPSocket]
    let natTraversal: [UDPSocket]
    let esp: [RawESPSocket]
    let ah: [RawAHSocket]
    /// Addresses that alone are answered on; empty: all.
    private let allowed: Set<IPAddress>

    init(_ settings: GatewaySettings) throws(SystemCallFailure) {
        let mark = PacketMark(value: settings.firewallMark, mask: settings.firewallMask)
        var ike: [UDPSocket] = []
        var natTraversal: [UDPSocket] = []
        var esp: [RawESPSocket] = []
        var ah: [RawAHSocket] = []
        for version in try ListeningSockets.versions(settings) {
            let address = ListeningSockets.bindingAddress(version, settings)
            ike.append(
                try UDPSocket(
                    bindingTo: Endpoint(address: address, port: settings.ikePort),
                    options: UDPSocket.Options(mark: mark)
                )
            )
            natTraversal.append(
                try UDPSocket(
                    bindingTo: Endpoint(address: address, port: settings.natPort),
                    options: UDPSocket.Options(mark: mark, isForPackets: true)
                )
            )
            esp.append(try RawESPSocket(version: version, mark: mark))
            ah.append(try RawAHSocket(version: version, mark: mark))
        }
        self.ike = ike
        self.natTraversal = natTraversal
        self.esp = esp
        self.ah = ah
        allowed = Set(settings.listenAddresses)
    }

    /// Sends through the socket whose port the datagram names.
    func send(_ datagram: IKEDatagram) throws(SystemCallFailure) {
        let version = datagram.remote.address.version
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
