import ConnectionControl
import IKEProtocol
import IPsecPrimitives
import PacketProtection
import Testing

@Suite("Tunnels that live and end")
struct LifeTests {
    @Test("a soft lifetime replaces both SAs without a gap", arguments: [true, false])
    func softLifetime(isOutbound: Bool) throws {
        let network = try Network()
        network.start()
        network.packet(at: network.left)
        let old = try #require(network.left.pairs().first)
        let worn = isOutbound ? old.outbound : old.inbound
        network.handle(.packetPath(.softLifetimeReached(worn)), at: network.left)
        #expect(network.passes())
        #expect(network.left.pairs().map(\.isOutboundActive) == [true, false])
        #expect(network.left.inbound[old.inbound] != nil)
        network.advance(by: .seconds(6))
        #expect(network.left.inbound[old.inbound] == nil)
        #expect(network.left.outbound[old.outbound] == nil)
        #expect(network.left.pairs().count == 1 && network.right.pairs().count == 1)
        #expect(network.passes())
    }

    @Test("lifetimes in octets and packets reach the packet path, the soft ones lower")
    func lifetimes() throws {
        let network = try Network(lines: "lifetime-packets: 100000")
        network.start()
        network.packet(at: network.left)
        let lifetime = try #require(network.left.outboundInUse()?.lifetime)
        #expect(lifetime.hardPackets == 100_000)
        #expect((86_000...95_000).contains(lifetime.softPackets))
    }

    @Test("a hard lifetime ends the pair, and traffic begins anew")
    func hardLifetime() throws {
        let network = try Network()
        network.start()
        network.packet(at: network.left)
        let old = try #require(network.left.pairs().first)
        network.handle(.packetPath(.hardLifetimeReached(old.outbound)), at: network.left)
        #expect(network.left.pairs().isEmpty && network.right.pairs().isEmpty)
        network.packet(at: network.left)
        #expect(network.passes())
    }

    @Test("SAs that the packet path cannot take are closed at both ends")
    func commandFailed() throws {
        let network = try Network()
        network.start()
        network.packet(at: network.left)
        let pair = try #require(network.left.pairs().first)
        network.handle(
            .packetPath(.commandFailed(pair.inbound, .tooManySAs)),
            at: network.left
        )
        #expect(network.left.pairs().isEmpty && network.right.pairs().isEmpty)
        #expect(network.left.controller.lastFailure(of: "site")?.failure.subject == .resources)
    }

    @Test("what the path carries is believed within bounds, of the peer that it names")
    func pathMTU() throws {
        let network = try Network()
        network.start()
        network.packet(at: network.left)
        let pair = try #require(network.left.pairs().first)
        func heard(_ octets: Int, of remote: IPAddress) -> [Int?] {
            network.handle(.pathMTU(remote: remote, octets: octets), at: network.left)
            return [network.left.linkMTUs[pair.outbound], network.left.linkMTUs[pair.inbound]]
        }
        #expect(heard(1400, of: IPAddress("198.51.100.1")!) == [1500, 1500])
        #expect(heard(1400, of: network.right.address) == [1400, 1400])
        #expect(heard(60, of: network.right.address) == [576, 576])
        #expect(heard(-1, of: network.right.address) == [576, 576])
        #expect(heard(9000, of: network.right.address) == [576, 576])
    }

    @Test("what the path was said to carry is doubted after ten minutes")
    func pathMTURecovers() throws {
        let network = try Network()
        network.start()
        network.packet(at: network.left)
        network.handle(
            .pathMTU(remote: network.right.address, octets: 600),
            at: network.left
        )
        network.advance(by: .seconds(590))
        #expect(network.left.outboundInUse().map { network.left.linkMTUs[$0.identifier] } == 600)
        network.handle(
            .packetPath(.softLifetimeReached(network.left.pairs()[0].outbound)),
            at: network.left
        )
        #expect(network.left.outboundInUse()?.linkMTU == 600)
        network.advance(by: .seconds(20))
        #expect(network.left.outboundInUse().map { network.left.linkMTUs[$0.identifier] } == 1500)
    }

