internal import DataPlane
internal import IPsecCrypto
internal import IPsecPrimitives
internal import LinuxIO
internal import NamespaceTesting
internal import PacketProtection

/// One end of a tunnel: a namespace with an inner address, a TUN device and a data plane.
final class TestGateway {
    let namespace: NetworkNamespace
    let dataPlane: DataPlane
    let number: Int
    private let device: TUNDevice

    /// What a thread in the namespace opened.
    private struct Opened: Sendable {
        var device: TUNDevice
        var sockets: [WorkerSockets]
    }

    /// The gateway's number is in each of its addresses: 10.1.0.1, 2001:db8:1::1 inside,
    /// 192.0.2.1, 2001:db8:ffff::1 outside.
    init(_ number: Int, mtu: Int = 1400, workers: Int = 1) throws {
        self.number = number
        namespace = try NetworkNamespace("gw\(number)")
        try namespace.run("ip address add 10.\(number).0.1/32 dev lo")
        try namespace.run("ip address add 2001:db8:\(number)::1/128 dev lo")
        let opened = try namespace.perform {
            let device = try TUNDevice(name: "cygnet0", queues: workers)
            try NetworkConfiguration().setLinkUp("cygnet0", mtu: mtu, queueLength: 1000)
            let sockets = try (0..<workers).map { worker in
                let share = SocketShare(index: worker, of: workers)
                return WorkerSockets(
                    udp: try [IPVersion.v4, .v6].map {
                        try UDPSocket(
                            bindingTo: Endpoint(address: .unspecified($0), port: 4500),
                            options: .init(isForPackets: true, sharers: workers)
                        )
                    },
                    raw: try [IPVersion.v4, .v6].map {
                        try RawESPSocket(version: $0, share: share)
                    }
                )
            }
            return Opened(device: device, sockets: sockets)
        }
        device = opened.device
        var configuration = DataPlaneConfiguration(
            device: opened.device,
            udpSockets: opened.sockets[0].udp,
            rawSockets: opened.sockets[0].raw
        )
        configuration.furtherWorkers = Array(opened.sockets.dropFirst())
        dataPlane = try DataPlane.start(configuration)
    }

    /// Two gateways joined by a wire, with routes for each other's inside into the tunnel.
    static func pair(
        wireMTU: Int = 1500,
        tunnelMTU: Int = 1400,
        workers: Int = 1
    ) throws -> (TestGateway, TestGateway) {
        let left = try TestGateway(1, mtu: tunnelMTU, workers: workers)
        let right = try TestGateway(2, mtu: tunnelMTU, workers: workers)
        try NetworkNamespace.connect(left.namespace, "wan", right.namespace, "wan", mtu: wireMTU)
        for (here, there) in [(left, right), (right, left)] {
            try here.namespace.run("ip address add 192.0.2.\(here.number)/24 dev wan")
            try here.namespace.run("ip address add 2001:db8:ffff::\(here.number)/64 dev wan nodad")
            try here.route(to: there)
        }
        return (left, right)
    }

    private func route(to peer: TestGateway) throws {
        let policies = [IPVersion.v4, .v6].map { version in
            TrafficPolicy(
                .protect,
                local: inside(version),
                remote: peer.inside(version),
                preferredSource: address(version)
            )
        }
        try namespace.perform {
            try NetworkConfiguration().apply(RoutingPlan(policies: policies))
            try PacketGuard.set(GuardPlan(policies: policies))
        }
    }

    func inside(_ version: IPVersion) -> IPPrefix {
        version == .v4 ? IPPrefix("10.\(number).0.0/16")! : IPPrefix("2001:db8:\(number)::/48")!
    }

    func address(_ version: IPVersion) -> IPAddress {
        version == .v4 ? IPAddress("10.\(number).0.1")! : IPAddress("2001:db8:\(number)::1")!
    }

    func outside(_ version: IPVersion) -> IPAddress {
        version == .v4
            ? IPAddress("192.0.2.\(number)")! : IPAddress("2001:db8:ffff::\(number)")!
    }

