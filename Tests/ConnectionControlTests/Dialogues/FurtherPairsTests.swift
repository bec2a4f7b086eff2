import Configuration
import IKEProtocol
import IPsecPrimitives
import PacketProtection
import Testing

@testable import ConnectionControl

@Suite("More than one pair a tunnel")
struct FurtherPairsTests {
    private let wide = "net: {local: 10.1.0.0/16, remote: 10.2.0.0/16}"

    private func narrow(_ extra: [String] = []) throws -> Network {
        try Network(
            left: [wide],
            right: [
                "one: {local: 10.2.1.0/24, remote: 10.1.0.0/16}",
                "two: {local: 10.2.2.0/24, remote: 10.1.0.0/16}",
            ] + extra
        )
    }

    private func remotes(_ site: Site) -> [String] {
        site.outbound.values.flatMap { $0.selectors.map(\.remote.description) }.sorted()
    }

    @Test("a packet that the pair in place leaves out brings another pair")
    func leftOut() throws {
        let network = try narrow()
        network.start()
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.1.1")
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.2.1")
        #expect(remotes(network.left) == ["10.2.1.0/24", "10.2.2.0/24"])
        // Neither takes the other's place.
        #expect(network.left.pairs().map(\.isOutboundActive) == [true, true])
        #expect(network.right.pairs("one").count == 1 && network.right.pairs("two").count == 1)
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.2.9")
        network.packet(at: network.left, from: "10.1.0.3", to: "10.2.1.1")
        #expect(network.left.pairs().count == 2)
        #expect(network.left.dropsOfHeldPackets == 0)
    }

    @Test("many packets at once bring one negotiation, and each its pair in the end")
    func flood() throws {
        let network = try narrow()
        network.start()
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.1.1")
        network.isConnected = false
        let before = network.left.reports.count
        for host in 1...100 {
            network.packet(at: network.left, from: "10.1.0.\(host)", to: "10.2.2.1")
        }
        #expect(network.left.reports.count == before)
        network.isConnected = true
        network.advance(by: .seconds(10))
        #expect(network.left.pairs().count == 2 && network.right.pairs("two").count == 1)
    }

    @Test("what the peer refuses is asked for less and less often, and nothing else suffers")
    func refused() throws {
        let network = try narrow()
        network.start()
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.1.1")
        func failures() -> Int {
            network.left.count { if case .initiationFailed = $0 { true } else { false } }
        }
        for _ in 0..<120 {
            network.packet(at: network.left, from: "10.1.0.1", to: "10.2.9.9")
            network.advance(by: .seconds(1))
        }
        #expect((5...9).contains(failures()))
        #expect(network.left.dropsOfHeldPackets == 120)
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.2.1")
        #expect(remotes(network.left) == ["10.2.1.0/24", "10.2.2.0/24"])
        #expect(network.left.state() == .up)
    }

    @Test("of two narrowed pairs one goes, and the other stays in use")
    func oneGoes() throws {
        let network = try narrow()
        network.start()
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.1.1")
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.2.1")
        _ = network.takeDown("one", at: network.right)
        #expect(remotes(network.left) == ["10.2.2.0/24"])
        #expect(network.left.pairs().map(\.isOutboundActive) == [true])
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.1.1")
        #expect(network.left.pairs().count == 2)
    }

    @Test("rekeyed for hours, each part keeps its pair")
    func rekeyed() throws {
        let network = try narrow()
        network.start()
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.1.1")
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.2.1")
        for _ in 0..<3 {
            network.advance(by: .seconds(3600))
            #expect(remotes(network.left) == ["10.2.1.0/24", "10.2.2.0/24"])
            #expect(network.left.pairs().map(\.isOutboundActive) == [true, true])
        }
    }

    @Test("a tunnel that is to start at boot waits for a packet where the peer wants pairs")
    func singlePair() throws {
        let network = try Network(
            left: ["net: {local: 10.1.0.0/16, remote: 10.2.0.0/16, start: at-boot}"],
            right: [
                "net: {local: 10.2.0.0/16, remote: 10.1.0.0/16, "
                    + "sa-per: [local-address, remote-address]}"
            ]
        )
        network.start()
        #expect(network.left.state() == .waitingForTraffic)
        network.advance(by: .seconds(300))
        #expect(network.left.count { if case .initiationFailed = $0 { true } else { false } } == 1)
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.1.1")
        network.packet(at: network.left, from: "10.1.0.2", to: "10.2.1.1")
        #expect(network.left.pairs().count == 2 && network.right.pairs().count == 2)
        #expect(network.left.state() == .up)
    }

