import IKEProtocol
import IPsecPrimitives
import Testing

/// RFC 7296 §2.23 in every arrangement of NATs, with and without MOBIKE.
@Suite("Arrangements of NATs")
struct NATArrangementTests {
    enum Arrangement: CaseIterable, CustomTestStringConvertible {
        case none, initiator, responder, both, doubleInitiator

        var isInitiatorBehind: Bool { self != .none && self != .responder }
        var isResponderBehind: Bool { self == .responder || self == .both }
        var testDescription: String { "\(self)" }
    }

    private func connect(
        _ arrangement: Arrangement,
        mobile: Bool,
        forced: Bool = false,
        change: (inout Setup, inout Setup) -> Void = { _, _ in },
        settings: EngineSettings = EngineSettings()
    ) -> (Dialogue, Terrain) {
        let inside = arrangement.isInitiatorBehind ? "10.9.0.1" : "192.0.2.1"
        let outside = arrangement.isResponderBehind ? "10.8.0.1" : "192.0.2.2"
        var near = Setup()
        near.localAddress = "any"
        near.remoteAddress = "192.0.2.2"
        near.encapsulation = forced ? .udp : .automatic
        var far = Setup().mirrored
        far.localAddress = "any"
        far.remoteAddress = "any"
        if mobile {
            near.mobility = MobilityPolicy(isOffered: true, acceptsAnyAddress: true)
            far.mobility = near.mobility
        }
        change(&near, &far)
        let dialogue = Dialogue(near, far, settings: settings)
        let terrain = Terrain(dialogue, left: [inside], right: [outside])
        if arrangement.isInitiatorBehind { terrain.leftNAT = NATBox(outside: "192.0.2.1") }
        if arrangement == .doubleInitiator {
            terrain.leftNAT = NATBox(outside: "100.64.0.1")
            terrain.leftOuterNAT = NATBox(outside: "192.0.2.1", firstPort: 50_000)
        }
        if arrangement.isResponderBehind {
            terrain.rightNAT = NATBox(outside: "192.0.2.2", forwardingTo: outside)
        }
        terrain.announce()
        dialogue.handle(
            .initiate(
                IKEEvent.Initiation(
                    connection: "site",
                    child: "net",
                    localAddress: IPAddress(inside)
                )
            ),
            at: dialogue.left
        )
        dialogue.settle()
        return (dialogue, terrain)
    }

    @Test(
        "each end knows who is behind a NAT, and packets go in UDP exactly then",
        arguments: Arrangement.allCases,
        [true, false]
    )
    func detection(arrangement: Arrangement, mobile: Bool) throws {
        let (dialogue, _) = connect(arrangement, mobile: mobile)
        #expect(dialogue.agree())
        let left = try #require(dialogue.left.establishedIKESAs.first)
        let right = try #require(dialogue.right.establishedIKESAs.first)
        #expect(left.isLocalBehindNAT == arrangement.isInitiatorBehind)
        #expect(right.isRemoteBehindNAT == arrangement.isInitiatorBehind)
        #expect(left.isRemoteBehindNAT == arrangement.isResponderBehind)
        #expect(right.isLocalBehindNAT == arrangement.isResponderBehind)
        let isTranslated = arrangement != .none
        #expect(dialogue.left.packetPath?.isEncapsulated == isTranslated)
        #expect(dialogue.right.packetPath?.isEncapsulated == isTranslated)
        // RFC 7296 §2.23 and RFC 4555 §3.3.
        #expect((left.remote.port == 4500) == (isTranslated || mobile))
    }

