internal import IPsecPrimitives
internal import Testing

@testable internal import PacketProtection

/// Several devices, each with a policy of its own, beside the shared one.
@Suite struct DeviceTests {
    private static let first = DeviceNumber(rawValue: 1)
    private static let second = DeviceNumber(rawValue: 2)

    private let everything = SelectorPair.pairs(
        local: [.everything(.v4), .everything(.v6)],
        remote: [.everything(.v4), .everything(.v6)]
    )

    private func policy(_ number: UInt32, _ device: DeviceNumber) -> PolicyEntry {
        PolicyEntry(
            identifier: PolicyIdentifier(rawValue: number),
            action: .protect,
            selectors: everything,
            device: device
        )
    }

    private var policies: PacketPathCommand {
        .replacePolicies([
            policy(10, .shared), policy(11, DeviceTests.first), policy(12, DeviceTests.second),
        ])
    }

    private func tunnel(_ number: UInt32) -> TestTunnel {
        TestTunnel(identifier: number, spi: 0x1000_0000 + number)
    }

    /// Two gateways with three tunnels that carry everything, by the shared and by two devices.
    private func gateways(
        _ configuration: PacketPathConfiguration = PacketPathConfiguration()
    ) throws -> (TestGateway, TestGateway) {
        let (near, far) = (TestGateway(configuration), TestGateway(configuration))
        near.apply(policies)
        far.apply(policies)
        for number: UInt32 in 0..<3 {
            var outbound = try tunnel(number).outbound()
            outbound.policy = PolicyIdentifier(rawValue: 10 + number)
            near.apply(.installOutbound(outbound))
            var inbound = try tunnel(number).inbound()
            inbound.policy = PolicyIdentifier(rawValue: 10 + number)
            far.apply(.installInbound(inbound))
        }
        return (near, far)
    }

    private func packet(_ count: Int = 100, sequence: UInt32 = 0) -> [UInt8] {
        TestPackets.plain(
            TestPackets.tcp(
                from: TestHosts.nearV4,
                to: TestHosts.farV4,
                sequence: sequence,
                flags: 0x10,
                payload: pattern(count)
            )
        )
    }

