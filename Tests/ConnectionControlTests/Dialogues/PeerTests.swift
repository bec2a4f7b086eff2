import ConnectionControl
import IKEProtocol
import IPsecPrimitives
import PacketProtection
import Testing

@Suite("Where a peer may be found")
struct PeerTests {
    /// A silent address is given up after a second and a half.
    private let brief = "retransmission: {initial: 500ms, factor: 1, tries: 3}"
    private let there = IPAddress("192.0.2.2")!
    private let elsewhere = IPAddress("192.0.2.77")!

    @Test("several addresses are tried in order until one answers")
    func inOrder() throws {
        let network = try Network(
            start: "at-boot",
            rightStart: "on-traffic",
            connectionLines: brief,
            leftPeer: "[192.0.2.77, 192.0.2.78, 192.0.2.2]",
            tunnels: ["net", "lab"]
        )
        network.start()
        #expect(network.left.state() == .connecting)
        network.advance(by: .seconds(4))
        #expect(network.passes() && network.passes("lab"))
        #expect(network.left.count { $0 == .peerUnresponsive } == 2)
        let status = network.left.controller.engineStatus(at: network.now)
        #expect(status.ikeSAs.count == 1)
    }

    @Test("when none answers, the tries become rare, and each goes through all")
    func none() throws {
        let network = try Network(
            start: "at-boot",
            rightStart: "on-traffic",
            connectionLines: brief,
            leftPeer: "[192.0.2.77, 192.0.2.78]",
            tunnels: ["net", "lab"]
        )
        network.start()
        network.advance(by: .seconds(3600))
        let tries = network.left.count { $0 == .peerUnresponsive }
        // A minute and three seconds for two addresses, once the back-off is at its longest.
        #expect((100...150).contains(tries))
        #expect(network.left.state() == .connecting && network.left.state("lab") == .connecting)
    }

    @Test("a request fails when every address has failed, and not before")
    func request() throws {
        let network = try Network(
            start: "by-hand",
            connectionLines: brief,
            leftPeer: "[192.0.2.77, 192.0.2.78]"
        )
        network.start()
        let up = network.bringUp(at: network.left)
        network.advance(by: .seconds(2))
        #expect(network.left.outcomes[up] == nil)
        network.advance(by: .seconds(3))
        if case .failed(let failure)? = network.left.outcomes[up] {
            #expect(failure.subject == .peerUnresponsive)
        } else {
            Issue.record("the request has not failed")
        }
        #expect(network.left.state() == .down)
    }

    @Test("a name is looked up, and again when its time to live is over while it is in use")
    func name() throws {
        let network = try Network(start: "on-traffic", leftPeer: "right.example")
        network.left.answersOfNames["right.example"] = [there]
        network.start()
        #expect(network.left.nameQuestions.isEmpty)
        network.packet(at: network.left)
        #expect(network.passes() && network.left.nameQuestions.count == 1)
        network.advance(by: .seconds(600))
        #expect((9...11).contains(network.left.nameQuestions.count))
        _ = network.takeDown(nil, at: network.left)
        let asked = network.left.nameQuestions.count
        network.advance(by: .seconds(600))
        #expect(network.left.nameQuestions.count == asked)
    }

    @Test("a name that means another address now is asked anew before the next try")
    func movedName() throws {
        let network = try Network(
            start: "at-boot",
            rightStart: "on-traffic",
            connectionLines: brief,
            leftPeer: "right.example"
        )
        network.left.answersOfNames["right.example"] = [elsewhere]
        network.start()
        network.advance(by: .seconds(1))
        #expect(network.left.state() == .connecting)
        network.left.answersOfNames["right.example"] = [there]
        network.advance(by: .seconds(10))
        #expect(network.passes())
    }

    @Test("when a name moves, the peer at the old address is asked whether it is still there")
    func probed() throws {
        let network = try Network(
            start: "at-boot",
            rightStart: "on-traffic",
            connectionLines: brief,
            leftPeer: "right.example"
        )
        network.left.answersOfNames["right.example"] = [there]
        network.start()
        #expect(network.passes())
        let pairs = network.left.pairs()
        network.left.answersOfNames["right.example"] = [elsewhere]
        network.advance(by: .seconds(65))
        // It is still there, and the SA goes on.
        #expect(network.left.pairs() == pairs)
        network.isConnected = false
        network.left.answersOfNames["right.example"] = [there]
        network.advance(by: .seconds(62))
        #expect(network.left.pairs().isEmpty)
    }

