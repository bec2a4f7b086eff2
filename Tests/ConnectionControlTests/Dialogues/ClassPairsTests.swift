import Configuration
import ConnectionControl
import IKEMessages
import IKEProtocol
import IPsecPrimitives
import PacketProtection
import Testing

@Suite("A pair for each class of traffic")
struct ClassPairsTests {
    private static func tunnels(_ own: Int, _ other: Int, _ lines: String...) -> [String] {
        let more = lines.filter { !$0.isEmpty }.map { ", \($0)" }.joined()
        return ["net: {local: 10.\(own).0.0/16, remote: 10.\(other).0.0/16\(more)}"]
    }

    /// The left end begins.
    private func network(
        left: String = "sa-per-dscp: [ef, [af41, af42]]",
        right: String = "sa-per-dscp: [ef, [af41, af42]]",
        seed: UInt64 = 1
    ) throws -> Network {
        let network = try Network(
            left: Self.tunnels(1, 2, "start: at-boot", left),
            right: Self.tunnels(2, 1, right),
            seed: seed
        )
        network.start()
        return network
    }

    /// What new packets leave by, by the classes, those that share one together.
    private func used(_ site: Site) -> [String] {
        site.pairs().filter(\.isOutboundActive)
            .compactMap { site.outbound[$0.outbound]?.codePoints.description }.sorted()
    }

    /// The class at either end of each pair.
    private func classes(_ network: Network) -> Set<[String]> {
        Set(
            network.left.pairs().compactMap { pair in
                let other = network.right.pairs().first { $0.inboundSPI == pair.outboundSPI }
                guard let other, other.outboundSPI == pair.inboundSPI,
                    let here = network.left.outbound[pair.outbound]?.codePoints,
                    let there = network.right.outbound[other.outbound]?.codePoints
                else { return nil }
                return [here.description, there.description]
            }
        )
    }

    private let three = ["", "af41 af42", "ef"]

    @Test("who makes the first pair makes the others, and both ends use one for a class")
    func made() throws {
        let network = try network()
        network.advance(by: .seconds(1))
        #expect(used(network.left) == three)
        // The peer may not have the answer yet, and has sent nothing by them.
        #expect(used(network.right) == [""])
        network.advance(by: .seconds(5))
        #expect(used(network.right) == three)
        #expect(classes(network) == [["", ""], ["ef", "ef"], ["af41 af42", "af41 af42"]])
        #expect(network.left.pairs().count == 3 && network.right.pairs().count == 3)
        let traits = network.left.controller.engineStatus(at: network.now).ikeSAs
            .flatMap(\.children).flatMap(\.traits)
        #expect(traits.sorted() == ["DSCP af41 af42", "DSCP ef"])
        network.advance(by: .seconds(300))
        #expect(network.left.pairs().count == 3 && network.right.pairs().count == 3)
    }

