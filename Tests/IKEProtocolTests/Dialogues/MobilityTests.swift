import IKEMessages
import IKEProtocol
import IPsecPrimitives
import Testing

/// RFC 4555 between two engines.
@Suite("MOBIKE")
struct MobilityTests {
    private let roaming = MobilityPolicy(isOffered: true, acceptsAnyAddress: true)

    /// A left end that roams, and a right end that takes it from anywhere.
    func connect(
        left: [String] = ["192.0.2.1"],
        right: [String] = ["192.0.2.2"],
        change: (inout Setup, inout Setup) -> Void = { _, _ in },
        terrain prepare: (Terrain) -> Void = { _ in }
    ) -> (Dialogue, Terrain) {
        var near = Setup()
        near.localAddress = "any"
        near.mobility = roaming
        var far = Setup().mirrored
        far.localAddress = "any"
        far.remoteAddress = "any"
        far.mobility = roaming
        change(&near, &far)
        let dialogue = Dialogue(near, far)
        let terrain = Terrain(dialogue, left: left, right: right)
        prepare(terrain)
        terrain.announce()
        dialogue.handle(
            .initiate(
                IKEEvent.Initiation(
                    connection: "site",
                    child: "net",
                    localAddress: terrain.leftRoute
                )
            ),
            at: dialogue.left
        )
        dialogue.settle()
        return (dialogue, terrain)
    }

    func ends(_ dialogue: Dialogue) -> (IKESAStatus?, IKESAStatus?) {
        (dialogue.left.establishedIKESAs.first, dialogue.right.establishedIKESAs.first)
    }

    /// Whether packets of both ends go where the other one is.
    func packetsMeet(_ dialogue: Dialogue, _ near: String, _ far: String) -> Bool {
        let left = dialogue.left.packetPath, right = dialogue.right.packetPath
        return left?.local.address.description == near && left?.remote.address.description == far
            && right?.local.address.description == far
            && right?.remote.address.description == near
    }

    @Test("both ends go to port 4500 although no NAT is there, and packets stay plain ESP")
    func portChange() {
        let (dialogue, _) = connect()
        #expect(dialogue.agree())
        #expect(ends(dialogue).0?.remote.port == 4500 && ends(dialogue).1?.remote.port == 4500)
        #expect(dialogue.left.activeChild("net")?.path.isEncapsulated == false)
    }

    @Test("an end that loses its address goes on from another one")
    func addressLost() {
        let (dialogue, terrain) = connect()
        let spi = dialogue.left.present
        terrain.moveLeft(to: ["198.51.100.7"])
        // Its own packets leave from the new address at once: the old one is gone.
        #expect(dialogue.left.packetPath?.local.address == IPAddress("198.51.100.7"))
        dialogue.settle()
        #expect(dialogue.left.present == spi)
        #expect(packetsMeet(dialogue, "198.51.100.7", "192.0.2.2"))
        #expect(ends(dialogue).1?.remote.address == IPAddress("198.51.100.7"))
        #expect(dialogue.agree())
        #expect(dialogue.right.count { if case .peerMoved = $0 { true } else { false } } == 1)
        #expect(dialogue.left.count { if case .movedTo = $0 { true } else { false } } == 1)
    }

    /// Shown by seed 440016945 of the simulator: it stayed until the old address went, and packets that
    /// were under way then were lost.
    @Test("an IKE SA that is being made when a better way comes takes it once it is established")
    func betterWayMeanwhile() {
        var isTold = false
        let (dialogue, _) = connect(terrain: { terrain in
            terrain.isLost = { [unowned terrain] datagram in
                // The answer to IKE_SA_INIT is under way.
                let isAnswer = datagram.local.address == IPAddress("192.0.2.2")
                guard !isTold, isAnswer else { return false }
                isTold = true
                terrain.left.insert(IPAddress("198.51.100.7")!)
                terrain.leftRoute = IPAddress("198.51.100.7")
                terrain.announce()
                return false
            }
        })
        dialogue.settle()
        #expect(isTold && dialogue.left.establishedIKESAs.count == 1)
        #expect(packetsMeet(dialogue, "198.51.100.7", "192.0.2.2"))
        #expect(dialogue.agree())
    }

    @Test("while the old path works, it carries packets until the new one is proven")
    func makeBeforeBreak() {
        let (dialogue, terrain) = connect()
        terrain.left = [IPAddress("192.0.2.1")!, IPAddress("198.51.100.7")!]
        terrain.leftRoute = IPAddress("198.51.100.7")
        terrain.isLost = { $0.local.address == IPAddress("198.51.100.7") }
        terrain.announce()
        dialogue.settle()
        #expect(dialogue.left.endpointUpdates.isEmpty && dialogue.right.endpointUpdates.isEmpty)
        terrain.isLost = { _ in false }
        dialogue.advance(by: .seconds(5))
        #expect(packetsMeet(dialogue, "198.51.100.7", "192.0.2.2"))
    }