    @Test("each remote port has its pair, rekeyed for hours, and flows get theirs soon")
    func ports() throws {
        let network = try Network(
            left: ["net: {local: 10.1.0.0/16, remote: 10.2.0.0/16, sa-per: remote-port}"],
            right: ["net: {local: 10.2.0.0/16, remote: 10.1.0.0/16}"]
        )
        network.start()
        let ports: [UInt16] = [22, 25, 53, 80, 443]
        for port in ports {
            network.packet(at: network.left, from: "10.1.0.1", to: "10.2.1.1", port: port)
        }
        network.advance(by: .seconds(10))
        let expected = ports.map { "10.2.0.0/16[udp/\($0)]" }.sorted()
        #expect(remotes(network.left) == expected)
        network.packet(at: network.left, from: "10.1.0.2", to: "10.2.1.9", port: 443)
        #expect(network.left.pairs().count == 5)
        for _ in 0..<3 {
            network.advance(by: .seconds(3600))
            #expect(remotes(network.left) == expected)
            #expect(network.left.pairs().allSatisfy { $0.isOutboundActive })
        }
        #expect(network.left.dropsOfHeldPackets == 0)
    }

    /// Each remote address has its pair; the peer has the first half of them.
    private func perHost(_ right: [String]) throws -> Network {
        let network = try Network(
            left: ["net: {local: 10.1.0.0/16, remote: 10.2.0.0/16, sa-per: remote-address}"],
            right: right
        )
        network.start()
        return network
    }

    private let half = "net: {local: 10.2.0.0/17, remote: 10.1.0.0/16}"

    private func failures(_ site: Site) -> Int {
        site.count { if case .initiationFailed = $0 { true } else { false } }
    }

    @Test("what the peer refuses to the first host holds back no other, though the tunnel is down")
    func refusedFirst() throws {
        let network = try perHost([half])
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.200.1")
        #expect(network.left.state() != .up && failures(network.left) == 1)
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.1.1")
        #expect(remotes(network.left) == ["10.2.1.1/32"])
        #expect(network.left.droppedFlows.map(\.destination) == [IPAddress("10.2.200.1")!])
    }

    @Test("one host's pair is asked for less and less often, and its packets alone are dropped")
    func refusedAgain() throws {
        let network = try perHost([half])
        for second in 0..<120 {
            network.packet(at: network.left, from: "10.1.0.1", to: "10.2.200.1")
            if second % 10 == 0 {
                network.packet(at: network.left, from: "10.1.0.1", to: "10.2.1.\(second)")
                #expect(remotes(network.left).contains("10.2.1.\(second)/32"))
            }
            network.advance(by: .seconds(1))
        }
        #expect((5...9).contains(failures(network.left)))
        #expect(network.left.droppedFlows.count == 120)
        #expect(network.left.dropsOfHeldPackets == 120)
        #expect(network.left.pairs().count == 12)
    }

    @Test("a host that asks for very many that are refused holds back no other host")
    func scanner() throws {
        let network = try perHost([half])
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.0.1")
        for number in 0..<600 {
            network.packet(
                at: network.left,
                from: "10.1.0.66",
                to: "10.2.\(128 + number / 200).\(number % 200)"
            )
            if number % 100 == 0 {
                network.packet(at: network.left, from: "10.1.0.1", to: "10.2.1.\(number / 100)")
                #expect(remotes(network.left).contains("10.2.1.\(number / 100)/32"))
            }
        }
        // Within one moment, no more than the host's share is asked for.
        #expect(failures(network.left) <= 20)
    }

    @Test("while the peer is not ready for the pair of one host, others get theirs")
    func notReady() throws {
        let network = try perHost([half])
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.0.1")
        // The answer is late.
        var isHeldBack = false
        network.passes = { datagram in
            guard !isHeldBack, datagram.remote.address == network.left.address else { return true }
            isHeldBack = true
            return false
        }
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.0.2")
        network.packet(at: network.left, from: "10.1.0.2", to: "10.2.0.3")
        #expect(remotes(network.left) == ["10.2.0.1/32"])
        network.advance(by: .seconds(10))
        #expect(remotes(network.left) == (1...3).map { "10.2.0.\($0)/32" })
    }

