internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct HeldPacketTests {
    private func frame(_ number: Int, octets: Int = 100) -> [UInt8] {
        TestPackets.plain(
            TestPackets.udp(
                from: TestHosts.nearV4,
                to: TestHosts.farV4,
                payload: pattern(octets, seed: UInt64(number))
            )
        )
    }

    private func gateway(_ change: (inout HeldPacketLimits) -> Void = { _ in }) -> TestGateway {
        var configuration = PacketPathConfiguration()
        change(&configuration.held)
        let gateway = TestGateway(configuration)
        gateway.apply(TestTunnel.everything)
        return gateway
    }

    @Test func packetsWaitForTheirSAAndGoInOrder() throws {
        let near = gateway()
        let frames =
            [frame(0), frame(1, octets: 5000 - 28), frame(2)]
            + [
                TestPackets.tso(
                    from: TestHosts.nearV4,
                    to: TestHosts.farV4,
                    payload: pattern(60_000),
                    segmentPayload: 1300
                )
            ]
        let sendable = [frames[0], frames[2], frames[3]]
        #expect(near.send(sendable) == [])
        #expect(near.outbound.snapshot().heldPackets == 3)
        let tuple = PacketTuple(
            source: TestHosts.nearV4.address,
            destination: TestHosts.farV4.address,
            ipProtocol: 17,
            sourcePort: 40_000,
            destinationPort: 443
        )
        #expect(near.outbound.takeEvents() == [.acquire(TestTunnel.policy, tuple)])
        let far = TestGateway()
        far.apply(.installInbound(try TestTunnel().inbound()))
        near.apply(.installOutbound(try TestTunnel().outbound()))
        let isReleased = near.outbound.hasReleasedPackets
        #expect(isReleased)
        #expect(far.receive(near.release()) == sendable)
        #expect(near.outbound.snapshot().heldPackets == 0)
        let isDone = !near.outbound.hasReleasedPackets
        #expect(isDone)
    }

    /// RFC 7296 §2.9: the peer may agree to less than the policy.
    @Test func aPacketThatANarrowedSALeavesOutAsksForAnother() throws {
        let near = gateway()
        let other = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.otherV4, payload: pattern(100))
        )
        near.send([frame(0), other, other])
        #expect(near.outbound.takeEvents().count == 1)
        var narrow = TestTunnel()
        narrow.selectors = SelectorPair.pairs(
            local: [.everything(.v4)],
            remote: [TrafficSelector(address: TestHosts.farV4.address)]
        )
        near.apply(.installOutbound(try narrow.outbound()))
        #expect(near.release().count == 1)
        #expect(near.outbound.snapshot().heldPackets == 2)
        let tuple = PacketTuple(
            source: TestHosts.nearV4.address,
            destination: TestHosts.otherV4.address,
            ipProtocol: 17,
            sourcePort: 40_000,
            destinationPort: 443
        )
        #expect(near.outbound.takeEvents() == [.acquire(TestTunnel.policy, tuple)])
        var wide = TestTunnel()
        wide.identifier = 2
        wide.spi += 1
        near.apply(.installOutbound(try wide.outbound()))
        #expect(near.release().flatMap(\.datagrams).count == 2)
        #expect(near.outbound.snapshot().heldPackets == 0)
    }

    @Test func anAcquireIsRepeatedOnceASecond() {
        let near = gateway()
        near.send((0..<10).map { frame($0) })
        #expect(near.outbound.takeEvents().count == 1)
        near.now = near.now + .milliseconds(999)
        near.send([frame(11)])
        #expect(near.outbound.takeEvents() == [])
        near.now = near.now + .milliseconds(1)
        near.send([frame(12)])
        #expect(near.outbound.takeEvents().count == 1)
    }

    /// RFC 3376, RFC 3810 §5, RFC 4861 §4.1.
    @Test func whatTheKernelSendsByEachDeviceBringsNothingUp() throws {
        func endpoint(_ text: String) -> Endpoint { Endpoint(address: IPAddress(text)!, port: 0) }
        func packet(
            _ source: String,
            _ destination: String,
            _ ipProtocol: UInt8,
            _ type: UInt8
        ) -> [UInt8] {
            TestPackets.plain(
                TestPackets.ip(
                    from: IPAddress(source)!,
                    to: IPAddress(destination)!,
                    ipProtocol: ipProtocol,
                    payload: [type] + pattern(27)
                )
            )
        }
        let own = [
            packet("fe80::1", "ff02::16", 58, 143), packet("fe80::1", "ff02::2", 58, 132),
            packet("fe80::1", "ff02::fb", 58, 131), packet("fe80::1", "ff02::2", 58, 133),
            packet("::", "ff02::1:ff00:1", 58, 135), packet("169.254.1.1", "224.0.0.22", 2, 0x22),
            packet("0.0.0.0", "224.0.0.22", 2, 0x22), packet("0.0.0.0", "192.0.2.9", 17, 0),
        ]
        let others = [
            packet("fe80::1", "ff02::5", 89, 3), packet("169.254.1.1", "224.0.0.5", 89, 2),
            packet("fe80::1", "ff02::1", 58, 128), packet("192.0.2.1", "192.0.2.9", 1, 143),
        ]
        for other in others {
            let near = gateway()
            near.send(own)
            #expect(near.outbound.takeEvents().isEmpty)
            #expect(near.outbound.snapshot().heldPackets == 0)
            #expect(near.outboundDrops(.linkHousekeeping) == UInt64(own.count))
            near.send([other])
            #expect(near.outbound.takeEvents().count == 1)
            // Where there is an SA that carries them they go by it.
            let far = TestGateway()
            far.apply(.installInbound(try TestTunnel().inbound()))
            near.apply(.installOutbound(try TestTunnel().outbound()))
            #expect(far.receive(near.release() + near.send(own)) == [other] + own)
        }
    }

    private func toOther(_ octets: Int = 100) -> [UInt8] {
        TestPackets.plain(
            TestPackets.udp(
                from: TestHosts.nearV4,
                to: TestHosts.otherV4,
                payload: pattern(octets)
            )
        )
    }

    private func tuple(to destination: IPAddress) -> PacketTuple {
        PacketTuple(
            source: TestHosts.nearV4.address,
            destination: destination,
            ipProtocol: 17,
            sourcePort: 40_000,
            destinationPort: 443
        )
    }

    /// RFC 4301 §4.4.1: each pair of hosts has an SA of its own, and the peer may refuse one of them.
    @Test func eachPairOfHostsAsksWhereEachHasAnSAOfItsOwn() {
        let near = TestGateway()
        var entry = PolicyEntry(
            identifier: TestTunnel.policy,
            action: .protect,
            selectors: [SelectorPair(local: .everything(.v4), remote: .everything(.v4))]
        )
        entry.asksByFlow = true
        near.apply(.replacePolicies([entry]))
        var asked: [PacketTuple] = []
        for _ in 0..<10 {
            near.send([frame(0), frame(1), toOther(), frame(2)])
            for case .acquire(_, let packet) in near.outbound.takeEvents() { asked.append(packet) }
            near.now = near.now + .milliseconds(99)
        }
        let both = [TestHosts.farV4.address, TestHosts.otherV4.address]
        #expect(asked == both.map(tuple))
        near.now = near.now + .milliseconds(10)
        near.send([frame(0), toOther(), frame(1)])
        #expect(near.outbound.takeEvents().count == 2)
    }

    /// What another policy gets is no reason to ask again.
    @Test func anSAOfAnotherPolicyLetsNobodyAskSooner() throws {
        let near = TestGateway()
        let remotes = [TestHosts.farV4, TestHosts.otherV4].map {
            TrafficSelector(prefix: IPPrefix(address: $0.address, length: 32)!)
        }
        let entries = remotes.enumerated().map { number, remote in
            var entry = PolicyEntry(
                identifier: PolicyIdentifier(rawValue: UInt32(number)),
                action: .protect,
                selectors: [SelectorPair(local: .everything(.v4), remote: remote)]
            )
            entry.asksByFlow = true
            return entry
        }
        near.apply(.replacePolicies(entries))
        near.send([frame(0), toOther()])
        #expect(near.outbound.takeEvents().count == 2)
        for policy in [1, 0] {
            var tunnel = TestTunnel()
            tunnel.identifier = UInt32(policy)
            tunnel.selectors = [SelectorPair(local: .everything(.v4), remote: remotes[1])]
            var parameters = try tunnel.outbound()
            parameters.policy = PolicyIdentifier(rawValue: UInt32(policy))
            near.apply(.installOutbound(parameters))
            near.send([frame(1)])
            // One of its own that is of no use to it is.
            #expect(near.outbound.takeEvents().count == 1 - policy)
        }
    }

    @Test func packetsOfARefusedPairOfHostsGoAlone() {
        let near = gateway()
        near.send([frame(0), toOther(), frame(1)])
        let far = tuple(to: TestHosts.farV4.address)
        near.apply(.dropHeldFlow(PolicyIdentifier(rawValue: 99), far))
        #expect(near.outbound.snapshot().heldPackets == 3)
        near.apply(.dropHeldFlow(TestTunnel.policy, far))
        #expect(near.outbound.snapshot().heldPackets == 1)
        #expect(near.outboundDrops(.holdAbandoned) == 2)
        near.apply(.dropHeldFlow(TestTunnel.policy, tuple(to: TestHosts.otherV4.address)))
        #expect(near.outbound.snapshot().heldPackets == 0)
    }

    @Test func everyLimitHolds() {
        let byCount = gateway { $0.packetsPerPolicy = 4 }
        byCount.send((0..<10).map { frame($0) })
        #expect(byCount.outbound.snapshot().heldPackets == 4)
        #expect(byCount.outboundDrops(.holdQueueFull) == 6)
        let byOctets = gateway { $0.octetsPerPolicy = 138 * 3 }
        byOctets.send((0..<10).map { frame($0) })
        #expect(byOctets.outbound.snapshot().heldPackets == 3)
        let byTotal = gateway { $0.totalPackets = 2 }
        byTotal.send((0..<10).map { frame($0) })
        #expect(byTotal.outbound.snapshot().heldPackets == 2)
        let byMemory = gateway { $0.totalOctets = 2048 * 5 }
        byMemory.send((0..<10).map { frame($0) })
        #expect(byMemory.outbound.snapshot().heldPackets == 5)
    }

    @Test func oldPacketsExpire() {
        let near = gateway { $0.maximumAge = .seconds(10) }
        near.send([frame(0)])
        near.now = near.now + .seconds(6)
        near.send([frame(1)])
        near.outbound.expire(at: near.now)
        #expect(near.outbound.snapshot().heldPackets == 2)
        near.now = near.now + .seconds(5)
        near.outbound.expire(at: near.now)
        #expect(near.outbound.snapshot().heldPackets == 1)
        #expect(near.outboundDrops(.holdExpired) == 1)
    }

    @Test func packetsOfAFailedNegotiationGo() {
        let near = gateway { $0.packetsPerPolicy = 3 }
        near.send((0..<3).map { frame($0) })
        near.apply(.dropHeldPackets(PolicyIdentifier(rawValue: 99)))
        #expect(near.outbound.snapshot().heldPackets == 3)
        near.apply(.dropHeldPackets(TestTunnel.policy))
        #expect(near.outbound.snapshot().heldPackets == 0)
        // Their room is free again.
        near.send((0..<3).map { frame($0) })
        #expect(near.outbound.snapshot().heldPackets == 3)
        near.apply(.replacePolicies([]))
        #expect(near.outbound.snapshot().heldPackets == 0)
        #expect(near.outboundDrops(.holdAbandoned) == 6)
    }

    @Test func packetsOfOtherPoliciesGoOnWaiting() throws {
        let near = TestGateway()
        let second = PolicyIdentifier(rawValue: 8)
        let narrow = TrafficSelector(prefix: IPPrefix("10.7.0.0/16")!)
        near.apply(
            .replacePolicies([
                PolicyEntry(
                    identifier: second,
                    action: .protect,
                    selectors: [SelectorPair(local: .everything(.v4), remote: narrow)]
                ),
                PolicyEntry(
                    identifier: TestTunnel.policy,
                    action: .protect,
                    selectors: [SelectorPair(local: .everything(.v4), remote: .everything(.v4))]
                ),
            ])
        )
        let other = TestPackets.plain(
            TestPackets.udp(
                from: TestHosts.nearV4,
                to: Endpoint(address: IPAddress("10.7.0.1")!, port: 1),
                payload: []
            )
        )
        near.send([other, frame(0), other, frame(1)])
        near.apply(.installOutbound(try TestTunnel().outbound()))
        #expect(near.release().flatMap(\.datagrams).count == 2)
        #expect(near.outbound.snapshot().heldPackets == 2)
    }

    @Test func aReleaseLargerThanABatchGoesInSeveral() throws {
        let near = gateway {
            $0.packetsPerPolicy = 100
            $0.octetsPerPolicy = 1 << 22
            $0.totalOctets = 1 << 22
        }
        let superpackets = (0..<30).map { _ in
            TestPackets.tso(
                from: TestHosts.nearV4,
                to: TestHosts.farV4,
                payload: pattern(60_000),
                segmentPayload: 1300
            )
        }
        near.send(superpackets)
        near.apply(.installOutbound(try TestTunnel().outbound()))
        var datagrams = 0
        var batches = 0
        while near.outbound.hasReleasedPackets {
            datagrams += near.release().flatMap(\.datagrams).count
            batches += 1
        }
        #expect(datagrams == 30 * 47 && batches > 1)
        #expect(near.outboundDrops(.batchOverflow) == 0)
    }
}