    @Test("a second move while the first is under way ends where the end is")
    func movesCross() {
        let (dialogue, terrain) = connect()
        terrain.moveLeft(to: ["198.51.100.7"])
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        terrain.moveLeft(to: ["203.0.113.5"])
        dialogue.advance(by: .seconds(30))
        #expect(packetsMeet(dialogue, "203.0.113.5", "192.0.2.2"))
        #expect(dialogue.agree())
    }

    @Test("a request that was under way goes along the new path")
    func outstandingRequest() {
        let (dialogue, terrain) = connect()
        terrain.isLost = { $0.local.address == IPAddress("192.0.2.1") }
        let spi = dialogue.left.present[0]
        dialogue.handle(
            .childLifetimeReached(inboundSPI: spi, limit: .soft),
            at: dialogue.left
        )
        dialogue.settle()
        terrain.moveLeft(to: ["198.51.100.7"])
        dialogue.settle()
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.left.installed.count == 2)
        #expect(dialogue.agree())
        #expect(packetsMeet(dialogue, "198.51.100.7", "192.0.2.2"))
    }

    @Test("an update that another request has overtaken is carried out all the same")
    func overtakenUpdate() throws {
        let (dialogue, terrain) = connect()
        let spi = try #require(dialogue.left.present.first)
        terrain.moveLeft(to: ["198.51.100.7"])
        let update = dialogue.left.outbox
        #expect(update.count == 1)
        dialogue.left.outbox = []
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: dialogue.left)
        #expect(dialogue.left.outbox.count == 1)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.left.outbox = update
        dialogue.settle()
        #expect(packetsMeet(dialogue, "198.51.100.7", "192.0.2.2"))
        #expect(ends(dialogue).1?.remote.address == IPAddress("198.51.100.7"))
        #expect(dialogue.agree())
    }

    @Test("a silent peer is looked for at its other addresses, and found")
    func probing() {
        let (dialogue, terrain) = connect(right: ["192.0.2.2", "198.51.100.2"])
        terrain.isLost = { datagram in
            datagram.remote.address == IPAddress("192.0.2.2")
                || datagram.local.address == IPAddress("192.0.2.2")
        }
        dialogue.advance(by: .seconds(60))
        #expect(dialogue.left.count { $0 == .probingPaths(count: 1) } == 1)
        #expect(packetsMeet(dialogue, "192.0.2.1", "198.51.100.2"))
        #expect(dialogue.agree())
        #expect(dialogue.left.count { $0 == .peerUnresponsive } == 0)
    }

    @Test("when no path is left, the peer counts as dead")
    func nothingWorks() {
        let (dialogue, terrain) = connect(right: ["192.0.2.2", "198.51.100.2"])
        terrain.isLost = { _ in true }
        dialogue.advance(by: .seconds(1200))
        #expect(dialogue.left.establishedIKESAs.isEmpty)
        #expect(dialogue.right.establishedIKESAs.isEmpty)
    }

    /// What an initiator that has lost everything says, or somebody in its place, to all that the
    /// responder asks: INVALID_IKE_SPI in clear.
    ///
    /// - Returns: how long the responder went on asking.
    private func patience(answeredFrom remote: Endpoint?) throws -> Duration {
        let (dialogue, terrain) = connect()
        let stranger = Party("left", "192.0.2.1", settings: EngineSettings(), seed: 99)
        let place = ends(dialogue).1?.remote
        terrain.isLost = { datagram in
            if let remote, datagram.local.address == IPAddress("192.0.2.2") {
                dialogue.deliver(datagram, to: stranger)
                for var answer in stranger.outbox {
                    answer.local = remote == place ? answer.local : remote
                    dialogue.deliver(answer, to: dialogue.right)
                }
                stranger.outbox = []
            }
            return true
        }
        let start = dialogue.now
        while !dialogue.right.establishedIKESAs.isEmpty, dialogue.now - start < .seconds(3600) {
            dialogue.advance(by: .seconds(1))
        }
        return dialogue.now - start
    }

    @Test("a responder waits for an initiator that looks for a path, not for one that is new")
    func waiting() throws {
        let place = try #require(ends(connect().0).1?.remote)
        let elsewhere = Endpoint(address: IPAddress("203.0.113.66")!, port: 4500)
        // Seven sendings in 151 seconds, a fifth more or less at random; the next sign of life is
        // due within 30 seconds.
        let usual = Duration.seconds(151 * 6 / 5 + 31)
        let silence = try patience(answeredFrom: nil)
        #expect(silence > usual + .seconds(120))
        #expect(try patience(answeredFrom: elsewhere) == silence)
        let hinted = try patience(answeredFrom: place)
        // The hint alone ends nothing: every one of the usual tries is made.
        #expect(hinted <= usual)
        #expect(hinted > .seconds(151 * 4 / 5))
    }

    @Test("a responder that loses its address tells the initiator, which follows")
    func responderMoves() {
        let (dialogue, terrain) = connect(right: ["192.0.2.2", "198.51.100.2"])
        terrain.moveRight(to: ["198.51.100.2"])
        dialogue.settle()
        #expect(packetsMeet(dialogue, "192.0.2.1", "198.51.100.2"))
        dialogue.advance(by: .seconds(120))
        #expect(dialogue.agree())
    }

    @Test("a responder that the initiator does not follow goes back when its address is back")
    func responderReturns() {
        let (dialogue, terrain) = connect(change: { near, _ in
            near.mobility = MobilityPolicy(isOffered: true, acceptsAnyAddress: false)
        })
        terrain.moveRight(to: ["198.51.100.2"])
        dialogue.settle()
        #expect(dialogue.right.packetPath?.local.address == IPAddress("198.51.100.2"))
        #expect(
            dialogue.left.count { if case .addressesRefused = $0 { true } else { false } } == 1
        )
        terrain.right.insert(IPAddress("192.0.2.2")!)
        terrain.rightRoute = IPAddress("192.0.2.2")
        terrain.announce()
        dialogue.settle()
        #expect(dialogue.right.packetPath?.local.address == IPAddress("192.0.2.2"))
        #expect(ends(dialogue).0?.remote.address == IPAddress("192.0.2.2"))
        #expect(dialogue.agree())
    }

    @Test("an address that comes or goes besides the one in use is told, and no more")
    func additionalAddresses() {
        let (dialogue, terrain) = connect()
        let before = dialogue.sent.count
        terrain.right.insert(IPAddress("198.51.100.2")!)
        terrain.announce()
        dialogue.settle()
        #expect(dialogue.sent.count == before + 2)
        #expect(dialogue.left.endpointUpdates.isEmpty)
        terrain.announce()
        dialogue.settle()
        #expect(dialogue.sent.count == before + 2)
    }

    @Test("an end whose connection is bound to one address does not move, and tells no other")
    func boundEnd() {
        let (dialogue, terrain) = connect(
            left: ["192.0.2.1", "198.51.100.7"],
            change: { near, _ in near.localAddress = "192.0.2.1" }
        )
        terrain.leftRoute = IPAddress("198.51.100.7")
        terrain.announce()
        dialogue.settle()
        #expect(dialogue.left.endpointUpdates.isEmpty)
        #expect(ends(dialogue).0?.local.address == IPAddress("192.0.2.1"))
    }

    @Test("where the peer may not come from, it may not move to")
    func unacceptableAddress() {
        let (dialogue, terrain) = connect(change: { _, far in
            far.remotePrefixes = ["192.0.2.0/24"]
            far.mobility.acceptsAnyAddress = false
        })
        terrain.left = [IPAddress("192.0.2.1")!, IPAddress("198.51.100.7")!]
        terrain.leftRoute = IPAddress("198.51.100.7")
        terrain.announce()
        dialogue.settle()
        #expect(
            dialogue.left.count { if case .addressesRefused = $0 { true } else { false } } == 1
        )
        #expect(dialogue.right.endpointUpdates.isEmpty)
        #expect(ends(dialogue).0?.local.address == IPAddress("192.0.2.1"))
        dialogue.advance(by: .seconds(120))
        #expect(dialogue.agree())
    }

    @Test("both ends without MOBIKE, or one of them: addresses stay", arguments: [true, false])
    func notOffered(byLeft: Bool) {
        let (dialogue, terrain) = connect(change: { near, far in
            if byLeft { near.mobility.isOffered = false } else { far.mobility.isOffered = false }
        })
        #expect(dialogue.agree())
        terrain.left.insert(IPAddress("198.51.100.7")!)
        terrain.leftRoute = IPAddress("198.51.100.7")
        terrain.announce()
        dialogue.settle()
        #expect(dialogue.left.endpointUpdates.isEmpty)
    }

    @Test("MOBIKE survives the rekeying of the IKE SA, by either end", arguments: [true, false])
    func afterRekey(byLeft: Bool) {
        let (dialogue, terrain) = connect(change: { near, far in
            if byLeft {
                near.ikeLifetime = SALifetime(rekeyAfter: .seconds(60), jitterPercent: 0)
            } else {
                far.ikeLifetime = SALifetime(rekeyAfter: .seconds(60), jitterPercent: 0)
            }
        })
        dialogue.advance(by: .seconds(70))
        #expect(dialogue.left.count { if case .ikeSARekeyed = $0 { true } else { false } } == 1)
        terrain.moveLeft(to: ["198.51.100.7"])
        dialogue.settle()
        #expect(packetsMeet(dialogue, "198.51.100.7", "192.0.2.2"))
    }

    @Test("moving behind a NAT puts packets into UDP, and moving out again takes them out")
    func natOnTheNewPath() {
        let (dialogue, terrain) = connect()
        terrain.leftNAT = NATBox(outside: "203.0.113.1")
        terrain.moveLeft(to: ["10.9.0.1"])
        dialogue.settle()
        #expect(dialogue.left.packetPath?.isEncapsulated == true)
        #expect(dialogue.right.packetPath?.isEncapsulated == true)
        #expect(dialogue.right.packetPath?.remote.address == IPAddress("203.0.113.1"))
        #expect(dialogue.right.packetPath?.remote.port == 40_000)
        dialogue.advance(by: .seconds(30))
        #expect(dialogue.left.keepalives >= 1)
        terrain.leftNAT = nil
        terrain.moveLeft(to: ["192.0.2.1"])
        dialogue.settle()
        #expect(packetsMeet(dialogue, "192.0.2.1", "192.0.2.2"))
        #expect(dialogue.left.packetPath?.isEncapsulated == false)
        #expect(dialogue.right.packetPath?.isEncapsulated == false)
        let keepalives = dialogue.left.keepalives
        dialogue.advance(by: .seconds(60))
        #expect(dialogue.left.keepalives == keepalives)
    }

    @Test("packets that followed a NAT stay in UDP until the peer is shown to be there without one")
    func followedOutOfANAT() throws {
        let (dialogue, terrain) = connect(
            left: ["10.9.0.1"],
            terrain: { $0.leftNAT = NATBox(outside: "203.0.113.1") }
        )
        let place = try #require(IPAddress("198.51.100.7"))
        // Of what the right end sends there, the answer to the update alone arrives.
        var answers = 0
        terrain.isLost = { datagram in
            guard datagram.remote.address == place else { return false }
            answers += 1
            return answers > 1
        }
        terrain.leftNAT = nil
        let spi = try #require(dialogue.right.active["net"])
        dialogue.handle(
            .peerEndpointChanged(inboundSPI: spi, remote: Endpoint(address: place, port: 4500)),
            at: dialogue.right
        )
        #expect(dialogue.right.packetPath?.remote.address == place)
        terrain.moveLeft(to: ["198.51.100.7"])
        dialogue.advance(by: .seconds(5))
        let own = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: own, limit: .soft), at: dialogue.left)
        dialogue.advance(by: .seconds(5))
        #expect(dialogue.right.installed.count == 2)
        #expect(dialogue.right.installed.values.allSatisfy { $0.path.isEncapsulated })
        #expect(dialogue.right.packetPath?.isEncapsulated == true)
        terrain.isLost = { _ in false }
        dialogue.advance(by: .seconds(60))
        #expect(packetsMeet(dialogue, "198.51.100.7", "192.0.2.2"))
        #expect(dialogue.right.packetPath?.isEncapsulated == false)
        #expect(dialogue.left.present.count == 1 && dialogue.right.present.count == 1)
        #expect(dialogue.left.children[0].outboundSPI == dialogue.right.present[0])
        #expect(dialogue.right.children[0].outboundSPI == dialogue.left.present[0])
    }

    @Test("the successor of an IKE SA learns of the NAT on a path that the old one began to take")
    func rekeyWithinUpdate() throws {
        let (dialogue, terrain) = connect(change: { _, far in
            far.ikeLifetime = SALifetime(rekeyAfter: .seconds(60), jitterPercent: 0)
        })
        dialogue.advance(by: .seconds(59))
        let old = try #require(dialogue.sent.last).bytes.prefix(16)
        // The update arrives, and no answer to it.
        terrain.isLost = { datagram in
            datagram.local.address == IPAddress("192.0.2.2") && datagram.bytes[18] == 37
                && datagram.bytes[19] & 0x20 != 0 && datagram.bytes.prefix(16) == old
        }
        terrain.leftNAT = NATBox(outside: "203.0.113.1")
        terrain.moveLeft(to: ["10.9.0.1"])
        dialogue.settle()
        #expect(dialogue.right.packetPath?.isEncapsulated == true)
        #expect(dialogue.left.packetPath?.isEncapsulated == false)
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.left.count { if case .ikeSARekeyed = $0 { true } else { false } } == 1)
        #expect(dialogue.left.packetPath?.isEncapsulated == true)
        let own = try #require(dialogue.left.active["net"])
        dialogue.handle(.childLifetimeReached(inboundSPI: own, limit: .soft), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.left.installed.count == 2 && dialogue.agree())
        #expect(dialogue.left.activeChild("net")?.path.isEncapsulated == true)
    }

    @Test("a NAT that forgets its mappings is noticed by signs of life")
    func mappingChange() {
        let (dialogue, terrain) = connect(
            left: ["10.9.0.1"],
            terrain: { $0.leftNAT = NATBox(outside: "203.0.113.1") }
        )
        #expect(dialogue.agree())
        #expect(dialogue.left.activeChild("net")?.path.isEncapsulated == true)
        dialogue.advance(by: .seconds(70))
        let before = dialogue.right.packetPath?.remote.port
        terrain.leftNAT?.rebind()
        dialogue.advance(by: .seconds(70))
        let after = dialogue.right.packetPath?.remote.port
        #expect(before != after && after != nil)
        #expect(ends(dialogue).1?.remote.port == after)
        #expect(dialogue.agree())
    }

    @Test("a copied answer from elsewhere leads nobody there")
    func copiedAnswer() {
        let (dialogue, terrain) = connect()
        let stranger = IPAddress("203.0.113.66")!
        terrain.right.insert(stranger)
        dialogue.link = { datagram in
            guard datagram.local.address == IPAddress("192.0.2.2") else { return [datagram] }
            var copy = datagram
            copy.local.address = stranger
            return [copy]
        }
        dialogue.advance(by: .seconds(40))
        #expect(ends(dialogue).0?.remote.address == IPAddress("192.0.2.2"))
        #expect(dialogue.left.endpointUpdates.isEmpty)
    }

    @Test("the peer's other configured addresses are tried as well")
    func configuredAddresses() {
        let (dialogue, terrain) = connect(
            right: ["192.0.2.2", "198.51.100.2"],
            change: { near, far in
                near.remotePrefixes = ["192.0.2.2", "198.51.100.2"]
                near.mobility.acceptsAnyAddress = false
                far.mobility.additionalAddresses = []
            }
        )
        terrain.isLost = { datagram in
            [datagram.remote.address, datagram.local.address].contains(IPAddress("192.0.2.2"))
        }
        dialogue.advance(by: .seconds(60))
        #expect(packetsMeet(dialogue, "192.0.2.1", "198.51.100.2"))
    }

    @Test("addresses of the protected network are neither told nor tried")
    func insideAddresses() {
        let (dialogue, terrain) = connect(left: ["192.0.2.1", "10.1.0.1"])
        let before = dialogue.sent.count
        terrain.left.insert(IPAddress("10.1.0.2")!)
        terrain.announce()
        dialogue.settle()
        #expect(dialogue.sent.count == before)
        terrain.isLost = { _ in true }
        dialogue.advance(by: .seconds(50))
        #expect(!dialogue.sent.contains { $0.local.address == IPAddress("10.1.0.1") })
    }

    @Test("without MOBIKE, an SA ends some seconds after its address, if that does not come back")
    func withoutMobility() {
        let (dialogue, terrain) = connect(change: { near, _ in near.mobility.isOffered = false })
        terrain.moveLeft(to: ["198.51.100.7"])
        dialogue.advance(by: .seconds(5))
        terrain.moveLeft(to: ["192.0.2.1"])
        dialogue.advance(by: .seconds(60))
        #expect(dialogue.agree())
        terrain.moveLeft(to: ["198.51.100.7"])
        dialogue.advance(by: .seconds(11))
        #expect(dialogue.left.count { $0 == .ikeSAClosed(.addressLost) } == 1)
        #expect(dialogue.left.present.isEmpty)
    }

    @Test("a host that is left without any address has lost the one in use too")
    func withoutAddress() {
        let (dialogue, terrain) = connect(change: { near, _ in near.mobility.isOffered = false })
        terrain.moveLeft(to: [])
        dialogue.advance(by: .seconds(11))
        #expect(dialogue.left.count { $0 == .ikeSAClosed(.addressLost) } == 1)
    }
}
