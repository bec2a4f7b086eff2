import IKECredentials
import IKEProtocol
import IPsecPrimitives
import Testing

@Suite("Narrowing between two ends")
struct NarrowingTests {
    /// A packet from one host to another, TCP with these ports.
    private func packet(
        _ source: String,
        _ destination: String,
        ports: (UInt16, UInt16) = (40_000, 443)
    ) -> PacketSelector {
        func side(_ text: String, _ port: UInt16) -> TrafficSelector {
            let address = IPAddress(text)!
            return TrafficSelector(
                first: address,
                last: address,
                ipProtocol: 6,
                ports: PortRange(port)
            )!
        }
        return PacketSelector(
            source: side(source, ports.0),
            destination: side(destination, ports.1)
        )
    }

    private func narrowings(_ party: Party) -> [Bool] {
        party.reports.compactMap {
            if case .childSANarrowed(_, let isMorePossible) = $0.event {
                isMorePossible
            } else {
                nil
            }
        }
    }

    @Test("ranges, ports, types and protocols are agreed as they are")
    func everyKind() {
        let kinds: [(UInt8, PortRange)] = [
            (6, PortRange(1000, through: 2000)!), (17, .opaque), (1, .icmp(type: 8)),
            (1, .icmp(type: 3, code: 4)), (47, .any), (58, .icmp(type: 128)), (132, PortRange(7)),
        ]
        var setup = Setup()
        setup.adjustChild = { policy in
            func all(_ four: String, _ six: String) -> [TrafficSelector] {
                kinds.map { kind, ports in
                    TrafficSelector(
                        first: IPAddress(kind == 58 ? "\(six)1" : "\(four)5")!,
                        last: IPAddress(kind == 58 ? "\(six)9" : "\(four)77")!,
                        ipProtocol: kind,
                        ports: ports
                    )!
                }
            }
            let isLeft = policy.source.hasPrefix("left")
            let (one, two) = (all("10.1.0.", "2001:db8:1::"), all("10.2.0.", "2001:db8:2::"))
            policy.localSelectors = isLeft ? one : two
            policy.remoteSelectors = isLeft ? two : one
        }
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(dialogue.left.activeChild("net")?.localSelectors.count == kinds.count)
        #expect(narrowings(dialogue.left).isEmpty)
    }