    @Test("a peer that comes from what its name stands for means the connection with the name")
    func namedCaller() throws {
        func text(
            _ own: Int,
            _ other: Int,
            peer: String,
            start: String,
            proposals: String
        ) -> [String] {
            [
                "    local: {address: 192.0.2.\(own), id: site\(own).example}",
                "    remote: {\(peer)id: site\(other).example}", "    secret-file: site.secret",
                "    ike-proposals: [\(proposals)]", "    tunnels:", "      net:",
                "        local: 10.\(own).0.0/24", "        remote: 10.\(other).0.0/24",
                "        start: \(start)",
            ]
        }
        let (first, second) = ("aes128gcm16-prfsha256-x25519", "aes256gcm16-prfsha256-x25519")
        let network = try Network(rightStart: "by-hand")
        let left = text(
            1,
            2,
            peer: "address: 192.0.2.2, ",
            start: "on-traffic",
            proposals: "\(first), \(second)"
        )
        let right = text(
            2,
            1,
            peer: "address: left.example, ",
            start: "at-boot",
            proposals: second
        )
        let other = text(2, 3, peer: "", start: "by-hand", proposals: first)
        network.start()
        network.isConnected = false
        network.right.answersOfNames["left.example"] = [IPAddress("192.0.2.1")!]
        try network.left.reload(
            (["connections:", "  site:"] + left).joined(separator: "\n") + "\n",
            at: network.now
        )
        try network.right.reload(
            (["connections:", "  other:"] + other + ["  site:"] + right)
                .joined(separator: "\n") + "\n",
            at: network.now
        )
        network.advance(by: .seconds(1))
        #expect(network.right.nameQuestions == ["left.example"])
        network.isConnected = true
        network.packet(at: network.left)
        #expect(network.passes())
        #expect(
            !network.right.reports.contains { report in
                if case .refused = report.event { true } else { false }
            }
        )
    }

    @Test("an unknown name fails with the name, and is tried again")
    func unknownName() throws {
        let network = try Network(
            start: "at-boot",
            rightStart: "on-traffic",
            leftPeer: "right.example"
        )
        network.left.answersOfNames["right.example"] = []
        network.start()
        let failure = network.left.controller.lastFailure(of: "site")?.failure
        #expect(failure?.explanation.contains("right.example") == true)
        network.left.answersOfNames["right.example"] = [there]
        network.advance(by: .seconds(15))
        #expect(network.passes())
    }

    @Test("no answer of the resolver yet: others that want the tunnel wait with the first")
    func waitingForName() throws {
        let network = try Network(
            start: "by-hand",
            leftPeer: "right.example",
            tunnels: ["net", "lab"]
        )
        network.start()
        let tokens = [
            network.bringUp("net", at: network.left), network.bringUp("lab", at: network.left),
        ]
        #expect(network.left.nameQuestions.count == 1)
        network.handle(
            .resolved(name: "right.example", addresses: [there], lifetime: nil),
            at: network.left
        )
        #expect(tokens.allSatisfy { network.left.outcomes[$0] != nil })
        #expect(network.passes() && network.passes("lab"))
    }

    @Test("a range lets the peer come, and nothing is begun to it")
    func range() throws {
        let network = try Network(
            start: "by-hand",
            rightStart: "on-traffic",
            leftPeer: "192.0.2.0/28"
        )
        network.start()
        let up = network.bringUp(at: network.left)
        if case .failed? = network.left.outcomes[up] {
        } else {
            Issue.record("begun to a whole network")
        }
        network.packet(at: network.right)
        #expect(network.passes())
    }

    @Test(
        "ESP of SAs that are lost makes the peer forget them",
        arguments: ["on-traffic", "by-hand"]
    )
    func strayTraffic(start: String) throws {
        let network = try Network(start: start, rightStart: "on-traffic")
        network.start()
        let stray = ControlEvent.packetPath(
            .unknownSPI(SPI(rawValue: 0x1234_5678), from: Endpoint(address: there, port: 4500))
        )
        network.handle(
            .packetPath(
                .unknownSPI(SPI(rawValue: 9999), from: Endpoint(address: elsewhere, port: 4500))
            ),
            at: network.left
        )
        #expect(network.left.state() != .up)
        network.handle(stray, at: network.left)
        #expect((network.left.state() == .up) == (start == "on-traffic"))
        let count = network.left.reports.count
        network.handle(stray, at: network.left)
        #expect(network.left.reports.count == count)
    }

    /// It is tried already, and nothing is under way any more.
    @Test("a peer that sends to an address which did not answer is called again")
    func redirectedToTheSilent() throws {
        let network = try Network(
            start: "at-boot",
            rightStart: "on-traffic",
            connectionLines: brief,
            leftPeer: "[192.0.2.77, 192.0.2.2]"
        )
        let plain = network.right.text
        try network.reload(network.right) {
            $0.replacing("    secret-file", with: "    redirect-to: 192.0.2.77\n    secret-file")
        }
        network.start()
        network.advance(by: .seconds(60))
        #expect(network.left.state() == .connecting)
        try network.reload(network.right) { _ in plain }
        network.advance(by: .seconds(90))
        #expect(network.left.state() == .up && network.passes())
    }
}