    @Test("while the first pair is being made in an IKE SA that is up, others are asked for")
    func firstNotReady() throws {
        let network = try perHost([half])
        try network.reload(network.left) {
            $0.replacing("    tunnels:", with: "    childless: force\n    tunnels:")
        }
        // IKE_SA_INIT and IKE_AUTH pass, and no CREATE_CHILD_SA.
        network.passes = { $0.bytes[18] != 36 }
        network.packet(at: network.left, from: "10.1.0.1", to: "10.2.0.1")
        #expect(network.left.state() == .connecting)
        #expect(network.left.count { if case .ikeSAEstablished = $0 { true } else { false } } == 1)
        network.packet(at: network.left, from: "10.1.0.2", to: "10.2.0.2")
        network.passes = { _ in true }
        network.advance(by: .seconds(10))
        #expect(remotes(network.left) == ["10.2.0.1/32", "10.2.0.2/32"])
    }

    @Test("what is remembered of refusals is bounded, and those of one host go first")
    func boundedRefusals() {
        func packet(_ source: Int, _ destination: Int) -> PacketTuple {
            PacketTuple(
                source: IPAddress(version: .v4, bits: UInt128(0x0a01_0000 + source)),
                destination: IPAddress(version: .v4, bits: UInt128(0x0a02_0000 + destination)),
                ipProtocol: 17,
                sourcePort: 1,
                destinationPort: 2
            )
        }
        var refused = RefusedTraffic()
        var now = Instant(nanoseconds: 1_000_000_000)
        for _ in 0..<6 {
            refused.refuse(packet(1, 1), at: now)
            now = now + .milliseconds(1)
        }
        for number in 0..<1000 { refused.refuse(packet(2, number), at: now) }
        #expect(refused.count == RefusedTraffic.limit)
        #expect(!refused.allows(packet(1, 1), at: now + .seconds(30)))
        #expect(refused.allows(packet(1, 2), at: now))
        #expect(!refused.allows(packet(2, 5000), at: now))
        #expect(refused.allows(packet(2, 5000), at: now + .seconds(1)))
        // A port more is no other flow.
        #expect(refused.allows(packet(1, 1), at: now + .seconds(32)))
    }

    @Test("several pairs of the same traffic are kept, whichever go")
    func resources() throws {
        let network = try Network(
            left: ["net: {local: 10.1.0.0/16, remote: 10.2.0.0/16, start: at-boot, resources: 4}"],
            right: ["net: {local: 10.2.0.0/16, remote: 10.1.0.0/16, resources: 4}"]
        )
        network.start()
        network.advance(by: .seconds(1))
        #expect(network.left.pairs().count == 4 && network.right.pairs().count == 4)
        #expect(network.left.pairs().allSatisfy { $0.isOutboundActive })
        let victim = try #require(network.left.pairs().first?.outbound)
        network.handle(.packetPath(.hardLifetimeReached(victim)), at: network.left)
        #expect(network.left.pairs().count == 3)
        network.advance(by: .seconds(2))
        #expect(network.left.pairs().count == 4 && network.right.pairs().count == 4)
        network.advance(by: .seconds(7200))
        #expect(network.left.pairs().count { $0.isOutboundActive } == 4)
        _ = network.takeDown(at: network.left)
        #expect(network.left.pairs().isEmpty && network.right.pairs().isEmpty)
    }

    @Test("no more pairs of the same traffic than the peer wants")
    func fewerResources() throws {
        let network = try Network(
            left: ["net: {local: 10.1.0.0/16, remote: 10.2.0.0/16, start: at-boot, resources: 8}"],
            right: ["net: {local: 10.2.0.0/16, remote: 10.1.0.0/16, resources: 3}"]
        )
        network.start()
        network.advance(by: .seconds(600))
        #expect(network.left.pairs().count == 3 && network.right.pairs().count == 3)
        let asked = network.left.count { $0 == .resourcesExhausted }
        network.advance(by: .seconds(600))
        #expect(network.left.count { $0 == .resourcesExhausted } == asked)
    }

