import IKEMessages
import IKEProtocol
import IPsecPrimitives
import Testing

/// RFC 9329 between two engines.
@Suite("IKE over TCP")
struct StreamTests {
    private func make(
        _ choice: TransportPolicy.Choice = .tcp,
        mobile: Bool = false,
        change: (inout Setup) -> Void = { _ in }
    ) -> (Dialogue, Streams) {
        var setup = Setup()
        setup.adjustConnection = { $0.transport = TransportPolicy(choice) }
        if mobile { setup.mobility = MobilityPolicy(isOffered: true, acceptsAnyAddress: true) }
        change(&setup)
        let dialogue = Dialogue(setup)
        return (dialogue, Streams(dialogue))
    }

    private func begin(_ dialogue: Dialogue, _ streams: Streams, by transport: IKETransport? = nil)
    {
        var wish = IKEEvent.Initiation(connection: "site", child: "net")
        wish.transport = transport
        dialogue.handle(.initiate(wish), at: dialogue.left)
        streams.settle()
    }

    private func transports(_ dialogue: Dialogue) -> [IKETransport] {
        [dialogue.left, dialogue.right].flatMap { $0.establishedIKESAs.map(\.transport) }
    }

    @Test("an IKE SA comes up over TCP, on one connection, without port 4500 of UDP")
    func establishment() {
        let (dialogue, streams) = make()
        begin(dialogue, streams)
        #expect(dialogue.agree())
        #expect(transports(dialogue) == [.tcp, .tcp])
        #expect(dialogue.sent.allSatisfy { $0.transport == .tcp })
        #expect(streams.opened == 1 && streams.open.count == 1)
        #expect(dialogue.left.establishedIKESAs.first?.remote.port == 4500)
        #expect(dialogue.left.activeChild("net")?.path.transport == .tcp)
        #expect(dialogue.right.engine.streamsInUse.count == 1)
    }

