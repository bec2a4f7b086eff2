import Configuration
import ConnectionControl
import IKEProtocol
import IPsecPrimitives
import PacketProtection
import Testing

@Suite("Another configuration while running")
struct ReloadTests {
    /// Both ends up, and how to change the text of both.
    private func running(
        start: String = "on-traffic",
        lines: String = "",
        connectionLines: String = "",
        tunnels: [String] = ["net"]
    ) throws -> Network {
        let network = try Network(
            start: start,
            rightStart: "on-traffic",
            lines: lines,
            connectionLines: connectionLines,
            tunnels: tunnels
        )
        network.start()
        for number in tunnels.indices { network.packet(at: network.left, policy: UInt32(number)) }
        for tunnel in tunnels { try #require(network.passes(tunnel)) }
        return network
    }

    @Test("lines that moved change nothing")
    func movedLines() throws {
        let network = try running(tunnels: ["net", "lab"])
        let pairs = network.left.pairs() + network.left.pairs("lab")
        let reports = network.left.reports.count
        let change = try network.reload(network.left) { "# a remark\n\n" + $0 }
        #expect(change.isEmpty && change.kept == ["site", "site/net", "site/lab"])
        #expect(network.left.pairs() + network.left.pairs("lab") == pairs)
        #expect(network.left.reports.count == reports && network.left.policyReplacements == 1)
    }

    @Test("limits on traffic come, change and go, and touch no SA")
    func traffic() throws {
        let network = try running(tunnels: ["net", "lab"])
        let site = network.left
        let pairs = site.pairs() + site.pairs("lab")
        #expect(site.traffic.isEmpty)
        let lines = "gateway: {traffic: {rate: 10Mbit, classes: {v: {match: {dscp: ef}}}}}\n"
        var change = try network.reload(site) { $0 + lines }
        #expect(change.settings == ["traffic"] && !change.changesPolicies)
        var plan = try #require(site.traffic.last)
        // Both tunnels of the connection together, and what no class takes.
        #expect(plan.rate == 10_000_000 && plan.shapers.count == 1)
        #expect(plan.shapers[0].policies == site.policies.prefix(2).map(\.identifier))
        #expect(plan.shapers[0].rate == nil && plan.shapers[0].classes.count == 2)
        #expect(plan.shapers[0].classes[0].rules == [TrafficRule(codePoints: 1 << 46)])
        change = try network.reload(site) {
            $0.replacing(lines, with: "")
                .replacing("      lab:\n", with: "      lab:\n        traffic: {rate: 1Mbit}\n")
        }
        #expect(change.changed.map(\.name) == ["site/lab"])
        #expect(change.changed.first?.keys == ["traffic"])
        plan = try #require(site.traffic.last)
        #expect(plan.rate == nil && plan.shapers.map(\.rate) == [1_000_000])
        #expect(plan.shapers[0].policies == [site.policies[1].identifier])
        _ = try network.reload(site) { "# a remark\n" + $0 }
        #expect(site.traffic.count == 2)
        _ = try network.reload(site) { $0.replacing("        traffic: {rate: 1Mbit}\n", with: "") }
        #expect(site.traffic.count == 3 && site.traffic.last == TrafficPlan())
        #expect(site.pairs() + site.pairs("lab") == pairs)
    }

    @Test("marks of traffic classes change; the first of all needs a restart")
    func marks() throws {
        func lines(_ classes: String) -> String {
            "traffic: {rate: 10Mbit, classes: {\(classes)}}"
        }
        let network = try running()
        let first = lines("v: {match: {mark: 0x10}}")
        let refused = try network.reload(network.left) { $0 + "gateway: {\(first)}\n" }
        #expect(refused.refusals.map(\.key) == ["whether traffic classes ask for a mark"])
        #expect(refused.refusals.first?.reason.contains("loaded at the start") == true)
        #expect(network.left.traffic.isEmpty)

        let marked = try running(connectionLines: first)
        let rules = { marked.left.traffic.last?.shapers[0].classes.map { $0.rules.map(\.marks) } }
        #expect(rules() == [[1 << 1], []])
        var change = try marked.reload(marked.left) {
            $0.replacing(first, with: lines("w: {match: {mark: 3}}, v: {match: {mark: [0x10, 3]}}"))
        }
        #expect(change.refusals.isEmpty && change.changed.first?.keys == ["traffic"])
        #expect(rules() == [[1 << 1], [1 << 2 | 1 << 1], []])
        change = try marked.reload(marked.left) {
            $0.replacing("mark: 3}", with: "dscp: 3}").replacing("mark: [0x10, 3]", with: "dscp: 4")
        }
        #expect(change.refusals.isEmpty && rules() == [[nil], [nil], []])
        change = try marked.reload(marked.left) { $0.replacing("dscp: 4", with: "mark: 4") }
        #expect(change.refusals.isEmpty && rules() == [[nil], [1 << 1], []])
    }

    @Test("a tunnel is added, and the one that is there goes on")
    func added() throws {
        let network = try running()
        let pair = network.left.pairs()
        for site in [network.left, network.right] {
            let (own, other) = site === network.left ? (1, 2) : (2, 1)
            let change = try network.reload(site) {
                $0 + """
                          new:
                            local: 10.\(own).9.0/24
                            remote: 10.\(other).9.0/24
                            start: \(site === network.left ? "at-boot" : "on-traffic")

                    """
            }
            #expect(change.added == ["site/new"] && change.changed.isEmpty)
        }
        network.advance(by: .seconds(10))
        #expect(network.passes("new") && network.passes() && network.left.pairs() == pair)
        #expect(network.left.controller.engineStatus(at: network.now).ikeSAs.count == 1)
        #expect(network.left.policies.count == 3)
    }

    @Test("a tunnel is removed: nothing passes by it any more, and the peer is told")
    func removed() throws {
        let network = try running(tunnels: ["net", "lab"])
        let kept = network.left.pairs("lab")
        let policy = network.left.policies[1].identifier
        let change = try network.reload(network.left, settle: false) {
            $0.replacing(#/      net:\n(        .*\n)*/#, with: "")
        }
        #expect(change.removed == ["site/net"] && change.kept.contains("site/lab"))
        #expect(network.left.inbound.count == 1 && network.left.outbound.count == 1)
        #expect(network.left.policies.map(\.identifier).first == policy)
        network.settle()
        #expect(network.right.pairs().isEmpty)
        #expect(network.left.pairs("lab") == kept && network.passes("lab"))
    }

    @Test("a connection is removed with all that belongs to it, also who waits for it")
    func removedConnection() throws {
        let network = try running()
        network.isConnected = false
        _ = network.takeDown(nil, at: network.left)
        let token = network.bringUp(at: network.left)
        network.isConnected = true
        let change = try network.reload(network.left) { $0.replacing("  site:", with: "  other:") }
        #expect(change.removed == ["site", "site/net"] && change.added == ["other", "other/net"])
        if case .failed? = network.left.outcomes[token] {
        } else {
            Issue.record("the request still waits")
        }
        #expect(network.left.inbound.isEmpty && network.left.outbound.isEmpty)
        network.advance(by: .seconds(300))
        #expect(network.left.controller.engineStatus(at: network.now).ikeSAs.isEmpty)
    }

    @Test("networks that become more are rekeyed, without a gap")
    func widened() throws {
        let network = try running()
        let old = network.left.pairs()
        try network.reload(network.right) { $0.replacing("10.2.0.0/24", with: "10.2.0.0/23") }
        #expect(network.passes())
        try network.reload(network.left) { $0.replacing("10.2.0.0/24", with: "10.2.0.0/23") }
        #expect(network.passes() && network.left.pairs() != old)
        network.advance(by: .seconds(10))
        let pair = try #require(network.left.outboundInUse())
        #expect(pair.selectors.map(\.remote.description) == ["10.2.0.0/23"])
        #expect(network.left.pairs().count == 1 && network.right.pairs().count == 1)
    }

    @Test("networks that become fewer end the SAs at once, and the tunnel comes back")
    func narrowed() throws {
        let network = try running()
        let old = try #require(network.left.pairs().first)
        try network.reload(network.left, settle: false) {
            $0.replacing("10.2.0.0/24", with: "10.2.0.0/25")
        }
        #expect(network.left.inbound[old.inbound] == nil)
        #expect(network.left.outbound[old.outbound] == nil)
        network.settle()
        let pair = try #require(network.left.outboundInUse())
        #expect(pair.selectors.map(\.remote.description) == ["10.2.0.0/25"])
        #expect(network.passes() && network.right.pairs().count == 1)
        #expect(network.left.controller.engineStatus(at: network.now).ikeSAs.count == 1)
    }

    @Test("proposals: an SA that they still allow stays, another is rekeyed")
    func proposals() throws {
        let network = try running(
            lines: "esp-proposals: [aes256gcm16, aes128gcm16]",
            connectionLines: "ike-proposals: [aes256gcm16-prfsha256-x25519-ecp256]"
        )
        func ikeSPI() -> IKESPI? {
            network.left.controller.engineStatus(at: network.now).ikeSAs.last?.initiatorSPI
        }
        let (pairs, spi) = (network.left.pairs(), ikeSPI())
        try network.reload(network.left) {
            $0.replacing("[aes256gcm16, aes128gcm16]", with: "[chacha20poly1305, aes256gcm16]")
                .replacing("-x25519-ecp256", with: "-ecp256-x25519")
        }
        #expect(network.left.pairs() == pairs && ikeSPI() == spi)
        try network.reload(network.right) {
            $0.replacing("[aes256gcm16, aes128gcm16]", with: "[chacha20poly1305, aes256gcm16]")
        }
        let change = try network.reload(network.left) {
            $0.replacing("[chacha20poly1305, aes256gcm16]", with: "chacha20poly1305")
                .replacing("-ecp256-x25519", with: "-ecp256")
        }
        #expect(
            change.changed == [
                .init(name: "site", keys: ["ike-proposals"]),
                .init(name: "site/net", keys: ["esp-proposals"]),
            ]
        )
        network.advance(by: .seconds(10))
        #expect(network.passes() && network.left.pairs().count == 1)
        let status = network.left.controller.engineStatus(at: network.now)
        #expect(status.ikeSAs.map(\.suite) == ["aes256gcm16-prfsha256-ecp256"])
        #expect(status.ikeSAs.first?.children.first?.suite.contains("chacha20poly1305") == true)
    }

    @Test("a new secret leaves SAs alone and counts from the next authentication on")
    func secret() throws {
        let network = try running()
        let pairs = network.left.pairs()
        let change = try network.reload(network.left, secret: "another") { $0 }
        #expect(change.changed == [.init(name: "site", keys: ["secret"])])
        #expect(network.left.pairs() == pairs && network.passes())
        _ = network.takeDown(nil, at: network.left)
        let refused = network.bringUp(at: network.left)
        if case .failed? = network.left.outcomes[refused] {
        } else {
            Issue.record("the old secret still counts")
        }
        try network.reload(network.right, secret: "another") { $0 }
        let up = network.bringUp(at: network.left)
        #expect(network.left.outcomes[up] == .done("site/net is up"))
    }

    @Test("what the packet path was told of an SA is told of its successor, without a gap")
    func packetPathValues() throws {
        let network = try running(lines: "df: copy")
        let old = network.left.pairs()
        try network.reload(network.left) { $0.replacing("df: copy", with: "df: set") }
        #expect(network.passes() && network.left.pairs() != old)
        #expect(network.left.outboundInUse()?.dontFragment == .set)
        network.advance(by: .seconds(10))
        #expect(network.left.pairs().count == 1)
    }

    @Test("another order of policies: names and SAs stay")
    func order() throws {
        let network = try running(tunnels: ["net", "lab"])
        let names = network.left.policies.map(\.identifier)
        let pairs = network.left.pairs() + network.left.pairs("lab")
        let change = try network.reload(network.left) {
            $0 + "policies:\n  - bypass: {remote: 10.9.0.0/16}\n  - protect: site/lab\n"
        }
        #expect(change.changesPolicies && change.changed.isEmpty && change.removed.isEmpty)
        let new = network.left.policies.map(\.identifier)
        #expect(Array(new.dropFirst()) == [names[1], names[0], names[2]])
        #expect(!names.contains(new[0]))
        #expect(network.left.pairs() + network.left.pairs("lab") == pairs)
        #expect(network.passes() && network.passes("lab"))
        let lab = TunnelPath(connection: "site", tunnel: "lab")
        #expect(network.left.controller.policyOrder(of: lab) == 2)
    }

    @Test("what SAs take from the packet reaches the entries, which stay the same else")
    func populated() throws {
        let network = try running(tunnels: ["net", "lab"])
        let before = network.left.policies
        let change = try network.reload(network.left) {
            $0.replacing("    lab:", with: "    lab:\n        sa-per: remote-address")
        }
        #expect(!change.changesPolicies && change.changed.map(\.name) == ["site/lab"])
        #expect(network.left.policies.map(\.asksByFlow) == [false, true, false])
        #expect(network.left.policies.map(\.identifier) == before.map(\.identifier))
        try network.reload(network.left) {
            $0.replacing("        sa-per: remote-address\n", with: "")
        }
        #expect(network.left.policies == before)
    }

    @Test("a change of start begins what is to start at boot, and stops tries that nobody wants")
    func start() throws {
        let network = try Network(start: "by-hand", rightStart: "on-traffic")
        network.start()
        try network.reload(network.left) { $0.replacing("by-hand", with: "at-boot") }
        #expect(network.passes())
        network.isConnected = false
        network.advance(by: .seconds(300))
        #expect(network.left.state() == .connecting)
        try network.reload(network.left) { $0.replacing("at-boot", with: "by-hand") }
        network.advance(by: .seconds(300))
        #expect(network.left.state() == .down)
    }

    @Test("what a running gateway cannot change is refused, with all that comes with it")
    func refused() throws {
        let network = try running()
        let change = try network.reload(network.left) {
            $0.replacing("10.2.0.0/24", with: "10.2.0.0/25")
                + "gateway:\n  listen: {ike-port: 5000}\n  interface: tun7\n"
        }
        #expect(change.refusals.map(\.key) == ["interface", "listen.ike-port"])
        #expect(network.left.outboundInUse()?.selectors.first?.remote.description == "10.2.0.0/24")
        #expect(network.left.policyReplacements == 1 && network.passes())
    }

    @Test("a negotiation under way begins anew with the new values")
    func whileNegotiating() throws {
        let network = try Network(start: "at-boot", rightStart: "on-traffic")
        network.right.start(at: network.now)
        network.left.start(at: network.now)
        network.left.outbox = []
        try network.reload(network.left) { $0.replacing("10.2.0.0/24", with: "10.2.0.0/25") }
        network.settle()
        #expect(network.left.state() == .up)
        let pair = try #require(network.left.outboundInUse())
        #expect(pair.selectors.map(\.remote.description) == ["10.2.0.0/25"])
    }

    @Test("a shorter life ends an SA in time, not at once")
    func lifetime() throws {
        let network = try running(lines: "lifetime: 1h", connectionLines: "ike-lifetime: 4h")
        let old = network.left.pairs()
        network.advance(by: .seconds(600))
        let spi = network.left.controller.engineStatus(at: network.now).ikeSAs[0].initiatorSPI
        try network.reload(network.left) {
            $0.replacing("lifetime: 1h", with: "lifetime: 20m")
                .replacing("ike-lifetime: 4h", with: "ike-lifetime: 5m")
        }
        #expect(network.left.pairs() == old)
        network.advance(by: .seconds(30))
        let status = network.left.controller.engineStatus(at: network.now)
        #expect(status.ikeSAs.count == 1 && status.ikeSAs[0].initiatorSPI != spi)
        #expect(network.left.pairs() == old && network.passes())
        network.advance(by: .seconds(600))
        #expect(network.left.pairs() != old && network.passes())
    }

    @Test("another address of the peer: the IKE SA ends, and the tunnel begins there")
    func otherPeer() throws {
        let network = try running()
        try network.reload(network.left, settle: false) {
            $0.replacing("192.0.2.2", with: "192.0.2.3")
        }
        #expect(network.left.outbound.isEmpty)
        let other = try #require(IPAddress("192.0.2.3"))
        #expect(network.left.outbox.contains { $0.remote.address == other })
        #expect(network.left.state() == .connecting)
    }

    private func named(_ peer: String) throws -> Network {
        let network = try Network(start: "on-traffic", leftPeer: peer)
        let address = try #require(IPAddress("192.0.2.2"))
        for name in ["right.example", "other.example"] {
            network.left.answersOfNames[name] = [address]
        }
        network.start()
        network.packet(at: network.left)
        #expect(network.passes())
        return network
    }

    private func ikeSAs(_ network: Network) -> [IKESPI] {
        network.left.controller.engineStatus(at: network.now).ikeSAs
            .filter { $0.stage == .established }.map(\.initiatorSPI)
    }

    @Test("another name of the peer: the IKE SA ends, and the tunnel begins there")
    func otherName() throws {
        for (before, after) in [
            ("right.example", "other.example"), ("[right.example, other.example]", "other.example"),
            ("192.0.2.2", "other.example"),
        ] {
            let network = try named(before)
            let old = ikeSAs(network)
            try network.reload(network.left, settle: false) {
                $0.replacing("address: \(before)", with: "address: \(after)")
            }
            #expect(network.left.outbound.isEmpty)
            network.advance(by: .seconds(10))
            #expect(network.left.nameQuestions.last == "other.example")
            #expect(network.passes() && Set(ikeSAs(network)).isDisjoint(with: old))
        }
    }

    @Test("one more name of the peer, or its address beside it, changes no SA")
    func furtherName() throws {
        for (before, after) in [
            ("right.example", "[right.example, other.example]"),
            ("right.example", "[right.example, 192.0.2.9]"),
            ("192.0.2.2", "[192.0.2.2, other.example]"), ("right.example", "192.0.2.2"),
        ] {
            let network = try named(before)
            let (old, pairs) = (ikeSAs(network), network.left.pairs())
            try network.reload(network.left) {
                $0.replacing("address: \(before)", with: "address: \(after)")
            }
            #expect(ikeSAs(network) == old && network.left.pairs() == pairs)
        }
    }

    @Test("another identity of the peer: the IKE SA of the old one ends")
    func otherIdentity() throws {
        let network = try running(start: "at-boot")
        try network.reload(network.left) {
            $0.replacing("id: site2.example", with: "id: site3.example")
        }
        #expect(network.left.pairs().isEmpty && ikeSAs(network).isEmpty)
        network.advance(by: .seconds(5))
        #expect(network.left.pairs().isEmpty)
        try network.reload(network.right) {
            $0.replacing("id: site2.example", with: "id: site3.example")
        }
        network.advance(by: .seconds(60))
        #expect(network.passes() && network.left.pairs().count == 1)
    }

    @Test("more pairs of the same traffic, whichever end is told first", arguments: [false, true])
    func resources(isLeftFirst: Bool) throws {
        for (before, after) in [(1, 4), (2, 4)] {
            let network = try running(lines: "resources: \(before)")
            network.advance(by: .seconds(5))
            #expect(network.left.pairs().count == before)
            var sites = [network.left, network.right]
            if !isLeftFirst { sites.reverse() }
            for site in sites {
                try network.reload(site) {
                    $0.replacing("resources: \(before)", with: "resources: \(after)")
                }
                #expect(network.passes())
                network.advance(by: .seconds(5))
            }
            network.advance(by: .seconds(60))
            for site in sites {
                #expect(site.pairs().count == after)
                #expect(site.pairs().count { $0.isOutboundActive } == after)
            }
            #expect(network.passes())
        }
    }

    /// The peer has made the pair, and this end waits until it is surely there.
    @Test("a pair that does not carry packets yet gets the new values as well")
    func packetPathValuesOfWaitingPair() throws {
        let network = try running(lines: "df: copy")
        let theirs = try #require(network.right.pairs().first?.outbound)
        network.passes = { $0.remote.address != network.right.address }
        network.handle(.packetPath(.softLifetimeReached(theirs)), at: network.right)
        #expect(network.left.pairs().count == 2)
        #expect(network.left.pairs().count { $0.isOutboundActive } == 1)
        try network.reload(network.left) { $0.replacing("df: copy", with: "df: set") }
        network.passes = { _ in true }
        network.advance(by: .seconds(60))
        #expect(network.passes() && network.left.pairs().count == 1)
        #expect(network.left.outbound.values.allSatisfy { $0.dontFragment == .set })
    }

    @Test("a smaller link is known to SAs in place at once")
    func linkMTU() throws {
        let network = try running()
        let pair = try #require(network.left.pairs().first)
        try network.reload(network.left) { $0 + "gateway: {link-mtu: 1400}\n" }
        #expect(network.left.linkMTUs[pair.outbound] == 1400)
        #expect(network.left.pairs() == [pair])
    }

    @Test("what is being ended by hand is not begun anew with other values")
    func changedWhileGoingDown() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        _ = network.bringUp(nil, at: network.left)
        network.isConnected = false
        _ = network.takeDown(at: network.left)
        _ = try network.reload(network.left) {
            $0.replacing("        local: 10.1.0.0/24", with: "        local: 10.1.0.0/25")
        }
        network.isConnected = true
        network.advance(by: .seconds(30))
        #expect(network.left.state() == .down && network.right.state() == .down)
        #expect(network.passes("lab"))
    }