    @Test("another IKE SA from outside finds who is behind a NAT", arguments: [true, false])
    func fromOutside(mobile: Bool) {
        let (dialogue, _) = connect(.initiator, mobile: mobile) { _, far in
            far.reauthenticateAfter = .seconds(600)
        }
        dialogue.advance(by: .seconds(620))
        #expect(dialogue.agree())
        let count = dialogue.left.count { if case .ikeSAEstablished = $0 { true } else { false } }
        #expect(count == 2)
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.right.establishedIKESAs.count == 1)
        #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
    }

    @Test("whoever is behind a NAT keeps its mapping open", arguments: Arrangement.allCases)
    func keepalives(arrangement: Arrangement) {
        let (dialogue, _) = connect(arrangement, mobile: false)
        dialogue.advance(by: .seconds(25))
        #expect((dialogue.left.keepalives > 0) == arrangement.isInitiatorBehind)
        #expect((dialogue.right.keepalives > 0) == arrangement.isResponderBehind)
    }

    @Test(
        "SAs are replaced and closed across every arrangement",
        arguments: Arrangement.allCases,
        [true, false]
    )
    func life(arrangement: Arrangement, mobile: Bool) throws {
        let (dialogue, _) = connect(arrangement, mobile: mobile)
        let spi = try #require(dialogue.right.present.first)
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: dialogue.right)
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.agree() && dialogue.left.installed.count == 2)
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.right)
        dialogue.settle()
        #expect(dialogue.left.present.isEmpty)
    }

    @Test("forced UDP where there is no NAT", arguments: [true, false])
    func forced(mobile: Bool) {
        let (dialogue, _) = connect(.none, mobile: mobile, forced: true)
        #expect(dialogue.agree())
        #expect(dialogue.left.packetPath?.isEncapsulated == true)
        #expect(dialogue.right.packetPath?.isEncapsulated == true)
        #expect(dialogue.left.keepalives == 0)
    }

    @Test(
        "a mapping that changes is followed, by messages or by packets",
        arguments: [Arrangement.initiator, .both, .doubleInitiator],
        [true, false]
    )
    func mappingChange(arrangement: Arrangement, mobile: Bool) throws {
        let (dialogue, terrain) = connect(arrangement, mobile: mobile)
        dialogue.advance(by: .seconds(70))
        let before = try #require(dialogue.right.packetPath?.remote.port)
        terrain.leftNAT?.rebind()
        terrain.leftOuterNAT?.rebind()
        // RFC 7296 §2.23: an end that is behind a NAT itself does not follow; with MOBIKE the
        // initiator says where it is.
        dialogue.advance(by: .seconds(120))
        let after = try #require(dialogue.right.packetPath?.remote.port)
        if mobile || arrangement != .both { #expect(after != before) }
        #expect(dialogue.agree())
    }

    @Test("packets from another port move the path before any message does")
    func mappingSeenByPackets() throws {
        let (dialogue, terrain) = connect(.initiator, mobile: false)
        terrain.leftNAT?.rebind()
        let spi = try #require(dialogue.right.present.first)
        let moved = Endpoint(address: IPAddress("192.0.2.1")!, port: 41_003)
        dialogue.handle(.peerEndpointChanged(inboundSPI: spi, remote: moved), at: dialogue.right)
        #expect(dialogue.right.packetPath?.remote == moved)
        #expect(dialogue.right.establishedIKESAs.first?.remote == moved)
    }

    /// RFC 7296 §2.23: "dynamic address update should only be done in response to a new packet;
    /// otherwise, an attacker can revert the addresses". What was sent before another and comes
    /// behind it is not new: whoever holds a datagram back could draw the traffic to where it came
    /// from.
    @Test("a request that a later one has overtaken moves nobody, wherever it comes from")
    func overtakenRequest() throws {
        let (dialogue, terrain) = connect(.initiator, mobile: false) { near, far in
            for name in ["two", "three"] {
                near.children[name] = ("10.1.0.0/16", "10.\(name.count).0.0/16")
                far.children[name] = ("10.\(name.count).0.0/16", "10.1.0.0/16")
            }
        }
        dialogue.begin(dialogue.left, "two")
        dialogue.begin(dialogue.left, "three")
        var requests = dialogue.left.outbox
        #expect(requests.count == 2)
        dialogue.left.outbox = []
        terrain.leftNAT?.goOut(&requests[0])
        terrain.leftNAT?.rebind()
        terrain.leftNAT?.goOut(&requests[1])
        #expect(requests[0].local != requests[1].local)
        func peer() -> Endpoint? { dialogue.right.establishedIKESAs.first?.remote }
        #expect(peer() == requests[0].local)
        dialogue.deliver(requests[1], to: dialogue.right)
        #expect(peer() == requests[1].local)
        dialogue.deliver(requests[0], to: dialogue.right)
        #expect(peer() == requests[1].local)
        #expect(dialogue.right.packetPath?.remote == requests[1].local)
        // It was carried out all the same; its first answer is lost on the way that is no more.
        dialogue.advance(by: .seconds(20))
        #expect(dialogue.agree(on: "two") && dialogue.agree(on: "three"))
    }

    @Test("an initiator may begin at port 4500", arguments: [Arrangement.none, .initiator, .both])
    func beginAtPort4500(arrangement: Arrangement) {
        var settings = EngineSettings()
        settings.ikePort = 4500
        let (dialogue, _) = connect(arrangement, mobile: false, settings: settings)
        #expect(dialogue.agree())
        #expect(dialogue.sent.allSatisfy { $0.local.port != 500 && $0.remote.port != 500 })
        #expect(dialogue.left.packetPath?.isEncapsulated == (arrangement != .none))
    }
}