    @Test("the first packet by a pair shows that the peer has it")
    func firstPacket() throws {
        let network = try network()
        network.advance(by: .seconds(1))
        let pair = try #require(
            network.right.pairs().first {
                network.right.outbound[$0.outbound]?.codePoints.contains(46) == true
            }
        )
        network.handle(.packetPath(.firstPacketReceived(pair.inbound)), at: network.right)
        #expect(used(network.right) == ["", "ef"])
    }

    @Test("rekeyed for hours, each class keeps its pair, also where both ends begin at once")
    func rekeyed() throws {
        let network = try network()
        network.advance(by: .seconds(6))
        for _ in 0..<4 {
            network.advance(by: .seconds(3600))
            network.advance(by: .seconds(60))
            #expect(used(network.left) == three && used(network.right) == three)
            #expect(classes(network) == [["", ""], ["ef", "ef"], ["af41 af42", "af41 af42"]])
        }
        let before = Set(network.left.pairs().map(\.inboundSPI))
        for pair in network.left.pairs() {
            network.left.handle(
                .packetPath(.softLifetimeReached(pair.outbound)),
                at: network.now
            )
        }
        for pair in network.right.pairs() {
            network.right.handle(
                .packetPath(.softLifetimeReached(pair.outbound)),
                at: network.now
            )
        }
        network.settle()
        network.advance(by: .seconds(60))
        #expect(before.isDisjoint(with: network.left.pairs().map(\.inboundSPI)))
        #expect(used(network.left) == three && used(network.right) == three)
        #expect(network.left.pairs().count == 3 && network.right.pairs().count == 3)
    }

    @Test("whichever pair goes comes back", arguments: 0..<3)
    func goes(index: Int) throws {
        let network = try network()
        network.advance(by: .seconds(6))
        for site in [network.left, network.right] {
            let victim = site.pairs()[index].outbound
            network.handle(.packetPath(.hardLifetimeReached(victim)), at: site)
            #expect(network.left.pairs().count == 2 && network.right.pairs().count == 2)
            network.advance(by: .seconds(12))
            #expect(used(network.left) == three && used(network.right) == three)
            #expect(network.left.pairs().count == 3 && network.right.pairs().count == 3)
        }
    }

    @Test("the successor of a pair that has expired with all others begins anew, classes included")
    func successorOfNone() throws {
        let network = try network(right: "")
        network.advance(by: .seconds(10))
        #expect(used(network.left) == three)
        let rest = try #require(
            network.left.pairs().first {
                network.left.outbound[$0.outbound]?.codePoints.isEmpty == true
            }
        )
        // The answer with the successor is late.
        network.passes = { $0.remote.address == network.right.address }
        network.handle(.packetPath(.softLifetimeReached(rest.outbound)), at: network.left)
        for pair in network.left.pairs() {
            network.handle(.packetPath(.hardLifetimeReached(pair.outbound)), at: network.left)
        }
        #expect(network.left.pairs().isEmpty)
        network.passes = { _ in true }
        network.advance(by: .seconds(60))
        #expect(used(network.left) == three)
        #expect(network.left.pairs().count == 3 && network.right.pairs().count == 3)
    }

    @Test("a peer that knows nothing of it takes the pairs, and uses what it likes")
    func unaware() throws {
        let network = try network(right: "")
        network.advance(by: .seconds(10))
        #expect(used(network.left) == three && network.right.pairs().count == 3)
        #expect(used(network.right) == [""])
        network.advance(by: .seconds(7200))
        #expect(used(network.left) == three && network.right.pairs().count == 3)
    }

    @Test("where only the other end has classes, that makes them")
    func otherEnd() throws {
        let network = try network(left: "")
        network.advance(by: .seconds(4))
        #expect(network.right.pairs().count == 1)
        network.advance(by: .seconds(10))
        #expect(used(network.right) == three && network.left.pairs().count == 3)
    }

    @Test("ends with other sets agree as far as they can, and make what is missing")
    func otherSets() throws {
        let network = try network(
            left: "sa-per-dscp: [ef, cs5]",
            right: "sa-per-dscp: [cs1, [ef, va]]"
        )
        network.advance(by: .seconds(60))
        #expect(used(network.left) == ["", "cs5", "ef"])
        #expect(used(network.right) == ["", "cs1", "va ef"])
        #expect(classes(network).isSuperset(of: [["", ""], ["ef", "va ef"]]))
        let count = network.left.pairs().count
        network.advance(by: .seconds(3000))
        #expect(network.left.pairs().count == count && count == 4)
    }

    @Test("both ends begin at once, and nothing is there twice", arguments: 1...12)
    func atOnce(seed: Int) throws {
        let sets = "sa-per-dscp: [ef, [af41, af42]]"
        let network = try Network(
            left: Self.tunnels(1, 2, "start: at-boot", sets),
            right: Self.tunnels(2, 1, "start: at-boot", sets),
            seed: UInt64(seed)
        )
        network.start()
        network.advance(by: .seconds(120))
        #expect(used(network.left) == three && used(network.right) == three)
        #expect(network.left.pairs().count == 3 && network.right.pairs().count == 3)
    }

    @Test("ended by hand, nothing is made again; asked for, all is")
    func byHand() throws {
        let network = try network()
        network.advance(by: .seconds(6))
        network.isConnected = false
        let token = network.takeDown(at: network.left)
        network.advance(by: .seconds(10))
        network.isConnected = true
        network.advance(by: .seconds(30))
        #expect(network.left.pairs().isEmpty && network.right.pairs().isEmpty)
        #expect(network.left.outcomes[token] != nil)
        _ = network.bringUp(at: network.left)
        network.advance(by: .seconds(10))
        #expect(used(network.left) == three && used(network.right) == three)
    }

    @Test("ended by hand at one end and begun by the other, it has its classes again")
    func byTheOther() throws {
        let network = try network()
        network.advance(by: .seconds(6))
        _ = network.takeDown(at: network.left)
        _ = network.bringUp(at: network.right)
        network.advance(by: .seconds(20))
        #expect(used(network.left) == three && used(network.right) == three)
        // Only the end that was told to end it has classes.
        let other = try self.network(right: "")
        other.advance(by: .seconds(6))
        _ = other.takeDown(at: other.left)
        _ = other.bringUp(at: other.right)
        other.advance(by: .seconds(20))
        #expect(used(other.left) == three)
    }

    @Test("ended by the other end amid the making of a class, it has that for the rest again")
    func endedAmid() throws {
        let network = try Network(
            left: Self.tunnels(1, 2, "start: by-hand", "sa-per-dscp: [ef]"),
            right: Self.tunnels(2, 1)
        )
        network.start()
        network.passes = { $0.bytes[18] != ExchangeType.createChildSA.rawValue }
        _ = network.bringUp(at: network.left)
        network.advance(by: .seconds(1))
        #expect(network.left.pairs().count == 1)
        _ = network.takeDown(at: network.right)
        #expect(network.left.pairs().isEmpty)
        network.passes = { _ in true }
        network.advance(by: .seconds(20))
        #expect(used(network.left) == ["", "ef"])
    }

    @Test("a tunnel that was ended before it was there gets no class, and stays down")
    func upAndDownAtOnce() throws {
        let network = try Network(
            left: Self.tunnels(1, 2, "start: by-hand", "sa-per-dscp: [ef]") + [
                "lab: {local: 10.3.0.0/16, remote: 10.4.0.0/16, start: by-hand}"
            ],
            right: Self.tunnels(2, 1, "sa-per-dscp: [ef]") + [
                "lab: {local: 10.4.0.0/16, remote: 10.3.0.0/16}"
            ]
        )
        network.start()
        _ = network.bringUp("lab", at: network.left)
        let tokens = [900, 901].map { RequestToken(rawValue: $0) }
        for event in [
            ControlEvent.bringUp(tokens[0], connection: "site", tunnel: "net"),
            .takeDown(tokens[1], connection: "site", tunnel: "net"),
        ] {
            network.left.handle(event, at: network.now)
        }
        network.advance(by: .seconds(30))
        #expect(network.left.pairs().isEmpty && network.right.pairs().isEmpty)
        #expect(network.passes("lab"))
    }

    @Test("a tunnel that is down for a while has its classes again")
    func silence() throws {
        let network = try network()
        network.advance(by: .seconds(6))
        network.isConnected = false
        network.advance(by: .seconds(600))
        network.isConnected = true
        network.advance(by: .seconds(600))
        #expect(used(network.left) == three && used(network.right) == three)
    }

    @Test("a reload brings classes, changes them and takes them away, without an end of the tunnel")
    func reloaded() throws {
        let network = try network(left: "", right: "")
        network.advance(by: .seconds(10))
        let lines = [
            "sa-per-dscp: [ef]", "sa-per-dscp: [[ef, va], cs1]", "sa-per-dscp: [cs1]", "df: copy",
        ]
        let wanted = [["", "ef"], ["", "cs1", "va ef"].sorted(), ["", "cs1"], [""]]
        for (line, classes) in zip(lines, wanted) {
            for (site, tunnel) in [
                (network.left, Self.tunnels(1, 2, "start: at-boot", line)[0]),
                (network.right, Self.tunnels(2, 1, line)[0]),
            ] {
                try network.reload(site) { text in
                    text.split(separator: "\n").map {
                        $0.hasPrefix("      net:") ? "      \(tunnel)" : String($0)
                    }.joined(separator: "\n") + "\n"
                }
                #expect(network.left.state() == .up && network.right.state() == .up)
            }
            network.advance(by: .seconds(120))
            #expect(used(network.left) == classes, "\(line)")
            #expect(used(network.right) == classes, "\(line)")
        }
        #expect(network.left.count { if case .childSAClosed = $0 { true } else { false } } <= 3)
        #expect(network.left.dropsOfHeldPackets == 0)
    }

    /// As long as it was there, packets of its DSCPs went by it, until after the peer had forgotten it.
    @Test("an SA whose successor is for other DSCPs carries nothing any more, while it lingers")
    func reclassified() throws {
        let network = try network(left: "sa-per-dscp: [ef]", right: "")
        network.advance(by: .seconds(20))
        #expect(used(network.left) == ["", "ef"])
        let tunnel = Self.tunnels(1, 2, "start: at-boot", "df: copy")[0]
        try network.reload(network.left) { text in
            text.split(separator: "\n").map {
                $0.hasPrefix("      net:") ? "      \(tunnel)" : String($0)
            }.joined(separator: "\n") + "\n"
        }
        network.advance(by: .seconds(1))
        #expect(network.left.pairs().contains { network.left.outbound[$0.outbound] == nil })
        #expect(network.left.outbound.values.allSatisfy { $0.codePoints.isEmpty })
        #expect(network.left.pairs().allSatisfy { network.left.inbound[$0.inbound] != nil })
    }
}