    private func spi(_ run: SentRun) -> UInt32 {
        run.datagrams[0][..<4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    @Test func theDeviceChoosesTheTunnelOfOneFlow() throws {
        let (near, far) = try gateways()
        // The same packet again and again: what is remembered of a flow is of its device.
        for _ in 0..<2 {
            for (device, number) in [
                (DeviceNumber.shared, UInt32(0)), (DeviceTests.first, 1), (DeviceTests.second, 2),
            ] {
                let runs = near.send([packet()], device: device)
                #expect(runs.map(spi) == [0x1000_0000 + number])
                #expect(far.receive(runs) == [packet()])
                #expect(far.frameDevices == [device])
            }
        }
    }

    @Test func aDeviceWithoutPolicyHasNoSA() throws {
        let (near, _) = try gateways()
        #expect(near.send([packet()], device: DeviceNumber(rawValue: 3)) == [])
        #expect(near.send([packet()], device: DeviceNumber(rawValue: .max)) == [])
        #expect(near.outboundDrops(.noPolicy) == 2)
    }

    @Test func segmentsOfTwoDevicesStayApart() throws {
        let (near, far) = try gateways()
        let runs =
            near.send([packet(1000)], device: DeviceTests.first)
            + near.send([packet(1000, sequence: 1000)], device: DeviceTests.second)
        #expect(far.receive(runs).count == 2)
        #expect(far.frameDevices == [DeviceTests.first, DeviceTests.second])
        let together =
            near.send([packet(1000)], device: DeviceTests.first)
            + near.send([packet(1000, sequence: 1000)], device: DeviceTests.first)
        #expect(far.receive(together).count == 1)
    }

    @Test func heldPacketsGoByTheirDevice() throws {
        let near = TestGateway()
        near.apply(policies)
        #expect(near.send([packet()], device: DeviceTests.first) == [])
        #expect(near.send([packet()], device: DeviceTests.second) == [])
        let acquired = near.outbound.takeEvents().compactMap { event -> UInt32? in
            guard case .acquire(let policy, _) = event else { return nil }
            return policy.rawValue
        }
        #expect(acquired == [11, 12])
        var outbound = try tunnel(2).outbound()
        outbound.policy = PolicyIdentifier(rawValue: 12)
        near.apply(.installOutbound(outbound))
        #expect(near.release().map(spi) == [0x1000_0002])
        #expect(near.outbound.snapshot().heldPackets == 1)
    }

    @Test func errorsComeBackOnTheDevice() throws {
        var configuration = PacketPathConfiguration()
        configuration.errorSourceV6 = IPv6Address("fd00:1::1")
        let (near, _) = try gateways(configuration)
        let large = TestPackets.plain(
            TestPackets.udp(
                from: TestHosts.nearV4,
                to: TestHosts.farV4,
                payload: pattern(1472),
                dontFragment: true
            )
        )
        near.send([large], device: DeviceTests.second)
        #expect(near.errorDevices == [DeviceTests.second])
    }

    @Test func anSAFollowsItsPolicyToAnotherDevice() throws {
        let (near, far) = try gateways()
        far.apply(.replacePolicies([policy(10, .shared), policy(11, .shared)]))
        _ = far.receive(near.send([packet()], device: DeviceTests.first))
        #expect(far.frameDevices == [.shared])
        // Its policy is gone: until it goes as well, it is of no other device than before.
        _ = far.receive(near.send([packet()], device: DeviceTests.second))
        #expect(far.frameDevices == [DeviceTests.second])
    }

    @Test func ownDatagramsDoNotEnterTheirTunnel() throws {
        let (near, _) = try gateways()
        let path = tunnel(1).path
        func datagram(from source: IPAddress, port: UInt16, ipProtocol: UInt8 = 17) -> [UInt8] {
            TestPackets.plain(
                TestPackets.ip(
                    from: source,
                    to: path.remote.address,
                    ipProtocol: ipProtocol,
                    payload: [0x11, 0x94, UInt8(port >> 8), UInt8(port & 255), 0, 12, 0, 0]
                        + [UInt8](repeating: 1, count: 4)
                )
            )
        }
        for port: UInt16 in [500, 4500] {
            #expect(
                near.send(
                    [datagram(from: path.local.address, port: port)],
                    device: DeviceTests.first
                ) == []
            )
        }
        let esp = datagram(from: path.local.address, port: 1, ipProtocol: 50)
        #expect(near.send([esp], device: DeviceTests.first) == [])
        #expect(near.outboundDrops(.routedIntoItself) == 3)
        // Somebody else's, and what is no IKE, pass.
        let others = [
            datagram(from: IPAddress("10.1.0.5")!, port: 4500),
            datagram(from: path.local.address, port: 53),
        ]
        #expect(near.send(others, device: DeviceTests.first).count == 1)
        #expect(near.outboundDrops(.routedIntoItself) == 3)
    }

    /// What is known of a flow is known of the path that its tunnel had.
    @Test func ownDatagramsAreThoseOfThePathThatItHasNow() throws {
        let (near, _) = try gateways()
        let path = tunnel(1).path
        var moved = path
        moved.remote = Endpoint(address: IPAddress("203.0.113.9")!, port: 4500)
        let here = [path, moved].map { path in
            TestPackets.plain(
                TestPackets.udp(from: path.local, to: path.remote, payload: pattern(20))
            )
        }
        for _ in 0..<2 {
            #expect(near.send([here[0]], device: DeviceTests.first) == [])
            #expect(near.send([here[1]], device: DeviceTests.first).count == 1)
        }
        near.apply(.updatePath(SAIdentifier(rawValue: 1), moved))
        #expect(near.send([here[1]], device: DeviceTests.first) == [])
        #expect(near.send([here[0]], device: DeviceTests.first).map(\.path) == [moved])
        #expect(near.outboundDrops(.routedIntoItself) == 3)
    }

    @Test func hellosAskForNoFurtherSA() throws {
        let near = TestGateway()
        near.apply(policies)
        let hello = TestPackets.plain(
            TestPackets.udp(
                from: Endpoint(address: IPAddress("fe80::1")!, port: 1),
                to: Endpoint(address: IPAddress("ff02::5")!, port: 1),
                payload: [1]
            )
        )
        // While the tunnel is down they are traffic as any other.
        near.send([hello], device: DeviceTests.first)
        #expect(near.outbound.takeEvents().count == 1)
        near.apply(.dropHeldPackets(PolicyIdentifier(rawValue: 11)))
        // The peer agreed to IPv4 alone.
        var outbound = try tunnel(1).outbound()
        outbound.policy = PolicyIdentifier(rawValue: 11)
        outbound.selectors = SelectorPair.pairs(
            local: [.everything(.v4)],
            remote: [.everything(.v4)]
        )
        near.apply(.installOutbound(outbound))
        near.now = near.now + .seconds(2)
        near.send([hello], device: DeviceTests.first)
        #expect(near.outbound.takeEvents() == [])
        #expect(near.outboundDrops(.noPolicy) == 1)
    }
}