    // MARK: Security associations

    func selectors(to peer: TestGateway) -> [SelectorPair] {
        [IPVersion.v4, .v6].map {
            SelectorPair(
                local: TrafficSelector(prefix: inside($0)),
                remote: TrafficSelector(prefix: peer.inside($0))
            )
        }
    }

    func protect(_ peer: TestGateway) {
        dataPlane.post(
            .replacePolicies([
                PolicyEntry(
                    identifier: PolicyIdentifier(rawValue: 1),
                    action: .protect,
                    selectors: selectors(to: peer)
                )
            ])
        )
    }

    /// Installs a pair of SAs with fixed keys towards a peer that does the same; those of another
    /// generation beside the ones before.
    func installAssociations(
        to peer: TestGateway,
        encapsulation: Encapsulation,
        outer: IPVersion,
        linkMTU: Int = 1500,
        generation: UInt32 = 0
    ) throws {
        let port: UInt16 = encapsulation == .udp ? 4500 : 0
        try installAssociations(
            to: peer,
            along: OuterPath(
                encapsulation: encapsulation,
                local: Endpoint(address: outside(outer), port: port),
                remote: Endpoint(address: peer.outside(outer), port: port)
            ),
            linkMTU: linkMTU,
            generation: generation
        )
    }

    func installAssociations(
        to peer: TestGateway,
        along path: OuterPath,
        linkMTU: Int = 1500,
        generation: UInt32 = 0
    ) throws {
        var inbound = InboundSAParameters(
            identifier: SAIdentifier(rawValue: generation * 2 + 1),
            policy: PolicyIdentifier(rawValue: 1),
            spi: SPI(rawValue: UInt32(0x1000 + number) + generation * 16),
            selectors: selectors(to: peer),
            path: path,
            cipher: try TestGateway.cipher(.open, sender: peer.number),
            isExtendedSequence: true
        )
        inbound.linkMTU = linkMTU
        dataPlane.post(.installInbound(inbound))
        var outbound = OutboundSAParameters(
            identifier: SAIdentifier(rawValue: generation * 2 + 2),
            policy: PolicyIdentifier(rawValue: 1),
            spi: SPI(rawValue: UInt32(0x1000 + peer.number) + generation * 16),
            selectors: selectors(to: peer),
            path: path,
            cipher: try TestGateway.cipher(.seal, sender: number),
            isExtendedSequence: true
        )
        outbound.linkMTU = linkMTU
        dataPlane.post(.installOutbound(outbound))
    }

    static func cipher(
        _ direction: PacketCipher.Direction,
        sender: Int
    ) throws -> PacketCipher {
        let key = SecretBytes([UInt8](repeating: UInt8(sender), count: 20))
        return try PacketCipher(
            encryption: .encryption(.aesGCM16, keyLengthBits: 128),
            integrity: nil,
            keys: ESPKeys(encryption: key, integrity: SecretBytes([])),
            isExtendedSequence: true,
            direction: direction
        )
    }

    // MARK: Traffic and events

    /// What the data plane reports within a time, until `isEnough`.
    func events(
        seconds: Int = 5,
        until isEnough: ([DataPlaneEvent]) -> Bool
    ) throws -> [DataPlaneEvent] {
        let loop = try EventLoop()
        try loop.add(dataPlane.eventDescriptor) { _ in }
        let end = BootClock.now() + .seconds(seconds)
        var all = dataPlane.drainEvents()
        while !isEnough(all), BootClock.now() < end {
            try loop.runOnce(timeoutMilliseconds: 100)
            all += dataPlane.drainEvents()
        }
        return all
    }

    func ping(_ peer: TestGateway, _ version: IPVersion, options: String = "-c 3 -i 0.2") -> Bool {
        namespace.succeeds("ping \(options) -W 2 -I \(address(version)) \(peer.address(version))")
    }
}
