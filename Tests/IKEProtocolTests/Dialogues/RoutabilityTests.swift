import IPsecPrimitives
import Testing

@testable import IKEProtocol

// Return routability (RFC 4555 §3.7).
extension MobilityTests {
    @Test("the responder sends no packets to an address that it has not heard from with its cookie")
    func returnRoutability() {
        let (dialogue, terrain) = connect()
        // What the right end sends to the new address is lost, but for the answer to the update.
        var answers = 0
        terrain.isLost = { datagram in
            guard datagram.remote.address == IPAddress("198.51.100.7") else { return false }
            answers += 1
            return answers > 1
        }
        terrain.moveLeft(to: ["198.51.100.7"])
        dialogue.advance(by: .seconds(20))
        #expect(dialogue.right.endpointUpdates.isEmpty)
        #expect(ends(dialogue).1?.remote.address == IPAddress("198.51.100.7"))
        terrain.isLost = { _ in false }
        dialogue.advance(by: .seconds(60))
        #expect(packetsMeet(dialogue, "198.51.100.7", "192.0.2.2"))
    }

    /// Shown by seed 920024029 of the simulator.
    @Test("nor does it follow a NAT to an address that is not proven yet")
    func returnRoutabilityBehindNAT() throws {
        let (dialogue, terrain) = connect()
        let inbound = try #require(dialogue.right.children.first).inboundSPI
        terrain.leftNAT = NATBox(outside: "198.51.100.7")
        // Nothing that the right end asks arrives.
        terrain.isLost = { datagram in
            datagram.local.address == IPAddress("192.0.2.2") && datagram.bytes[19] & 0x20 == 0
        }
        terrain.moveLeft(to: ["10.9.9.9"])
        dialogue.advance(by: .seconds(3))
        #expect(dialogue.right.endpointUpdates.isEmpty)
        dialogue.handle(
            .peerEndpointChanged(
                inboundSPI: inbound,
                remote: Endpoint(address: IPAddress("198.51.100.7")!, port: 20_103)
            ),
            at: dialogue.right
        )
        #expect(dialogue.right.endpointUpdates.isEmpty)
    }

    @Test("the question for an address goes to the port that a NAT gives the peer there meanwhile")
    func questionFollowsPort() throws {
        let (dialogue, terrain) = connect(
            left: ["10.9.0.1"],
            terrain: { $0.leftNAT = NATBox(outside: "203.0.113.1") }
        )
        let right = dialogue.right
        let inbound = try #require(right.children.first).inboundSPI
        let place = try #require(IPAddress("198.51.100.7"))
        terrain.leftNAT = NATBox(outside: "198.51.100.7")
        var isShut = true
        terrain.isLost = { datagram in
            isShut && datagram.local.address == IPAddress("192.0.2.2")
                && datagram.bytes[19] & 0x20 == 0
        }
        terrain.moveLeft(to: ["10.9.9.9"])
        dialogue.advance(by: .seconds(1))
        let asked = try #require(ends(dialogue).1?.remote)
        #expect(asked.address == place && right.endpointUpdates.isEmpty)
        isShut = false
        // A packet of the left end's goes out by the mapping that is new.
        terrain.leftNAT?.rebind()
        var packet = IKEDatagram(
            bytes: [],
            local: Endpoint(address: IPAddress("10.9.9.9")!, port: 4500),
            remote: Endpoint(address: IPAddress("192.0.2.2")!, port: 4500)
        )
        terrain.leftNAT?.goOut(&packet)
        #expect(packet.local.address == place && packet.local.port != asked.port)
        dialogue.handle(
            .peerEndpointChanged(inboundSPI: inbound, remote: packet.local),
            at: right
        )
        #expect(right.endpointUpdates.isEmpty)
        dialogue.settle()
        #expect(right.packetPath?.remote == packet.local)
        #expect(ends(dialogue).1?.remote == packet.local)
    }