    @Test("a first pair that is one too many for the peer has failed, and says so")
    func enough() throws {
        let network = try Network(
            left: [
                "one: {local: 10.1.0.0/24, remote: 10.2.0.0/16, start: at-boot, resources: 2}",
                "two: {local: 10.1.1.0/24, remote: 10.2.0.0/16, resources: 2}",
            ],
            right: ["net: {local: 10.2.0.0/16, remote: 10.1.0.0/16, resources: 2}"]
        )
        network.start()
        network.advance(by: .seconds(1))
        #expect(network.right.pairs().count == 2)
        let token = network.bringUp("two", at: network.left)
        guard case .failed(let failure) = network.left.outcomes[token] else {
            Issue.record("the request goes on: \(String(describing: network.left.outcomes[token]))")
            return
        }
        #expect(failure.explanation.contains("TS_MAX_QUEUE"))
        let again = network.bringUp("two", at: network.left)
        #expect(network.left.outcomes[again] != nil)
    }

    @Test("a wish for a further pair does not keep what is being ended by hand")
    func wishAmidEnd() throws {
        let network = try Network(
            left: ["net: {local: 10.1.0.0/16, remote: 10.2.0.0/16, start: at-boot}"],
            right: ["net: {local: 10.2.0.0/24, remote: 10.1.0.0/16}"]
        )
        network.start()
        network.advance(by: .seconds(1))
        let pair = try #require(network.left.pairs().first)
        network.isConnected = false
        network.handle(.packetPath(.softLifetimeReached(pair.outbound)), at: network.left)
        let token = network.takeDown(at: network.left)
        network.packet(at: network.left, from: "10.1.0.5", to: "10.2.9.9")
        #expect(network.left.droppedFlows.count == 1)
        network.isConnected = true
        network.advance(by: .seconds(60))
        #expect(network.left.pairs().isEmpty && network.right.pairs().isEmpty)
        #expect(network.left.outcomes[token] != nil)
    }

    @Test("a pair that the packet path cannot take is tried again as seldom as one that fails")
    func untakenPairs() throws {
        let network = try Network(start: "at-boot", rightStart: "on-traffic")
        network.start()
        for _ in 0..<300 {
            network.advance(by: .seconds(1))
            for pair in network.left.pairs() {
                network.handle(
                    .packetPath(.commandFailed(pair.inbound, .tooManySAs)),
                    at: network.left
                )
            }
        }
        let attempts = network.left.count {
            if case .childSAEstablished = $0 { true } else { false }
        }
        #expect((6...12).contains(attempts))
        #expect(network.right.pairs().isEmpty)
        #expect(network.left.state() == .connecting)
    }

    @Test("of a rekeying that the packet path cannot take, the old pair stays")
    func untakenSuccessor() throws {
        let network = try Network(start: "at-boot", rightStart: "on-traffic")
        network.start()
        let old = try #require(network.left.pairs().first)
        network.handle(.packetPath(.softLifetimeReached(old.outbound)), at: network.right)
        network.handle(.packetPath(.softLifetimeReached(old.outbound)), at: network.left)
        #expect(network.left.pairs().count >= 1 && network.passes())
    }

    @Test("transport mode and AH reach the packet path as what they are")
    func carriages() throws {
        let transport = "mode: transport, start: at-boot"
        let network = try Network(
            left: [
                "host: {local: 192.0.2.1, remote: 192.0.2.2, \(transport)}",
                "ah: {local: 10.1.0.0/16, remote: 10.2.0.0/16, ah-proposals: sha256, start: at-boot}",
            ],
            right: [
                "host: {local: 192.0.2.2, remote: 192.0.2.1, mode: transport}",
                "ah: {local: 10.2.0.0/16, remote: 10.1.0.0/16, ah-proposals: sha256}",
            ]
        )
        network.start()
        #expect(network.left.state("host") == .up && network.left.state("ah") == .up)
        for carriages in [
            network.left.outbound.values.map(\.carriage),
            network.right.outbound.values.map(\.carriage),
            network.left.inbound.values.map(\.carriage),
            network.right.inbound.values.map(\.carriage),
        ] {
            #expect(Set(carriages) == [.espTransport, .ahTunnel] && carriages.count == 2)
        }
    }

