internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite("Questions about packets")
struct PacketAnswerTests {
    private func tuple(_ destination: Endpoint = TestHosts.farV4, ports: Bool = true) -> PacketTuple
    {
        PacketTuple(
            source: TestHosts.nearV4.address,
            destination: destination.address,
            ipProtocol: 17,
            sourcePort: ports ? TestHosts.nearV4.port : nil,
            destinationPort: ports ? destination.port : nil
        )
    }

    private func outbound(_ gateway: TestGateway, _ tuple: PacketTuple) throws -> PacketAnswer {
        gateway.outbound.apply(.ask(token: 3, tuple), at: gateway.now)
        for event in gateway.outbound.takeEvents() {
            if case .answer(token: 3, let answer) = event { return answer }
        }
        throw Silence()
    }

    private func inbound(_ gateway: TestGateway, _ tuple: PacketTuple) throws -> PacketAnswer {
        gateway.inbound.apply(.ask(token: 3, tuple), at: gateway.now)
        for event in gateway.inbound.takeEvents() {
            if case .answer(token: 3, let answer) = event { return answer }
        }
        throw Silence()
    }

    private struct Silence: Error {}

    private func frame() -> [UInt8] {
        TestPackets.plain(
            TestPackets.udp(
                from: TestHosts.nearV4,
                to: TestHosts.farV4,
                payload: pattern(100)
            )
        )
    }

    @Test func theSAIsNamedThatItWouldTake() throws {
        let (near, _) = try TestTunnel().gateways()
        var answer = try outbound(near, tuple())
        #expect(answer.decision == .protect && answer.policy == TestTunnel.policy)
        #expect(!answer.isRemembered && answer.associations.count == 1)
        #expect(answer.associations[0].spi == SPI(rawValue: 0x1000_0001))
        #expect(answer.associations[0].sequence == 0)
        #expect((1300..<1500).contains(answer.associations[0].tunnelMTU))
        // A question leaves no trace; a packet does.
        answer = try outbound(near, tuple())
        #expect(!answer.isRemembered)
        near.send([frame()])
        answer = try outbound(near, tuple())
        #expect(answer.isRemembered && answer.associations[0].sequence == 1)
        answer = try outbound(near, tuple(TestHosts.otherV4))
        #expect(!answer.isRemembered)
    }

    @Test func whatWaitsIsToldWhereThereIsNoSA() throws {
        let gateway = TestGateway()
        gateway.apply(TestTunnel.everything)
        gateway.send([frame(), frame()])
        let answer = try outbound(gateway, tuple())
        #expect(answer.decision == .acquire && answer.associations.isEmpty)
        #expect(answer.heldPackets == 2 && answer.policy == TestTunnel.policy)
    }

    @Test func policiesDecideWithoutSAs() throws {
        let gateway = TestGateway()
        #expect(try outbound(gateway, tuple()).decision == .noPolicy)
        for (action, decision) in [
            (PolicyAction.discard, PacketAnswer.Decision.discard), (.bypass, .bypass),
        ] {
            gateway.apply(
                .replacePolicies([
                    PolicyEntry(
                        identifier: PolicyIdentifier(rawValue: 4),
                        action: action,
                        selectors: SelectorPair.pairs(
                            local: [.everything(.v4)],
                            remote: [.everything(.v4)]
                        )
                    )
                ])
            )
            let answer = try outbound(gateway, tuple())
            #expect(answer.decision == decision)
            #expect(answer.policy == PolicyIdentifier(rawValue: 4))
        }
    }

    /// As packets are: what shows no ports is not for an SA with ports.
    @Test func portsThatCannotBeSeenAreNotSeen() throws {
        let port = try #require(
            TrafficSelector(
                first: TestHosts.farV4.address,
                last: TestHosts.farV4.address,
                ipProtocol: 17,
                ports: PortRange(443)
            )
        )
        let narrow = SelectorPair.pairs(local: [.everything(.v4)], remote: [port])
        let (near, far) = try TestTunnel(selectors: narrow).gateways()
        #expect(try outbound(near, tuple()).decision == .protect)
        #expect(try outbound(near, tuple(ports: false)).decision == .acquire)
        let back = PacketTuple(
            source: TestHosts.nearV4.address,
            destination: TestHosts.farV4.address,
            ipProtocol: 17,
            sourcePort: 1,
            destinationPort: 443
        )
        #expect(try inbound(far, back).associations.map(\.spi) == [SPI(rawValue: 0x1000_0001)])
        #expect(try inbound(far, tuple(TestHosts.otherV4)).associations.isEmpty)
    }

    @Test func versionsMustAgree() throws {
        let (near, far) = try TestTunnel().gateways()
        let mixed = PacketTuple(
            source: TestHosts.nearV6.address,
            destination: TestHosts.farV4.address,
            ipProtocol: 6,
            sourcePort: nil,
            destinationPort: nil
        )
        #expect(try outbound(near, mixed).decision == nil)
        #expect(try inbound(far, mixed).associations.isEmpty)
        let whole = PacketTuple(
            source: TestHosts.nearV6.address,
            destination: TestHosts.farV6.address,
            ipProtocol: 58,
            sourcePort: 0x8000,
            destinationPort: 0x8000
        )
        #expect(try outbound(near, whole).decision == .protect)
    }
}
