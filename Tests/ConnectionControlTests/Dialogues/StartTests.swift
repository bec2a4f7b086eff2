import Configuration
import ConnectionControl
import IKEProtocol
import IPsecPrimitives
import PacketProtection
import Testing

@Suite("Tunnels that start")
struct StartTests {
    @Test("the first packet brings a tunnel up at both ends")
    func onTraffic() throws {
        let network = try Network()
        network.start()
        #expect(network.left.state() == .waitingForTraffic)
        #expect(network.left.policies.count == 2)
        network.packet(at: network.left)
        #expect(network.left.state() == .up && network.right.state() == .up)
        #expect(network.passes())
        let pair = try #require(network.left.pairs().first)
        #expect(network.right.pairs().map(\.inboundSPI) == [pair.outboundSPI])
        #expect(pair.isOutboundActive && network.left.pairs().count == 1)
        #expect(network.left.outboundInUse()?.linkMTU == 1500)
    }

    @Test("a packet of a tunnel that starts by hand is dropped")
    func byHandWithoutRequest() throws {
        let network = try Network(start: "by-hand")
        network.start()
        network.packet(at: network.left)
        #expect(network.left.state() == .down)
        #expect(network.left.dropsOfHeldPackets == 1)
    }

    @Test("both ends start at the same moment, and packets pass for hours")
    func bothAtBoot() throws {
        for seed in UInt64(1)...3 {
            let network = try Network(start: "at-boot", seed: seed)
            network.left.start(at: network.now)
            network.right.start(at: network.now)
            let crossing = (network.left.outbox, network.right.outbox)
            #expect(crossing.0.count == 1 && crossing.1.count == 1)
            network.settle()
            #expect(network.passes())
            for _ in 0..<6 {
                network.advance(by: .seconds(3600))
                #expect(network.passes())
            }
            // One IKE SA and one pair are left, and nothing else was closed.
            let closed = network.left.count {
                if case .ikeSAClosed(let reason) = $0 { reason != .superseded } else { false }
            }
            #expect(closed == 0)
            #expect(network.left.pairs().count == 1 && network.right.pairs().count == 1)
            let status = network.left.controller.engineStatus(at: network.now)
            #expect(status.ikeSAs.count == 1)
        }
    }

    @Test("one of two pairs goes, and packets take the other")
    func onePairOfTwoGoes() throws {
        let network = try Network(start: "at-boot")
        network.left.start(at: network.now)
        network.right.start(at: network.now)
        network.settle()
        try #require(network.left.pairs().count == 2)
        // The other one was handed over, and stays a while for what is on its way.
        let active = try #require(network.left.outboundInUse()?.identifier)
        let other = try #require(network.left.pairs().map(\.outbound).first { $0 != active })
        network.handle(.packetPath(.hardLifetimeReached(other)), at: network.left)
        #expect(network.left.pairs().count == 1)
        #expect(network.passes())
        #expect(network.left.pairs().map(\.isOutboundActive) == [true])
        #expect(network.left.state() == .up)
    }

    @Test("nothing is sent by a pair that only stays a while, once the other goes")
    func pairInUseGoes() throws {
        let network = try Network(start: "at-boot")
        network.left.start(at: network.now)
        network.right.start(at: network.now)
        network.settle()
        try #require(network.left.pairs().count == 2)
        let active = try #require(network.left.outboundInUse()?.identifier)
        network.handle(.packetPath(.hardLifetimeReached(active)), at: network.left)
        #expect(network.left.outboundInUse() == nil && network.left.pairs().isEmpty)
        network.advance(by: .seconds(5))
        #expect(network.passes())
        #expect(network.left.state() == .up)
    }

    @Test("a peer that is down at boot is tried again until it is there")
    func peerDownAtBoot() throws {
        let network = try Network(start: "at-boot", rightStart: "on-traffic")
        network.isConnected = false
        network.start()
        #expect(network.left.state() == .connecting)
        network.advance(by: .seconds(900))
        #expect(network.left.count { $0 == .peerUnresponsive } >= 2)
        #expect(network.left.state() == .connecting)
        #expect(network.left.controller.lastFailure(of: "site") != nil)
        network.isConnected = true
        network.advance(by: .seconds(180))
        #expect(network.left.state() == .up && network.passes())
    }

    @Test("without a route the tries become rare, but never end")
    func noRoute() throws {
        let network = try Network(
            start: "at-boot",
            rightStart: "on-traffic",
            leftAddress: "any"
        )
        network.left.hasRoute = false
        network.start()
        network.advance(by: .seconds(3600))
        // 1, 2, 4, 8, 16, 32 seconds apart, then a minute.
        #expect((60...70).contains(network.left.addressQuestions))
        network.left.hasRoute = true
        network.advance(by: .seconds(61))
        #expect(network.left.state() == .up)
    }

    @Test("after a failure, packets wait a moment before they are worth another try")
    func quietAfterFailure() throws {
        let network = try Network(rightSecret: "another")
        network.start()
        network.packet(at: network.left)
        #expect(network.left.state() == .waitingForTraffic)
        #expect(network.left.dropsOfHeldPackets == 1)
        let sent = network.left.reports.count
        network.packet(at: network.left)
        #expect(network.left.reports.count == sent)
        network.advance(by: .seconds(2))
        network.packet(at: network.left)
        #expect(network.left.reports.count > sent)
    }

    @Test("a dead peer is noticed, and a tunnel that starts at boot comes back")
    func deadPeer() throws {
        let network = try Network(start: "at-boot", rightStart: "on-traffic")
        network.start()
        #expect(network.left.state() == .up)
        network.isConnected = false
        network.advance(by: .seconds(300))
        #expect(network.left.inbound.isEmpty && network.left.outbound.isEmpty)
        #expect(network.right.inbound.isEmpty && network.right.state() == .waitingForTraffic)
        network.isConnected = true
        network.advance(by: .seconds(240))
        #expect(network.left.state() == .up && network.passes())
    }

    @Test("several tunnels share one IKE SA")
    func severalTunnels() throws {
        let network = try Network(
            start: "at-boot",
            rightStart: "on-traffic",
            tunnels: ["net", "lab", "web"]
        )
        network.start()
        for tunnel in ["net", "lab", "web"] {
            #expect(network.left.state(tunnel) == .up && network.passes(tunnel))
        }
        let status = network.left.controller.engineStatus(at: network.now)
        #expect(status.ikeSAs.count == 1)
        #expect(
            network.left.controller.policyOrder(
                of: TunnelPath(connection: "site", tunnel: "web")
            ) == 3
        )
    }
}