    @Test("a port that a NAT gives the peer where it was does not draw the question back there")
    func questionStays() throws {
        let (dialogue, terrain) = connect(
            left: ["10.9.0.1"],
            terrain: { $0.leftNAT = NATBox(outside: "203.0.113.1") }
        )
        let inbound = try #require(dialogue.right.children.first).inboundSPI
        terrain.leftNAT = NATBox(outside: "198.51.100.7")
        var isShut = true
        terrain.isLost = { datagram in
            isShut && datagram.local.address == IPAddress("192.0.2.2")
                && datagram.bytes[19] & 0x20 == 0
        }
        terrain.moveLeft(to: ["10.9.9.9"])
        dialogue.advance(by: .seconds(1))
        let former = Endpoint(address: IPAddress("203.0.113.1")!, port: 50_000)
        dialogue.handle(
            .peerEndpointChanged(inboundSPI: inbound, remote: former),
            at: dialogue.right
        )
        isShut = false
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.right.packetPath?.remote.address == IPAddress("198.51.100.7"))
        #expect(ends(dialogue).1?.remote.address == IPAddress("198.51.100.7"))
    }

    // RFC 4555 §3.12: what shows that the peer knows where this end is, the packet path tells.
    @Test("with MOBIKE, that a child is in use does not show that the peer knows where this end is")
    func useIsNoSignOfLife() throws {
        let (dialogue, terrain) = connect()
        let inbound = try #require(dialogue.left.children.first).inboundSPI
        var questions = 0
        terrain.isLost = { datagram in
            let isQuestion = datagram.bytes[19] & 0x20 == 0
            if isQuestion, datagram.local.address == IPAddress("192.0.2.1") { questions += 1 }
            return false
        }
        dialogue.advance(by: .seconds(25))
        let before = questions
        dialogue.handle(.childSAInUse(inboundSPI: inbound), at: dialogue.left)
        dialogue.advance(by: .seconds(10))
        #expect(questions == before + 1)
    }

    /// Shown by seed 930009805 of the simulator.
    @Test("nor, by packets in UDP, with those that go without")
    func plainBesideEncapsulated() throws {
        let (dialogue, terrain) = connect(terrain: {
            $0.leftNAT = NATBox(outside: "198.51.100.7")
        })
        let right = dialogue.right
        let inbound = try #require(right.children.first).inboundSPI
        let state = try #require(right.engine.sas.all().first?.established)
        #expect(state.children[inbound]?.isEncapsulated == true)
        func follow(_ address: String) {
            let remote = Endpoint(address: IPAddress(address)!, port: 20_103)
            dialogue.handle(
                .peerEndpointChanged(inboundSPI: inbound, remote: remote),
                at: right
            )
        }
        follow("198.51.100.8")
        #expect(right.packetPath?.remote.address == IPAddress("198.51.100.8"))
        state.children[inbound]?.isEncapsulated = false
        follow("198.51.100.9")
        #expect(right.packetPath?.remote.address == IPAddress("198.51.100.8"))
        _ = terrain
    }

    /// Shown by seeds 720004892 and 720006134 of the simulator.
    @Test("a question that went to another address amid a move there and back proves neither")
    func returnRoutabilityThereAndBack() {
        let (dialogue, terrain) = connect()
        var isShut = true
        var numbers: Set<[UInt8]> = []
        terrain.isLost = { datagram in
            guard datagram.local.address == IPAddress("192.0.2.2"), datagram.bytes[19] & 0x20 == 0
            else { return false }
            numbers.insert(Array(datagram.bytes[20..<24]))
            return isShut
        }
        for address in ["198.51.100.7", "192.0.2.1", "198.51.100.7"] {
            terrain.moveLeft(to: [address])
            dialogue.advance(by: .seconds(3))
        }
        #expect(numbers.count == 1 && dialogue.right.endpointUpdates.isEmpty)
        isShut = false
        dialogue.advance(by: .seconds(30))
        #expect(numbers.count == 2)
        #expect(packetsMeet(dialogue, "198.51.100.7", "192.0.2.2"))
    }

    /// Shown by seed 740003075 of the simulator.
    @Test("an update that went to another address amid moves there and back proves neither")
    func updateThereAndBack() {
        let (dialogue, terrain) = connect()
        var open = 0
        var numbers: [[UInt8]] = []
        terrain.isLost = { datagram in
            // Of the left end's own questions so many arrive.
            guard datagram.local.address == IPAddress("192.0.2.1"), datagram.bytes[19] & 0x20 == 0
            else { return false }
            let number = Array(datagram.bytes[20..<24])
            if !numbers.contains(number) { numbers.append(number) }
            return !numbers.prefix(open).contains(number)
        }
        for address in ["198.51.100.2", "192.0.2.2", "198.51.100.2"] {
            terrain.moveRight(to: [address])
            dialogue.advance(by: .seconds(1))
        }
        #expect(numbers.count == 1 && dialogue.left.endpointUpdates.isEmpty)
        open = 1
        dialogue.advance(by: .seconds(8))
        #expect(numbers.count == 2 && dialogue.left.endpointUpdates.isEmpty)
        open = .max
        dialogue.advance(by: .seconds(30))
        #expect(packetsMeet(dialogue, "192.0.2.1", "198.51.100.2"))
    }

    @Test("the initiator sends no packets to where the responder says that it has gone, unheard")
    func initiatorChecksRoutability() {
        let (dialogue, terrain) = connect(right: ["192.0.2.2", "198.51.100.2"])
        // What the left end asks at the new address is lost; its answer to the news arrives.
        var asked = 0
        terrain.isLost = { datagram in
            let isResponse = datagram.bytes[19] & 0x20 != 0
            guard datagram.remote.address == IPAddress("198.51.100.2"), !isResponse else {
                return false
            }
            asked += 1
            return true
        }
        terrain.moveRight(to: ["198.51.100.2"])
        dialogue.advance(by: .seconds(20))
        #expect(asked > 0 && dialogue.left.endpointUpdates.isEmpty)
        terrain.isLost = { _ in false }
        dialogue.advance(by: .seconds(60))
        #expect(packetsMeet(dialogue, "192.0.2.1", "198.51.100.2"))
    }

    @Test("the answer to an update that went to several addresses shows nothing of any of them")
    func updateAlongSeveralPaths() {
        let (dialogue, terrain) = connect(right: ["192.0.2.2", "198.51.100.2"])
        // Of what the left end asks at the new address, one sending alone arrives, which is one of
        // those that go along other paths too.
        var passes = 0
        terrain.isLost = { datagram in
            let isResponse = datagram.bytes[19] & 0x20 != 0
            guard datagram.remote.address == IPAddress("198.51.100.2"), !isResponse else {
                return false
            }
            passes -= 1
            return passes < 0
        }
        terrain.moveRight(to: ["198.51.100.2"])
        dialogue.advance(by: .seconds(8))
        passes = 1
        dialogue.advance(by: .seconds(10))
        #expect(passes < 1 && dialogue.left.endpointUpdates.isEmpty)
        terrain.isLost = { _ in false }
        dialogue.advance(by: .seconds(60))
        #expect(packetsMeet(dialogue, "192.0.2.1", "198.51.100.2"))
    }
}