    @Test("a tunnel that gets other networks while it is being made is made with those")
    func otherNetworksMeanwhile() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        _ = network.bringUp("lab", at: network.left)
        network.isConnected = false
        let up = network.bringUp(at: network.left)
        try network.reload(network.left) { $0.replacing("10.2.0.0/24", with: "10.2.0.0/25") }
        network.isConnected = true
        network.advance(by: .seconds(30))
        #expect(network.left.outcomes[up] == .done("site/net is up"))
        #expect(network.left.state() == .up && network.passes())
        #expect(
            network.left.outbound.values.contains {
                $0.selectors.contains { $0.remote.description == "10.2.0.0/25" }
            }
        )
    }

    @Test("a request for new keys ends when a reload takes the tunnel away")
    func rekeyOfRemoved() throws {
        let net = "net: {local: 10.1.0.0/24, remote: 10.2.0.0/24, start: by-hand}"
        let lab = "lab: {local: 10.1.1.0/24, remote: 10.2.1.0/24, start: by-hand}"
        let network = try Network(
            left: [net, lab],
            right: [
                "net: {local: 10.2.0.0/24, remote: 10.1.0.0/24}",
                "lab: {local: 10.2.1.0/24, remote: 10.1.1.0/24}",
            ]
        )
        network.start()
        _ = network.bringUp(nil, at: network.left)
        network.isConnected = false
        let request = network.rekey(.childSAs(tunnel: "net"), at: network.left)
        #expect(network.left.outcomes[request] == nil)
        try network.reload(network.left) { $0.replacing("      \(net)\n", with: "") }
        guard case .failed? = network.left.outcomes[request] else {
            Issue.record("it is \(String(describing: network.left.outcomes[request]))")
            return
        }
    }
}
