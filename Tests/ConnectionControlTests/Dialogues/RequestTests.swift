import ConnectionControl
import IKEProtocol
import IPsecPrimitives
import PacketProtection
import Testing

@Suite("Requests of those who manage a gateway")
struct RequestTests {
    @Test("up and down by hand, with progress and an end")
    func byHand() throws {
        let network = try Network(start: "by-hand")
        network.start()
        let up = network.bringUp(at: network.left)
        #expect(network.left.outcomes[up] == .done("site/net is up"))
        #expect(network.left.progress[up]?.contains { $0.contains("IKE SA established") } == true)
        #expect(network.passes())
        let again = network.bringUp(at: network.left)
        #expect(network.left.outcomes[again] == .done("already up"))
        let down = network.takeDown(at: network.left)
        #expect(network.left.outcomes[down] == .done("site/net is down"))
        #expect(network.left.state() == .down && network.right.state() == .down)
        #expect(network.left.inbound.isEmpty && network.left.outbound.isEmpty)
        #expect(network.right.inbound.isEmpty && network.right.outbound.isEmpty)
        let downAgain = network.takeDown(at: network.left)
        #expect(network.left.outcomes[downAgain] == .done("already down"))
    }

    @Test("what is asked for while it is being ended comes back once it is")
    func upWhileGoingDown() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        _ = network.bringUp(nil, at: network.left)
        network.isConnected = false
        let down = network.takeDown(at: network.left)
        let up = network.bringUp(at: network.left)
        #expect(network.left.outcomes[down] == nil && network.left.outcomes[up] == nil)
        network.isConnected = true
        network.advance(by: .seconds(10))
        #expect(network.left.outcomes[down] == .done("site/net is down"))
        #expect(network.left.outcomes[up] == .done("site/net is up"))
        #expect(network.passes())
    }

    @Test("what the peer has brought up again is up")
    func upByPeer() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        _ = network.bringUp(nil, at: network.left)
        _ = network.takeDown(at: network.left)
        _ = network.bringUp(at: network.right)
        #expect(network.left.state() == .up && network.passes())
        let up = network.bringUp(at: network.left)
        #expect(network.left.outcomes[up] == .done("already up"))
    }

    @Test("what is asked for while it is being ended stays down when it is ended once more")
    func downAgain() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        _ = network.bringUp(nil, at: network.left)
        network.isConnected = false
        _ = network.takeDown(at: network.left)
        let up = network.bringUp(at: network.left)
        _ = network.takeDown(at: network.left)
        guard case .failed? = network.left.outcomes[up] else {
            Issue.record("the request has not failed")
            return
        }
        network.isConnected = true
        network.advance(by: .seconds(60))
        #expect(network.left.state() == .down && network.passes("lab"))
    }

    @Test("a whole connection goes up and down")
    func connection() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        let up = network.bringUp(nil, at: network.left)
        #expect(network.left.outcomes[up] == .done("2 tunnels are up"))
        let down = network.takeDown(nil, at: network.left)
        #expect(network.left.outcomes[down] == .done("2 tunnels are down"))
        #expect(network.left.controller.engineStatus(at: network.now).ikeSAs.isEmpty)
    }

    @Test("without the peer's address, an IKE SA that the peer began will do")
    func byThePeersIKESA() throws {
        let network = try Network(start: "by-hand", leftPeer: "any")
        network.start()
        let alone = network.bringUp(at: network.left)
        guard case .failed(let failure)? = network.left.outcomes[alone] else {
            Issue.record("the request has not failed")
            return
        }
        #expect(failure.explanation.contains("has no peer address"))
        _ = network.bringUp(at: network.right)
        #expect(network.passes())
        _ = network.takeDown(at: network.left)
        #expect(network.left.state() == .down && network.right.state() == .down)
        let up = network.bringUp(at: network.left)
        #expect(network.left.outcomes[up] == .done("site/net is up"))
        #expect(network.passes())
    }

    @Test("a wrong secret ends the request with the explanation")
    func wrongSecret() throws {
        let network = try Network(start: "by-hand", rightSecret: "another")
        network.start()
        let up = network.bringUp(at: network.left)
        guard case .failed(let failure)? = network.left.outcomes[up] else {
            Issue.record("the request has not failed")
            return
        }
        #expect(failure.explanation.contains("AUTHENTICATION_FAILED"))
        #expect(failure.source == "site.yaml:5:18")
        #expect(network.left.controller.lastFailure(of: "site")?.failure == failure)
        #expect(network.right.controller.lastFailure(of: "site")?.failure.subject == .secret)
        #expect(network.left.state() == .down)
    }

    @Test("a peer that does not answer ends the request")
    func unresponsivePeer() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        network.isConnected = false
        let up = network.bringUp(nil, at: network.left)
        #expect(network.left.outcomes[up] == nil)
        network.advance(by: .seconds(300))
        guard case .failed(let failure)? = network.left.outcomes[up] else {
            Issue.record("the request has not failed")
            return
        }
        #expect(failure.subject == .peerUnresponsive)
        #expect(network.left.progress[up]?.contains { $0.contains("no answer") } == true)
        #expect(network.left.state() == .down && network.left.state("lab") == .down)
        network.isConnected = true
        let second = network.bringUp(nil, at: network.left)
        #expect(network.left.outcomes[second] == .done("2 tunnels are up"))
    }

    @Test("one ends what another waits for")
    func endedByAnother() throws {
        let network = try Network(start: "by-hand")
        network.start()
        network.isConnected = false
        let up = network.bringUp(at: network.left)
        let down = network.takeDown(at: network.left)
        if case .failed? = network.left.outcomes[up] {
        } else {
            Issue.record("the first request has not ended")
        }
        #expect(network.left.outcomes[down] == .done("site/net is down"))
        #expect(network.left.state() == .down)
        network.isConnected = true
        network.advance(by: .seconds(300))
        #expect(network.left.state() == .down)
        #expect(network.left.controller.lastFailure(of: "site") == nil)
    }

    @Test("what is ended while its local address is looked up stays down")
    func endedWhileAddressIsFound() throws {
        let network = try Network(start: "by-hand", leftAddress: "any")
        network.start()
        network.left.keepsAddressBack = true
        _ = network.bringUp(at: network.left)
        _ = network.takeDown(at: network.left)
        network.left.answerAddress("site", at: network.now)
        network.settle()
        #expect(network.left.state() == .down && network.left.reports.isEmpty)
        network.left.keepsAddressBack = false
        let up = network.bringUp(at: network.left)
        #expect(network.left.outcomes[up] == .done("site/net is up"))
    }

    @Test("the peer closes the IKE SA while a tunnel is being made: the request ends")
    func closedByPeerMeanwhile() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        _ = network.bringUp("net", at: network.left)
        let token = RequestToken(rawValue: 900)
        network.left.handle(.bringUp(token, connection: "site", tunnel: "lab"), at: network.now)
        network.left.outbox = []
        _ = network.takeDown(nil, at: network.right)
        #expect(network.left.outcomes[token] != nil)
        #expect(network.left.state("lab") == .down)
    }

    @Test("after down, nothing but traffic or a request brings a tunnel up")
    func downThenTraffic() throws {
        let network = try Network(start: "at-boot", rightStart: "on-traffic")
        network.start()
        _ = network.takeDown(at: network.left)
        network.advance(by: .seconds(3600))
        #expect(network.left.state() == .down)
        network.packet(at: network.left)
        #expect(network.left.state() == .up && network.passes())
    }

    @Test("counters are read for each who asks, also during another reading")
    func counters() throws {
        let network = try Network()
        network.start()
        let token = RequestToken(rawValue: 77)
        network.handle(.readCounters(token), at: network.left)
        #expect(network.left.countersReady == [token])
        #expect(network.left.controller.outboundCounters != nil)
        #expect(network.left.controller.inboundCounters != nil)
    }

    @Test("an answer of the packet path that is lost keeps nobody waiting, now or later")
    func lostCounters() throws {
        let network = try Network()
        network.start()
        let tokens = (70...73).map { RequestToken(rawValue: $0) }
        network.left.isInboundSilent = true
        network.handle(.readCounters(tokens[0]), at: network.left)
        network.advance(by: .milliseconds(500))
        // Its answer may be older than the question: it gets one of its own, in vain too.
        network.handle(.readCounters(tokens[1]), at: network.left)
        #expect(network.left.countersReady.isEmpty)
        network.advance(by: .milliseconds(1600))
        #expect(network.left.countersReady == [tokens[0]])
        #expect(network.left.controller.outboundCounters != nil)
        network.advance(by: .seconds(2))
        #expect(network.left.countersReady == Array(tokens[...1]))
        // One that was given up stands in the way of none.
        network.left.isInboundSilent = false
        network.handle(.readCounters(tokens[2]), at: network.left)
        #expect(network.left.countersReady == Array(tokens[...2]))
        #expect(network.left.controller.inboundCounters != nil)
    }

    @Test("a regular reading that is lost is not the last")
    func lostReading() throws {
        let network = try Network(start: "at-boot")
        network.start()
        #expect(network.left.state() == .up)
        network.left.isInboundSilent = true
        network.advance(by: .seconds(60))
        let lost = network.left.queries
        #expect(lost > 1)
        network.left.isInboundSilent = false
        network.advance(by: .seconds(60))
        #expect(network.left.queries > lost)
        network.handle(.readCounters(RequestToken(rawValue: 70)), at: network.left)
        #expect(network.left.countersReady == [RequestToken(rawValue: 70)])
    }

    @Test("counters are told while the gateway ends")
    func lostCountersAtTheEnd() throws {
        let network = try Network(start: "at-boot")
        network.start()
        network.left.isInboundSilent = true
        network.isConnected = false
        network.handle(.shutDown, at: network.left)
        network.handle(.readCounters(RequestToken(rawValue: 70)), at: network.left)
        network.advance(by: .milliseconds(2100))
        #expect(network.left.countersReady == [RequestToken(rawValue: 70)])
    }

    /// The right end sends whoever has proven itself to a gateway that it names.
    private func redirecting() throws -> Network {
        let network = try Network(start: "by-hand")
        network.start()
        _ = try network.reload(network.right) {
            $0.replacing(
                "    secret-file",
                with: "    redirect-to: gate.example\n    redirect-when: proven\n    secret-file"
            )
        }
        return network
    }

    @Test("a peer that sends elsewhere by name once it is proven has not refused")
    func redirectedByName() throws {
        let network = try redirecting()
        let up = network.bringUp(at: network.left)
        #expect(network.left.nameQuestions == ["gate.example"])
        #expect(network.left.outcomes[up] == nil)
        let gate = IPAddress("192.0.2.3")!
        network.left.outbox = []
        network.left.handle(
            .resolved(name: "gate.example", addresses: [gate], lifetime: .seconds(60)),
            at: network.now
        )
        #expect(network.left.outbox.map(\.remote.address) == [gate])
        #expect(network.left.outcomes[up] == nil)
    }

    @Test("nor is one begun there that was taken down meanwhile")
    func takenDownAmidRedirection() throws {
        let network = try redirecting()
        _ = network.bringUp(at: network.left)
        _ = network.takeDown(at: network.left)
        network.settle()
        network.left.outbox = []
        network.left.handle(
            .resolved(
                name: "gate.example",
                addresses: [IPAddress("192.0.2.3")!],
                lifetime: .seconds(60)
            ),
            at: network.now
        )
        #expect(network.left.outbox.isEmpty)
    }

    /// The Delete of what was made in spite of it is on its way.
    @Test("up, down and up again while all of it is under way")
    func upDownUp() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        _ = network.bringUp("lab", at: network.left)
        let last = RequestToken(rawValue: 902)
        func up(_ token: UInt64) -> ControlEvent {
            .bringUp(RequestToken(rawValue: token), connection: "site", tunnel: "net")
        }
        let down = ControlEvent.takeDown(
            RequestToken(rawValue: 901),
            connection: "site",
            tunnel: "net"
        )
        network.left.handle(up(900), at: network.now)
        network.left.handle(down, at: network.now)
        network.carry(from: network.left, to: network.right)
        network.carry(from: network.right, to: network.left)
        network.left.handle(up(902), at: network.now)
        network.advance(by: .seconds(10))
        #expect(network.left.outcomes[last] == .done("site/net is up"))
        #expect(network.left.state() == .up && network.passes())
    }

    /// A rekeying goes on after the life of what it is to replace.
    @Test("a tunnel that is down already does not come up by what is under way")
    func downAmidRekeying() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        _ = network.bringUp(nil, at: network.left)
        network.isConnected = false
        let old = try #require(network.left.pairs().first?.outbound)
        network.handle(.packetPath(.softLifetimeReached(old)), at: network.left)
        network.handle(.packetPath(.hardLifetimeReached(old)), at: network.left)
        let down = network.takeDown(at: network.left)
        #expect(network.left.outcomes[down] == .done("already down"))
        network.isConnected = true
        network.advance(by: .seconds(30))
        #expect(network.left.pairs().isEmpty && network.right.pairs().isEmpty)
        #expect(network.passes("lab"))
    }

    /// What lingers of before a rekeying goes at the same moment.
    @Test("what is asked for again while it is being ended soon after a rekeying comes back")
    func upWhileGoingDownAfterRekeying() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        _ = network.bringUp(nil, at: network.left)
        let old = try #require(network.left.pairs().first?.outbound)
        network.handle(.packetPath(.softLifetimeReached(old)), at: network.left)
        #expect(network.left.pairs().count == 2)
        network.isConnected = false
        let down = network.takeDown(at: network.left)
        let up = network.bringUp(at: network.left)
        network.isConnected = true
        network.advance(by: .seconds(4))
        #expect(network.left.outcomes[down] == .done("site/net is down"))
        #expect(network.left.outcomes[up] == .done("site/net is up"))
        #expect(network.passes())
    }

    /// The left end waits for the answer to its Delete, and the peer has made the tunnel anew.
    private func outlive(leftLines: String = "") throws -> (Network, down: RequestToken) {
        let network = try Network(
            left: ["net: {local: 10.1.0.0/24, remote: 10.2.0.0/24, start: by-hand\(leftLines)}"],
            right: ["net: {local: 10.2.0.0/24, remote: 10.1.0.0/24}"]
        )
        network.start()
        _ = network.bringUp(at: network.left)
        network.advance(by: .seconds(6))
        network.passes = { [right = network.right] datagram in
            let isAnswer = datagram.bytes[18] == 37 && datagram.bytes[19] & 0x20 != 0
            return !(isAnswer && right.pairs().isEmpty)
        }
        let down = network.takeDown(at: network.left)
        #expect(network.right.pairs().isEmpty && network.left.pairs().count == 1)
        network.packet(at: network.right)
        #expect(network.right.pairs().count == 1 && network.left.pairs().count == 2)
        #expect(network.left.outcomes[down] == nil)
        return (network, down)
    }

    @Test("a tunnel that the peer makes anew while it is being ended is up, and its ender is told")
    func outlived() throws {
        let (network, down) = try outlive()
        network.passes = { _ in true }
        network.advance(by: .seconds(10))
        guard case .failed(let failure)? = network.left.outcomes[down] else {
            Issue.record("it is \(String(describing: network.left.outcomes[down]))")
            return
        }
        #expect(failure.explanation.contains("the peer brought site/net up again"))
        #expect(network.passes() && network.left.pairs().count == 1)
        // The next time nobody is in the way.
        let again = network.takeDown(at: network.left)
        #expect(network.left.outcomes[again] == .done("site/net is down"))
    }

    @Test("one that is asked for again, and made anew by the peer, is up, and asked for no more")
    func outlivedAsAsked() throws {
        let (network, _) = try outlive()
        let up = network.bringUp(at: network.left)
        network.passes = { _ in true }
        network.advance(by: .seconds(10))
        #expect(network.left.outcomes[up] == .done("site/net is up") && network.passes())
        // Once the peer ends it, it stays so, as `start: by-hand` says.
        _ = network.takeDown(at: network.right)
        network.advance(by: .seconds(60))
        #expect(network.left.state() == .down)
    }

    @Test("a tunnel that outlives its end has a pair for each class again")
    func classesOfOutlived() throws {
        let (network, _) = try outlive(leftLines: ", sa-per-dscp: [ef, [af41, af42]]")
        network.passes = { _ in true }
        network.advance(by: .seconds(20))
        #expect(network.left.pairs().count { $0.isOutboundActive } == 3)
    }

    /// The right end takes none of the left end's proposals.
    private func refusing() throws -> Network {
        let network = try Network(
            start: "by-hand",
            connectionLines: "ike-proposals: aes256gcm16-prfsha256-x25519"
        )
        network.start()
        try network.reload(network.right) {
            $0.replacing("aes256gcm16", with: "aes128gcm16")
        }
        return network
    }

    @Test("what the peer refused is asked for anew when somebody asks, for the peer may be mended")
    func askedAgain() throws {
        let network = try refusing()
        let first = network.bringUp(at: network.left)
        // A refusal is believed when no better answer comes.
        #expect(network.left.outcomes[first] == nil)
        try network.reload(network.right) {
            $0.replacing("aes128gcm16", with: "aes256gcm16")
        }
        let second = network.bringUp(at: network.left)
        #expect(network.left.outcomes[first] == .done("site/net is up"))
        #expect(network.left.outcomes[second] == .done("site/net is up"))
    }

    @Test("asking again and again does not flood a peer that refuses")
    func askedTooOften() throws {
        let network = try refusing()
        var requests = 0
        network.passes = { datagram in
            if datagram.local.address == IPAddress("192.0.2.1") { requests += 1 }
            return true
        }
        for _ in 0..<100 { _ = network.bringUp(at: network.left) }
        #expect((2...7).contains(requests))
        network.advance(by: .seconds(2))
        #expect(network.left.state() == .down && network.left.controller.nextTimeout == nil)
    }

    /// The exchange that was to end goes without making anything, and without a word.
    @Test("what the peer made while it was being ended is up, whatever becomes of our own exchange")
    func outlivedWithoutAWord() throws {
        func tunnels(_ own: Int, _ other: Int, _ proposals: String) -> [String] {
            ["net", "lab"].enumerated().map { number, name in
                "\(name): {local: 10.\(own).\(number).0/24, remote: 10.\(other).\(number).0/24, "
                    + "start: by-hand, esp-proposals: [\(proposals)]}"
            }
        }
        let network = try Network(
            left: tunnels(1, 2, "aes256gcm16-x25519, aes256gcm16-ecp256"),
            right: tunnels(2, 1, "aes256gcm16-ecp256")
        )
        network.start()
        _ = network.bringUp("lab", at: network.left)
        network.passes = { datagram in
            !(datagram.local.address == IPAddress("192.0.2.1") && datagram.bytes[18] == 36
                && datagram.bytes[19] & 0x20 == 0)
        }
        _ = network.bringUp(at: network.left)
        _ = network.takeDown(at: network.left)
        _ = network.bringUp(at: network.right)
        #expect(network.left.state() == .up && network.passes())
        let up = network.bringUp(at: network.left)
        network.passes = { _ in true }
        network.advance(by: .seconds(30))
        #expect(network.left.outcomes[up] == .done("site/net is up"))
        #expect(network.left.state() == .up && network.passes())
    }
}