    @Test("each packet that a narrowed child leaves out brings one more child, and only one")
    func furtherChildren() {
        var right = Setup().mirrored
        right.children = [
            "one": ("10.2.1.0/24", "10.1.0.0/16"), "two": ("10.2.2.0/24", "10.1.0.0/16"),
        ]
        let dialogue = Dialogue(Setup(), right)
        dialogue.initiate(packet: packet("10.1.0.1", "10.2.2.2"))
        #expect(
            dialogue.left.activeChild("net")?.remoteSelectors == Setup.selectors("10.2.2.0/24")
        )
        #expect(narrowings(dialogue.left) == [true])
        dialogue.initiate(packet: packet("10.1.0.1", "10.2.2.3"))
        #expect(dialogue.left.present.count == 1)
        dialogue.begin(dialogue.left, packet: packet("10.1.0.1", "10.2.1.2"))
        dialogue.begin(dialogue.left, packet: packet("10.1.0.9", "10.2.1.9"))
        dialogue.settle()
        #expect(
            dialogue.left.children.map(\.remoteSelectors).map(\.description).sorted() == [
                "[10.2.1.0/24]", "[10.2.2.0/24]",
            ]
        )
        #expect(dialogue.right.present.count == 2)
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.left.failures.isEmpty)
    }

    @Test("a packet that the peer never allows brings no second child of the same")
    func packetThatIsLeftOut() {
        var right = Setup().mirrored
        right.children = ["net": ("10.2.1.0/24", "10.1.0.0/16")]
        let dialogue = Dialogue(Setup(), right)
        dialogue.initiate(packet: packet("10.1.0.1", "10.2.2.2"))
        #expect(dialogue.left.present.count == 1)
        for _ in 0..<3 { dialogue.initiate(packet: packet("10.1.0.1", "10.2.2.2")) }
        #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
        #expect(
            dialogue.left.failures.map(\.subject) == [
                .trafficSelectors, .trafficSelectors, .trafficSelectors,
            ]
        )
        #expect(dialogue.left.failures[0].source == "left.example.yaml:21")
    }

    @Test("a policy for each pair of addresses gives each pair its child")
    func pairs() {
        var right = Setup().mirrored
        right.adjustChild = { $0.populated = .addresses }
        let dialogue = Dialogue(Setup(), right)
        dialogue.initiate(packet: packet("10.1.0.1", "10.2.0.1"))
        dialogue.initiate(packet: packet("10.1.0.2", "10.2.0.1"))
        dialogue.initiate(packet: packet("10.1.0.2", "10.2.0.1", ports: (1, 2)))
        let children = dialogue.left.children
        #expect(
            children.map(\.localSelectors) == [
                Setup.selectors("10.1.0.1/32"), Setup.selectors("10.1.0.2/32"),
            ]
        )
        #expect(narrowings(dialogue.left) == [true, true])
        #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
    }

    @Test("a policy for each remote port gives each port its child, whoever begins")
    func ports() {
        var right = Setup().mirrored
        // What is remote to the left is local to the right.
        right.adjustChild = { $0.populated = .localPort }
        for isMutual in [false, true] {
            var left = Setup()
            if isMutual { left.adjustChild = { $0.populated = .remotePort } }
            let dialogue = Dialogue(left, right)
            dialogue.initiate(packet: packet("10.1.0.1", "10.2.0.1", ports: (40_000, 443)))
            dialogue.initiate(packet: packet("10.1.0.2", "10.2.0.1", ports: (40_001, 443)))
            dialogue.initiate(packet: packet("10.1.0.1", "10.2.0.1", ports: (40_000, 22)))
            let children = dialogue.left.children
            #expect(children.count == 2)
            #expect(
                children.map { $0.remoteSelectors.map(\.description) } == [
                    ["10.2.0.0/16[tcp/443]"], ["10.2.0.0/16[tcp/22]"],
                ]
            )
            #expect(children.allSatisfy { $0.localSelectors[0].description == "10.1.0.0/16[tcp]" })
            #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
        }
    }

    @Test("without a packet, such a policy answers SINGLE_PAIR_REQUIRED")
    func singlePairRequired() {
        var right = Setup().mirrored
        right.adjustChild = { $0.populated = .addresses }
        let dialogue = Dialogue(Setup(), right)
        dialogue.initiate()
        #expect(dialogue.left.present.isEmpty && dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.left.failures.map(\.subject) == [.singlePair])
        #expect(dialogue.right.failures.map(\.subject) == [.singlePair])
        dialogue.initiate(packet: packet("10.1.0.1", "10.2.0.1"))
        #expect(dialogue.agree())
    }

    @Test("our own policy for each pair offers nothing else")
    func ownPairs() {
        var left = Setup()
        left.adjustChild = { $0.populated = .addresses }
        let dialogue = Dialogue(left, Setup().mirrored)
        dialogue.initiate(packet: packet("10.1.0.1", "10.2.0.1"))
        #expect(dialogue.agree())
        #expect(
            dialogue.right.activeChild("net")?.remoteSelectors == Setup.selectors("10.1.0.1/32")
        )
        #expect(narrowings(dialogue.left).isEmpty)
    }

    @Test("a rekeying keeps the selectors of the old child, whatever came first then")
    func rekeyKeepsSelectors() {
        var setup = Setup()
        setup.childLifetime = SALifetime(rekeyAfter: .seconds(100), jitterPercent: 0)
        var right = setup.mirrored
        right.children = [
            "one": ("10.2.1.0/24", "10.1.0.0/16"), "two": ("10.2.2.0/24", "10.1.0.0/16"),
        ]
        right.childLifetime = SALifetime(rekeyAfter: nil)
        let dialogue = Dialogue(setup, right)
        dialogue.initiate(packet: packet("10.1.0.1", "10.2.2.2"))
        dialogue.initiate(packet: packet("10.1.0.1", "10.2.1.2"))
        dialogue.advance(by: .seconds(130))
        #expect(
            dialogue.left.children.map(\.remoteSelectors).map(\.description).sorted() == [
                "[10.2.1.0/24]", "[10.2.2.0/24]",
            ]
        )
        #expect(dialogue.left.count { if case .childSARekeyed = $0 { true } else { false } } == 2)
        #expect(dialogue.left.failures.isEmpty)
    }

    @Test("both ends ask for the same child at once, and one of the two goes", arguments: 0..<6)
    func twins(seed: UInt64) {
        var setup = Setup()
        setup.children["other"] = ("10.3.0.0/16", "10.4.0.0/16")
        let dialogue = Dialogue(setup, seed: seed)
        dialogue.initiate("other")
        dialogue.begin(dialogue.left, "net")
        dialogue.begin(dialogue.right, "net")
        dialogue.settle()
        #expect(dialogue.agree())
        dialogue.advance(by: .seconds(20))
        #expect(dialogue.left.children.count { $0.child == "net" } == 1)
        #expect(dialogue.right.children.count { $0.child == "net" } == 1)
        #expect(dialogue.agree() && dialogue.agree(on: "other"))
    }
}
