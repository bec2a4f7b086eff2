internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@testable internal import DataPlane

@Suite("Commands and snapshots of several workers")
struct CommandRoutingTests {
    private let path = OuterPath(
        encapsulation: .udp,
        local: Endpoint(address: IPAddress("192.0.2.1")!, port: 4500),
        remote: Endpoint(address: IPAddress("192.0.2.2")!, port: 4500)
    )

    private func outbound(
        _ identifier: UInt32,
        policy: UInt32,
        resource: Int = 0
    ) throws -> PacketPathCommand {
        var parameters = OutboundSAParameters(
            identifier: SAIdentifier(rawValue: identifier),
            policy: PolicyIdentifier(rawValue: policy),
            spi: SPI(rawValue: 1),
            selectors: [],
            path: path,
            cipher: try TestGateway.cipher(.seal, sender: 1),
            isExtendedSequence: true
        )
        parameters.resource = resource
        return .installOutbound(parameters)
    }

    private func inbound(_ identifier: UInt32, spi: UInt32) throws -> PacketPathCommand {
        .installInbound(
            InboundSAParameters(
                identifier: SAIdentifier(rawValue: identifier),
                policy: PolicyIdentifier(rawValue: 1),
                spi: SPI(rawValue: spi),
                selectors: [],
                path: path,
                cipher: try TestGateway.cipher(.open, sender: 1),
                isExtendedSequence: true
            )
        )
    }

    @Test func commandsFollowTheirAssociation() throws {
        var routing = CommandRouting(workers: 4)
        #expect(routing.recipients(of: try outbound(1, policy: 7)) == .one(3))
        #expect(routing.recipients(of: try outbound(2, policy: 7, resource: 2)) == .one(1))
        #expect(routing.recipients(of: try inbound(3, spi: 0x1002)) == .one(2))
        for (identifier, worker): (UInt32, Int) in [(1, 3), (2, 1), (3, 2)] {
            let name = SAIdentifier(rawValue: identifier)
            #expect(routing.recipients(of: .activateOutbound(name)) == .one(worker))
            #expect(routing.recipients(of: .updatePath(name, path)) == .one(worker))
            #expect(routing.recipients(of: .setLinkMTU(name, octets: 1400)) == .one(worker))
        }
        // The one that is there refuses another of the name.
        #expect(routing.recipients(of: try inbound(1, spi: 0x1000)) == .one(3))
        #expect(routing.recipients(of: .removeSA(SAIdentifier(rawValue: 1))) == .one(3))
        #expect(routing.recipients(of: try inbound(1, spi: 0x1000)) == .one(0))
        #expect(routing.recipients(of: .removeSA(SAIdentifier(rawValue: 99))) == .all)
        #expect(routing.recipients(of: .dropHeldPackets(PolicyIdentifier(rawValue: 6))) == .one(2))
        let packet = PacketTuple(
            source: .v4(IPv4Address(bits: 1)),
            destination: .v4(IPv4Address(bits: 2)),
            ipProtocol: 17,
            sourcePort: nil,
            destinationPort: nil
        )
        let flow = PacketPathCommand.dropHeldFlow(PolicyIdentifier(rawValue: 6), packet)
        #expect(routing.recipients(of: flow) == .one(2))
        #expect(routing.recipients(of: .query(token: 1)) == .all)
        #expect(routing.recipients(of: .replacePolicies([])) == .all)
    }

    @Test func oneWorkerGetsEverything() throws {
        var routing = CommandRouting(workers: 1)
        #expect(routing.recipients(of: try outbound(1, policy: 7, resource: 2)) == .one(0))
        #expect(routing.recipients(of: .query(token: 1)) == .one(0))
    }

    private func snapshot(_ worker: UInt64, isOutbound: Bool) -> PacketPathSnapshot {
        PacketPathSnapshot(
            isOutbound: isOutbound,
            associations: [],
            drops: DropReason.allCases.map { _ in worker },
            heldPackets: Int(worker)
        )
    }

    @Test func aSnapshotIsWholeWithTheLastOfItsParts() {
        var gathering = SnapshotGathering(workers: 3)
        // Of a query whose other parts never come.
        #expect(gathering.add(snapshot(100, isOutbound: true), token: 1) == nil)
        for token: UInt64 in 2...200 {
            for isOutbound in [true, false] {
                #expect(gathering.add(snapshot(1, isOutbound: isOutbound), token: token) == nil)
            }
            for isOutbound in [false, true] {
                #expect(gathering.add(snapshot(2, isOutbound: isOutbound), token: token) == nil)
                let whole = gathering.add(snapshot(4, isOutbound: isOutbound), token: token)
                #expect(whole == snapshot(7, isOutbound: isOutbound))
            }
        }
    }
}