    @Test("several pairs of the same traffic are ended by hand though a Delete is lost")
    func resourcesEndWithLoss() throws {
        let network = try Network(
            left: ["net: {local: 10.1.0.0/16, remote: 10.2.0.0/16, start: by-hand, resources: 3}"],
            right: ["net: {local: 10.2.0.0/16, remote: 10.1.0.0/16, start: by-hand, resources: 3}"]
        )
        network.start()
        _ = network.bringUp(at: network.left)
        #expect(network.left.pairs().count == 3)
        var first: [UInt8]?
        network.passes = { datagram in
            // The first INFORMATIONAL request, and no other.
            guard datagram.bytes[18] == 37, datagram.bytes[19] & 0x20 == 0 else { return true }
            let number = Array(datagram.bytes[20..<24])
            first = first ?? number
            return number == first
        }
        let down = network.takeDown(at: network.left)
        network.advance(by: .milliseconds(1500))
        #expect(network.left.pairs().count == 2)
        network.passes = { _ in true }
        network.advance(by: .seconds(30))
        #expect(network.left.outcomes[down] == .done("site/net is down"))
        #expect(network.left.pairs().isEmpty && network.right.pairs().isEmpty)
        // What was ended, though it was down, comes up with all of them.
        let again = network.takeDown(at: network.left)
        #expect(network.left.outcomes[again] == .done("already down"))
        _ = network.bringUp(at: network.left)
        network.advance(by: .seconds(5))
        #expect(network.left.pairs().count == 3 && network.right.pairs().count == 3)
    }

    @Test("a tunnel with several pairs that is taken down while its first is made stays down")
    func takenDownBeforeTheOthers() throws {
        let lines = ["start: by-hand, resources: 3", "start: by-hand, resources: 3"]
        let network = try Network(
            left: [
                "net: {local: 10.1.0.0/16, remote: 10.2.0.0/16, \(lines[0])}",
                "lab: {local: 10.3.0.0/16, remote: 10.4.0.0/16, start: by-hand}",
            ],
            right: [
                "net: {local: 10.2.0.0/16, remote: 10.1.0.0/16, \(lines[1])}",
                "lab: {local: 10.4.0.0/16, remote: 10.3.0.0/16, start: by-hand}",
            ]
        )
        network.start()
        _ = network.bringUp("lab", at: network.left)
        network.isConnected = false
        _ = network.bringUp(at: network.left)
        let down = network.takeDown(at: network.left)
        network.isConnected = true
        network.advance(by: .seconds(60))
        #expect(network.left.outcomes[down] == .done("site/net is down"))
        #expect(network.left.pairs().isEmpty && network.right.pairs().isEmpty)
    }

    @Test("a reload that wants more pairs makes none of a tunnel that is being ended")
    func moreWhileEnding() throws {
        func tunnel(_ resources: Int) -> String {
            "net: {local: 10.1.0.0/16, remote: 10.2.0.0/16, start: by-hand, resources: \(resources)}"
        }
        let network = try Network(
            left: [tunnel(2)],
            right: ["net: {local: 10.2.0.0/16, remote: 10.1.0.0/16, start: by-hand, resources: 8}"]
        )
        network.start()
        _ = network.bringUp(at: network.left)
        #expect(network.left.pairs().count == 2)
        network.isConnected = false
        _ = network.takeDown(at: network.left)
        try network.reload(network.left) { $0.replacing(tunnel(2), with: tunnel(4)) }
        network.isConnected = true
        network.advance(by: .seconds(60))
        #expect(network.left.pairs().isEmpty && network.right.pairs().isEmpty)
    }

    @Test("further pairs that the packet path cannot take are tried ever more seldom")
    func untakenFurtherPairs() throws {
        let network = try Network(
            left: ["net: {local: 10.1.0.0/16, remote: 10.2.0.0/16, start: at-boot, resources: 2}"],
            right: ["net: {local: 10.2.0.0/16, remote: 10.1.0.0/16, resources: 2}"]
        )
        network.start()
        for _ in 0..<300 {
            network.advance(by: .seconds(1))
            let pairs = network.left.pairs()
            let newest = pairs.max { $0.installedAt < $1.installedAt }
            if pairs.count > 1, let pair = newest {
                network.handle(
                    .packetPath(.commandFailed(pair.inbound, .tooManySAs)),
                    at: network.left
                )
            }
        }
        let attempts = network.left.count {
            if case .childSAEstablished = $0 { true } else { false }
        }
        #expect((6...16).contains(attempts))
        #expect(network.left.state() == .up && network.passes())
        // Once it can, they come, and soon again after a loss.
        network.advance(by: .seconds(61))
        #expect(network.left.pairs().count == 2)
    }
}