    @Test("a path that swallows what is large is found, and found to have recovered")
    func blackHole() throws {
        let network = try Network()
        network.start()
        try network.reload(network.left) { $0 + "gateway: {path-mtu-probe: 10m}\n" }
        network.largestDatagram = 1400
        network.packet(at: network.left)
        func carried() -> Int? {
            network.left.outboundInUse().flatMap { network.left.linkMTUs[$0.identifier] }
        }
        #expect(carried() == 1500)
        network.advance(by: .seconds(15))
        #expect(carried().map { $0 >= 1280 && $0 <= 1400 } == true)
        network.advance(by: .seconds(60))
        #expect(carried().map { $0 <= 1400 && $0 > 1391 } == true)
        // What a router says is checked with the peer.
        network.handle(.pathMTU(remote: network.right.address, octets: 600), at: network.left)
        #expect(carried() == 600)
        network.advance(by: .seconds(60))
        #expect(carried().map { $0 <= 1400 && $0 > 1391 } == true)
        network.largestDatagram = 65_535
        network.advance(by: .seconds(620))
        #expect(carried() == 1500)
        // Nobody else asks.
        #expect(network.right.linkMTUs.values.allSatisfy { $0 == 1500 })
    }

    @Test("shutting down tells the peer, ends, and lets nobody in")
    func shutDown() throws {
        let network = try Network(start: "on-traffic", rightStart: "at-boot")
        network.start()
        #expect(network.passes())
        network.handle(.shutDown, at: network.left)
        #expect(network.left.isAllClosed)
        #expect(network.right.pairs().isEmpty)
        network.packet(at: network.left)
        let up = network.bringUp(at: network.left)
        if case .failed? = network.left.outcomes[up] {
        } else {
            Issue.record("a gateway that stops takes requests")
        }
        network.advance(by: .seconds(30))
        #expect(network.left.pairs().isEmpty && network.left.outbox.isEmpty)
        #expect(network.left.state() == .waitingForTraffic)
    }

    @Test("a peer that falls silent is the last failure")
    func silentPeer() throws {
        let network = try Network()
        network.start()
        network.packet(at: network.left)
        #expect(network.passes())
        #expect(network.left.controller.lastFailure(of: "site") == nil)
        network.isConnected = false
        network.advance(by: .seconds(1800))
        #expect(network.left.pairs().isEmpty)
        #expect(network.left.controller.lastFailure(of: "site") != nil)
    }

    @Test("a peer that is heard by ESP is not asked, however short its silence may be")
    func heardPeer() throws {
        let network = try Network(connectionLines: "liveness: 1s")
        network.start()
        network.packet(at: network.left)
        network.left.isReceiving = true
        network.isConnected = false
        network.advance(by: .seconds(600))
        #expect(network.left.pairs().count == 1)
        network.left.isReceiving = false
        network.advance(by: .seconds(600))
        #expect(network.left.pairs().isEmpty)
    }

    @Test("which packets are a sign of life is asked for with MOBIKE", arguments: [true, false])
    func mobilePeer(isMobile: Bool) throws {
        let network = try Network(connectionLines: "mobike: \(isMobile)")
        network.start()
        network.packet(at: network.left)
        for site in [network.left, network.right] {
            #expect(site.inbound.values.map(\.isMobile) == [isMobile])
        }
    }

    @Test("shutting down ends although the peer does not answer")
    func shutDownAlone() throws {
        let network = try Network()
        network.start()
        network.packet(at: network.left)
        network.isConnected = false
        network.handle(.shutDown, at: network.left)
        #expect(!network.left.isAllClosed)
        network.advance(by: .seconds(300))
        #expect(network.left.isAllClosed)
    }

    @Test("a retry that was due does not turn a gateway that stops in a circle")
    func retryWhileShuttingDown() throws {
        let network = try Network(start: "at-boot")
        network.isConnected = false
        network.left.start(at: network.now)
        network.advance(by: .seconds(200))
        network.handle(.shutDown, at: network.left)
        network.advance(by: .seconds(300))
        #expect(network.left.isAllClosed)
        #expect(network.left.controller.nextTimeout == nil)
    }

    @Test("an address that is found while shutting down begins nothing")
    func addressWhileShuttingDown() throws {
        let network = try Network(start: "at-boot", leftAddress: "any")
        network.left.keepsAddressBack = true
        network.left.start(at: network.now)
        network.handle(.shutDown, at: network.left)
        network.left.answerAddress("site", at: network.now)
        #expect(network.left.outbox.isEmpty && network.left.isAllClosed)
    }
}