@Suite("Tunnels that are lost")
struct LossTests {
    private func lose(_ network: Network) {
        network.isConnected = false
        network.advance(by: .seconds(300))
        network.isConnected = true
    }

    @Test("restart: begun again until it is up, however it started")
    func restart() throws {
        let network = try Network(
            start: "by-hand",
            rightStart: "on-traffic",
            connectionLines: "on-loss: restart"
        )
        network.start()
        try network.reload(network.right) {
            $0.replacing("on-loss: restart", with: "on-loss: clear")
        }
        network.advance(by: .seconds(60))
        #expect(network.left.state() == .down)
        _ = network.bringUp(at: network.left)
        lose(network)
        #expect(network.left.state() == .connecting)
        network.advance(by: .seconds(120))
        #expect(network.passes())
        _ = network.takeDown(at: network.left)
        network.advance(by: .seconds(120))
        #expect(network.left.state() == .down)
    }

    @Test("an IKE SA that waits for its Delete is no way to the peer: our address is looked for")
    func replacedAlone() throws {
        let network = try Network(
            start: "at-boot",
            rightStart: "by-hand",
            connectionLines: "ike-proposals: [aes256gcm16-prfsha256-x25519]",
            leftAddress: "any"
        )
        network.start()
        #expect(network.passes() && network.left.addressQuestions == 1)
        // The answer that makes the peer's new IKE SA is lost, and nothing gets through for a while.
        network.right.handle(
            .rekey(RequestToken(rawValue: 900), connection: "site", .ikeSA),
            at: network.now
        )
        network.carry(from: network.right, to: network.left)
        network.isConnected = false
        _ = network.rekey(.childSAs(tunnel: "net"), at: network.left)
        network.advance(by: .seconds(105))
        let status = network.left.controller.engineStatus(at: network.now)
        #expect(Set(status.ikeSAs.map(\.stage)) == [.closing, .connecting])
        network.isConnected = true
        network.advance(by: .seconds(45))
        #expect(network.passes() && network.left.addressQuestions == 2)
    }

    @Test("trap: the next packet brings it up, although it started at boot")
    func trap() throws {
        let network = try Network(
            start: "at-boot",
            rightStart: "on-traffic",
            lines: "on-loss: trap"
        )
        network.start()
        lose(network)
        network.advance(by: .seconds(120))
        #expect(network.left.state() == .waitingForTraffic)
        network.packet(at: network.left)
        #expect(network.passes())
    }

    @Test("clear: it stays down until somebody asks, although traffic started it")
    func clear() throws {
        let network = try Network(
            start: "on-traffic",
            rightStart: "by-hand",
            lines: "on-loss: clear"
        )
        network.start()
        network.packet(at: network.left)
        #expect(network.passes())
        lose(network)
        let drops = network.left.dropsOfHeldPackets
        network.packet(at: network.left)
        #expect(network.left.state() == .down && network.left.dropsOfHeldPackets == drops + 1)
        let up = network.bringUp(at: network.left)
        #expect(network.left.outcomes[up] == .done("site/net is up"))
    }

    @Test("the peer that ended a tunnel is asked for it again after a moment")
    func endedByPeer() throws {
        let network = try Network(start: "at-boot", rightStart: "on-traffic")
        network.start()
        _ = network.takeDown(at: network.right)
        #expect(network.left.state() == .connecting)
        network.advance(by: .seconds(2))
        #expect(network.passes())
    }

    @Test("tries are not in step with each other")
    func jitter() throws {
        let times = try (UInt64(1)...8).map { seed in
            let network = try Network(start: "at-boot", leftAddress: "any", seed: seed * 100)
            network.left.hasRoute = false
            network.left.start(at: network.now)
            return try #require(network.left.controller.nextTimeout)
        }
        #expect(Set(times).count > 6)
        let start = Instant(nanoseconds: 1_000_000_000)
        #expect(
            times.allSatisfy { (.milliseconds(800)...(.milliseconds(1200))).contains($0 - start) }
        )
    }

    @Test("the peer begins while the DNS is asked: what waited comes up by its IKE SA")
    func peerFirst() throws {
        let network = try Network(
            start: "by-hand",
            leftPeer: "right.example",
            tunnels: ["net", "lab"]
        )
        network.start()
        let up = network.bringUp("lab", at: network.left)
        #expect(network.left.nameQuestions == ["right.example"])
        network.left.answersOfNames["right.example"] = [IPAddress("192.0.2.2")!]
        _ = network.bringUp("net", at: network.right)
        network.advance(by: .seconds(1))
        #expect(network.left.state("net") == .up)
        #expect(network.left.outcomes[up] == .done("site/lab is up"))
        #expect(network.passes("lab"))
    }
}