    @Test("no NAT is seen where none is: the hashes have the ports of the connection in them")
    func translation() {
        let (dialogue, streams) = make()
        begin(dialogue, streams)
        #expect(dialogue.left.establishedIKESAs.first?.isLocalBehindNAT == false)
        #expect(dialogue.right.establishedIKESAs.first?.isRemoteBehindNAT == false)
        #expect(
            dialogue.left.count { if case .networkAddressTranslation = $0 { true } else { false } }
                == 0
        )
    }

    @Test("a request is not sent again over TCP, and its IKE SA ends when nobody answers")
    func silence() {
        let (dialogue, streams) = make { $0.livenessInterval = .seconds(30) }
        begin(dialogue, streams)
        let before = dialogue.sent.count
        dialogue.link = { _ in [] }
        streams.advance(by: .seconds(400))
        let liveness = dialogue.sent.dropFirst(before).filter { $0.remote.port == 4500 }
        #expect(liveness.count == 1)
        #expect(dialogue.left.establishedIKESAs.isEmpty)
        #expect(dialogue.left.takeClosings().count <= 1)
    }

    @Test("a large message goes whole over TCP, though both ends know fragments")
    func fragmentation() {
        let (dialogue, streams) = make { setup in
            setup.children = [
                "net": (
                    (0..<60).map { "10.1.\($0).0/24" }.joined(separator: " "),
                    (0..<60).map { "10.2.\($0).0/24" }.joined(separator: " ")
                )
            ]
        }
        begin(dialogue, streams)
        #expect(dialogue.agree())
        #expect(dialogue.sent.count == 4)
        #expect(dialogue.sent.contains { $0.bytes.count > 1280 })
    }

    @Test(
        "an IKE SA outlives its connection: the end that opened it opens another, and is followed"
    )
    func reconnection() {
        let (dialogue, streams) = make()
        begin(dialogue, streams)
        let before = dialogue.left.present
        streams.breakAll()
        streams.leftAddress = IPAddress("198.51.100.9")!
        streams.settle()
        #expect(dialogue.left.present == before && dialogue.agree())
        #expect(streams.opened == 2)
        let seen = dialogue.right.establishedIKESAs.first?.remote
        #expect(seen == dialogue.left.establishedIKESAs.first?.local)
        #expect(seen?.address == IPAddress("198.51.100.9"))
        #expect(dialogue.right.packetPath?.remote == seen)
        // The other way round it works too.
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.right)
        streams.settle()
        #expect(dialogue.left.establishedIKESAs.isEmpty && streams.open.isEmpty)
    }

    @Test("what waits for an answer goes again over the next connection")
    func outstanding() {
        let (dialogue, streams) = make()
        begin(dialogue, streams)
        dialogue.handle(.probe(connection: "site"), at: dialogue.right)
        dialogue.right.outbox = []
        streams.breakAll()
        streams.settle()
        // Answered within the moment: nothing of it is left to wait for.
        let count = dialogue.sent.count
        streams.advance(by: .seconds(20))
        #expect(dialogue.sent.count == count)
        #expect(transports(dialogue) == [.tcp, .tcp])
    }

    @Test("a connection that cannot be had again ends the IKE SA after as many tries as a request")
    func hopeless() {
        let (dialogue, streams) = make { $0.livenessInterval = nil }
        begin(dialogue, streams)
        streams.passesTCP = false
        streams.breakAll()
        streams.advance(by: .seconds(20))
        #expect(dialogue.left.establishedIKESAs.count == 1)
        streams.advance(by: .seconds(600))
        #expect(dialogue.left.establishedIKESAs.isEmpty)
        #expect(dialogue.left.count { $0 == .ikeSAClosed(.peerUnresponsive) } == 1)
    }

    @Test("a connection that opens too slowly is given up, and says so")
    func slowOpening() {
        let (dialogue, _) = make()
        dialogue.begin(dialogue.left)
        #expect(dialogue.left.openings.count == 1)
        dialogue.pass(.seconds(11))
        #expect(dialogue.left.openings.isEmpty)
        #expect(dialogue.left.failures.first?.explanation.contains("too long to open") == true)
    }

    @Test("a rekeyed IKE SA shares the connection, and the deletion of the last one closes it")
    func rekey() {
        let (dialogue, streams) = make { $0.ikeLifetime = SALifetime(rekeyAfter: .seconds(100)) }
        begin(dialogue, streams)
        streams.advance(by: .seconds(110))
        #expect(dialogue.left.count { if case .ikeSARekeyed = $0 { true } else { false } } == 1)
        #expect(streams.opened == 1 && streams.open.count == 1)
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.left)
        streams.settle()
        #expect(streams.open.isEmpty)
        #expect(dialogue.right.engine.streamsInUse.isEmpty)
    }

    @Test("after a rekey begun by the other end, the first one still opens the connections")
    func rekeyByTheOther() {
        let (dialogue, streams) = make { setup in
            setup.ikeLifetime = SALifetime(rekeyAfter: .seconds(10_000))
        }
        begin(dialogue, streams)
        var far = Setup().mirrored
        far.adjustConnection = { $0.transport = TransportPolicy(.tcp) }
        far.ikeLifetime = SALifetime(rekeyAfter: .seconds(60))
        dialogue.configure(dialogue.right, far)
        streams.advance(by: .seconds(70))
        #expect(dialogue.right.count { if case .ikeSARekeyed = $0 { true } else { false } } >= 1)
        streams.breakAll()
        streams.settle()
        #expect(streams.opened == 2 && dialogue.agree())
    }

    @Test("an error in IKE_SA_INIT counts at once: nobody else can have sent it")
    func earlyRefusal() {
        let (dialogue, streams) = make()
        var other = Setup().mirrored
        other.adjustConnection = { $0.transport = TransportPolicy(.tcp) }
        other.ikeProposals = ["aes128-sha256-ecp256"]
        dialogue.configure(dialogue.right, other)
        begin(dialogue, streams)
        #expect(dialogue.left.failures.count == 1)
        #expect(streams.open.isEmpty)
    }

    @Test("a connection for UDP alone answers nobody who comes by TCP")
    func unconfigured() {
        let (dialogue, streams) = make()
        dialogue.configure(dialogue.right, Setup().mirrored)
        begin(dialogue, streams)
        #expect(dialogue.left.establishedIKESAs.isEmpty)
        #expect(dialogue.right.engine.counters.dropped[.noConnection] == 1)
    }

    @Test("one connection carries no second IKE SA")
    func oneOnly() throws {
        let (dialogue, streams) = make()
        begin(dialogue, streams)
        let (other, _) = make { $0.localAddress = "192.0.2.1" }
        other.handle(
            .initiate(IKEEvent.Initiation(connection: "site", child: "net")),
            at: other.left
        )
        let opening = try #require(other.left.takeOpenings().first)
        let ends = try #require(streams.open.first)
        other.handle(
            .streamOpened(opening.attempt, local: ends.local, remote: ends.remote),
            at: other.left
        )
        var request = try #require(other.left.outbox.first)
        request.bytes[7] ^= 1
        dialogue.deliver(request, to: dialogue.right)
        #expect(dialogue.right.outbox.isEmpty)
        #expect(dialogue.right.engine.counters.dropped[.unexpectedExchange] == 1)
    }

    @Test("no NAT keepalives over TCP")
    func keepalives() {
        let (dialogue, streams) = make()
        // A NAT changes the port, which the hashes tell.
        dialogue.link = { datagram in
            var datagram = datagram
            if datagram.local.port != 4500 { datagram.local.port += 1 }
            if datagram.remote.port != 4500 { datagram.remote.port -= 1 }
            return [datagram]
        }
        begin(dialogue, streams)
        #expect(dialogue.left.establishedIKESAs.first?.isLocalBehindNAT == true)
        streams.advance(by: .seconds(120))
        #expect(dialogue.left.keepalives == 0)
    }

    @Test("where UDP is blocked, only so many sendings are made before TCP may be tried")
    func fallbackTime() {
        let (dialogue, streams) = make(.automatic)
        streams.passesUDP = false
        begin(dialogue, streams)
        streams.advance(by: .seconds(20))
        #expect(dialogue.sent.count == 3)
        #expect(dialogue.left.failures.first?.subject == .peerUnresponsive)
        begin(dialogue, streams, by: .tcp)
        #expect(dialogue.agree() && transports(dialogue) == [.tcp, .tcp])
    }

    @Test("without MOBIKE, an IKE SA made from scratch tries UDP, and takes over where it passes")
    func backFromScratch() {
        let (dialogue, streams) = make(.automatic)
        begin(dialogue, streams, by: .tcp)
        streams.passesUDP = false
        streams.advance(by: .seconds(700))
        #expect(transports(dialogue) == [.tcp, .tcp])
        #expect(dialogue.left.count { $0 == .udpStillBlocked } == 1)
        #expect(dialogue.left.failures.isEmpty && dialogue.agree())
        streams.passesUDP = true
        streams.advance(by: .seconds(700))
        #expect(transports(dialogue) == [.udp, .udp])
        #expect(dialogue.agree() && streams.open.isEmpty)
        #expect(dialogue.left.activeChild("net")?.path.transport == .udp)
    }

    @Test("with MOBIKE, an IKE SA goes from TCP to UDP and back as the network lets it")
    func mobility() {
        let (dialogue, streams) = make(.automatic, mobile: true)
        begin(dialogue, streams, by: .tcp)
        let children = dialogue.left.present
        streams.passesUDP = false
        streams.advance(by: .seconds(700))
        #expect(transports(dialogue) == [.tcp, .tcp])
        #expect(dialogue.left.count { $0 == .udpStillBlocked } == 1)
        #expect(streams.open.count == 1 && streams.opened == 1)
        streams.passesUDP = true
        streams.advance(by: .seconds(700))
        #expect(transports(dialogue) == [.udp, .udp])
        #expect(streams.open.isEmpty)
        #expect(dialogue.left.packetPath?.transport == .udp)
        #expect(dialogue.right.packetPath?.transport == .udp)
        // The network changes its mind: the next sign of life finds the way by TCP.
        streams.passesUDP = false
        streams.advance(by: .seconds(120))
        #expect(transports(dialogue) == [.tcp, .tcp])
        #expect(dialogue.left.packetPath?.transport == .tcp)
        #expect(dialogue.right.packetPath?.transport == .tcp)
        #expect(dialogue.left.present == children && dialogue.agree())
    }

    @Test("a Child SA that comes while UDP is only being tried goes where the others go")
    func childWithinTrial() throws {
        let (dialogue, streams) = make(.automatic, mobile: true)
        begin(dialogue, streams, by: .tcp)
        streams.passesUDP = false
        streams.advance(by: .seconds(601))
        #expect(dialogue.left.establishedIKESAs.first?.transport == .udp, "no trial is under way")
        let spi = try #require(dialogue.right.present.first)
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: dialogue.right)
        streams.settle()
        let child = try #require(dialogue.left.activeChild("net"))
        #expect(child.inboundSPI != spi && child.path.transport == .tcp)
        streams.advance(by: .seconds(60))
        #expect(dialogue.agree() && transports(dialogue) == [.tcp, .tcp])
    }

    @Test("what is asked while UDP is only being tried goes by TCP from the second sending on")
    func requestWithinTrial() throws {
        let (dialogue, streams) = make(.automatic, mobile: true)
        begin(dialogue, streams, by: .tcp)
        streams.passesUDP = false
        streams.advance(by: .seconds(601))
        #expect(dialogue.left.establishedIKESAs.first?.transport == .udp, "no trial is under way")
        let spi = try #require(dialogue.left.present.first)
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: dialogue.left)
        streams.advance(by: .seconds(3))
        #expect(dialogue.left.activeChild("net")?.inboundSPI != spi)
        streams.advance(by: .seconds(60))
        #expect(dialogue.left.activeChild("net")?.outboundSPI == dialogue.right.active["net"])
        #expect(transports(dialogue) == [.tcp, .tcp])
    }

    @Test("an IKE SA that is rekeyed while UDP is only being tried keeps the connection")
    func rekeyWithinTrial() throws {
        let (dialogue, streams) = make(.automatic, mobile: true)
        begin(dialogue, streams, by: .tcp)
        streams.passesUDP = false
        streams.advance(by: .seconds(601))
        #expect(dialogue.left.establishedIKESAs.first?.transport == .udp, "no trial is under way")
        var far = Setup().mirrored
        far.adjustConnection = { $0.transport = TransportPolicy(.automatic) }
        far.mobility = MobilityPolicy(isOffered: true, acceptsAnyAddress: true)
        far.ikeLifetime = SALifetime(rekeyAfter: .seconds(601), expireAfter: .seconds(10_000))
        dialogue.configure(dialogue.right, far)
        streams.advance(by: .seconds(120))
        #expect(dialogue.right.count { if case .ikeSARekeyed = $0 { true } else { false } } == 1)
        #expect(transports(dialogue) == [.tcp, .tcp] && streams.opened == 1)
        streams.passesUDP = true
        streams.advance(by: .seconds(700))
        #expect(transports(dialogue) == [.udp, .udp] && dialogue.agree())
        #expect(streams.open.isEmpty)
    }

    @Test("an IKE SA that is replaced while UDP is only being tried is replaced by TCP")
    func replacementWithinTrial() throws {
        let (dialogue, streams) = make(.automatic, mobile: true)
        begin(dialogue, streams, by: .tcp)
        dialogue.right.engine.settings.childLimit = 1
        streams.passesUDP = false
        streams.advance(by: .seconds(599))
        // The answer, that there is no room for a successor, comes when the trial has begun.
        let spi = try #require(dialogue.left.present.first)
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.pass(.seconds(2))
        #expect(dialogue.left.establishedIKESAs.first?.transport == .udp, "no trial is under way")
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        #expect(dialogue.left.openings.count == 1)
        streams.advance(by: .seconds(5))
        #expect(!dialogue.left.present.contains(spi))
        #expect(transports(dialogue) == [.tcp, .tcp] && dialogue.agree())
    }

    @Test("an IKE SA that is rekeyed while a connection is being opened asks for another in time")
    func rekeyWithinOpening() {
        let (dialogue, streams) = make(.automatic, mobile: true)
        begin(dialogue, streams)
        streams.passesUDP = false
        dialogue.handle(.probe(connection: "site"), at: dialogue.left)
        while dialogue.left.openings.isEmpty, !dialogue.left.establishedIKESAs.isEmpty {
            dialogue.left.outbox = []
            dialogue.tick()
        }
        dialogue.left.outbox = []
        #expect(dialogue.left.openings.count == 1, "no connection is asked for")
        streams.passesUDP = true
        dialogue.handle(.rekeyIKESA(connection: "site"), at: dialogue.right)
        dialogue.settle()
        #expect(dialogue.right.count { if case .ikeSARekeyed = $0 { true } else { false } } == 1)
        #expect(dialogue.left.openings.isEmpty)
        streams.passesUDP = false
        streams.advance(by: .seconds(120))
        #expect(transports(dialogue) == [.tcp, .tcp] && dialogue.agree())
    }

    @Test("an IKE SA that is closed while UDP is only being tried says so by the connection")
    func closeWithinTrial() {
        let (dialogue, streams) = make(.automatic, mobile: true)
        begin(dialogue, streams, by: .tcp)
        streams.passesUDP = false
        streams.advance(by: .seconds(601))
        #expect(dialogue.left.establishedIKESAs.first?.transport == .udp, "no trial is under way")
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.left)
        streams.settle()
        #expect(dialogue.right.establishedIKESAs.isEmpty && dialogue.right.present.isEmpty)
        #expect(dialogue.left.engine.status(at: dialogue.now).ikeSAs.isEmpty)
        #expect(streams.open.isEmpty)
    }

    @Test("what joined an attempt to go by UDP hears when that fails")
    func joinedTrial() {
        var settings = EngineSettings()
        settings.childLimit = 1
        var setup = Setup()
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        setup.adjustConnection = { $0.transport = TransportPolicy(.automatic) }
        let dialogue = Dialogue(setup, settings: settings)
        let streams = Streams(dialogue)
        begin(dialogue, streams, by: .tcp)
        streams.passesUDP = false
        var steps = 0
        // Until UDP is tried.
        let before = dialogue.sent.count { $0.transport == .udp }
        while dialogue.sent.count(where: { $0.transport == .udp }) == before, steps < 1000 {
            steps += 1
            streams.advance(by: .seconds(1))
        }
        #expect(steps < 1000)
        dialogue.handle(
            .initiate(IKEEvent.Initiation(connection: "site", child: "more")),
            at: dialogue.left
        )
        streams.settle()
        streams.advance(by: .seconds(60))
        #expect(dialogue.left.count { $0 == .udpStillBlocked } >= 1)
        #expect(!dialogue.left.failures.isEmpty || dialogue.agree(on: "more"))
        #expect(dialogue.agree() && transports(dialogue).allSatisfy { $0 == .tcp })
    }

    @Test("an answer that is lost with its connection leaves nobody on the old one")
    func answeredBeforeTheBreak() {
        let (dialogue, streams) = make()
        begin(dialogue, streams)
        dialogue.handle(.probe(connection: "site"), at: dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.right.outbox = []
        streams.breakAll()
        streams.settle()
        let here = dialogue.left.establishedIKESAs.first?.local
        #expect(dialogue.right.establishedIKESAs.first?.remote == here)
        #expect(dialogue.right.packetPath?.remote == here)
    }

    @Test("a connection that breaks while both ends rekey the IKE SA takes none along")
    func breakAmidCrossing() {
        for isOursFirst in [false, true] {
            let (dialogue, streams) = make()
            begin(dialogue, streams)
            dialogue.handle(.rekeyIKESA(connection: "site"), at: dialogue.left)
            dialogue.handle(.rekeyIKESA(connection: "site"), at: dialogue.right)
            if isOursFirst { dialogue.carry(from: dialogue.left, to: dialogue.right) }
            dialogue.carry(from: dialogue.right, to: dialogue.left)
            dialogue.left.outbox = []
            streams.breakAll()
            streams.settle()
            streams.advance(by: .seconds(400))
            #expect(dialogue.agree() && transports(dialogue) == [.tcp, .tcp])
            #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
            #expect(!dialogue.left.reports.contains { $0.event == .peerUnresponsive })
            #expect(!dialogue.right.reports.contains { $0.event == .peerUnresponsive })
        }
    }

    @Test("§2.21.2: over TCP too, a responder that is not believed hears so")
    func disbelief() {
        let (dialogue, streams) = make()
        var left = Setup()
        left.adjustConnection = { $0.transport = TransportPolicy(.tcp) }
        begin(dialogue, streams)
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.left)
        streams.settle()
        let before = dialogue.left.failures.count
        var isChanged = false
        var wasOpen = false
        dialogue.directedLink = { datagram, isFromLeft in
            if isFromLeft, isChanged, datagram.bytes[18] == 37 {
                wasOpen = dialogue.left.closings.isEmpty
            }
            // Our secret is another by the time that the answer to IKE_AUTH comes.
            if !isFromLeft, datagram.bytes[18] == 35, !isChanged {
                isChanged = true
                left.secret = "another"
                dialogue.left.absorb(
                    dialogue.left.engine.setConnections(
                        left.connections,
                        credentials: left.credentials,
                        changed: [],
                        at: dialogue.now
                    )
                )
            }
            return [datagram]
        }
        begin(dialogue, streams)
        #expect(isChanged && wasOpen)
        #expect(dialogue.left.failures.count == before + 1)
        #expect(dialogue.right.establishedIKESAs.isEmpty && dialogue.right.present.isEmpty)
        streams.advance(by: .seconds(30))
        #expect(streams.open.isEmpty && dialogue.left.engine.isIdle)
    }

    @Test("with MOBIKE, an IKE SA that lost its connection and went to UDP comes back to TCP")
    func backToAnother() {
        let (dialogue, streams) = make(.automatic, mobile: true)
        begin(dialogue, streams, by: .tcp)
        streams.passesTCP = false
        streams.breakAll()
        streams.advance(by: .seconds(60))
        #expect(transports(dialogue) == [.udp, .udp])
        streams.passesTCP = true
        streams.passesUDP = false
        for _ in 0..<3 {
            dialogue.handle(.probe(connection: "site"), at: dialogue.left)
            streams.advance(by: .seconds(300))
        }
        #expect(transports(dialogue) == [.tcp, .tcp] && dialogue.agree())
        #expect(!dialogue.left.reports.contains { $0.event == .peerUnresponsive })
    }
}
