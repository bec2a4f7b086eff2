import IKEProtocol
import IPsecPrimitives
import Testing

@Suite("NATs, cookies and bad input")
struct AbuseTests {
    @Test("forced UDP moves both ends to port 4500", arguments: [true, false])
    func forcedEncapsulation(byLeft: Bool) {
        var left = Setup()
        var right = Setup().mirrored
        if byLeft { left.encapsulation = .udp } else { right.encapsulation = .udp }
        let dialogue = Dialogue(left, right)
        dialogue.initiate()
        #expect(dialogue.agree())
        let path = dialogue.left.activeChild("net")?.path
        #expect(path?.isEncapsulated == true && path?.local.port == 4500)
        #expect(dialogue.right.activeChild("net")?.path.isEncapsulated == true)
    }

    @Test(
        "who copies IKE_AUTH and is faster than its sender is not taken for the peer",
        arguments: [true, false]
    )
    func copiedAuthentication(isTold: Bool) throws {
        let dialogue = Dialogue()
        let stranger = Endpoint(address: try #require(IPAddress("203.0.113.66")), port: 4500)
        dialogue.link = { datagram in
            let isRequest = datagram.bytes[18] == 35 && datagram.bytes[19] & 0x20 == 0
            guard isRequest else { return [datagram] }
            var copy = datagram
            copy.local = stranger
            return isTold ? [copy, datagram] : [copy]
        }
        dialogue.initiate()
        #expect(!dialogue.sent.contains { $0.remote == stranger })
        #expect(dialogue.agree() == isTold)
        #expect(dialogue.right.engine.counters.dropped(.unexpectedSource) > 0)
        if isTold {
            #expect(dialogue.right.activeChild("net")?.path.remote.address == dialogue.left.address)
        }
    }

    @Test("a NAT is found, kept open and followed when its mapping changes")
    func translation() {
        let dialogue = Dialogue()
        var mapped: UInt16 = 40_000
        let inside = dialogue.left.address
        let outside = IPAddress("203.0.113.9")!
        var right = Setup().mirrored
        right.remoteAddress = "203.0.113.9"
        dialogue.configure(dialogue.right, right)
        dialogue.link = { datagram in
            var datagram = datagram
            if datagram.local.address == inside {
                datagram.local = Endpoint(
                    address: outside,
                    port: mapped &+ datagram.local.port / 4500
                )
            } else {
                datagram.remote = Endpoint(
                    address: inside,
                    port: datagram.local.port
                )
            }
            return [datagram]
        }
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(dialogue.left.activeChild("net")?.path.isEncapsulated == true)
        #expect(dialogue.right.activeChild("net")?.path.remote.port == 40_001)
        dialogue.advance(by: .seconds(25))
        #expect(dialogue.left.keepalives >= 1 && dialogue.right.keepalives == 0)
        mapped = 50_000
        dialogue.advance(by: .seconds(60))
        #expect(dialogue.right.endpointUpdates.last?.remote.port == 50_001)
        #expect(dialogue.agree())
    }

    @Test("a COOKIE is demanded above the threshold, and answered")
    func cookies() {
        var settings = EngineSettings()
        settings.cookieThreshold = 0
        let dialogue = Dialogue(settings: settings)
        dialogue.initiate()
        #expect(dialogue.sent.count == 6)
        #expect(dialogue.agree())
        #expect(dialogue.left.count { $0 == .cookieDemandedByPeer } == 1)
    }

    @Test("half-open SAs are bounded and end")
    func halfOpenLimit() {
        var settings = EngineSettings()
        settings.halfOpenLimitPerAddress = 5
        let dialogue = Dialogue(settings: settings)
        for seed in UInt64(100)..<120 {
            let stranger = Party("left", "192.0.2.1", settings: settings, seed: seed)
            dialogue.configure(stranger, Setup())
            dialogue.begin(stranger)
            dialogue.carry(from: stranger, to: dialogue.right)
        }
        dialogue.right.outbox = []
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 5)
        #expect(dialogue.right.engine.counters.dropped(.halfOpenLimit) == 15)
        dialogue.advance(by: .seconds(40))
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 0)
    }

    @Test("a request that comes again gets the same octets again")
    func repeatedRequests() {
        let dialogue = Dialogue()
        dialogue.initiate()
        let fromLeft = dialogue.sent.filter { $0.local.address == dialogue.left.address }
        let answer = dialogue.sent.last
        if let last = fromLeft.last { dialogue.deliver(last, to: dialogue.right) }
        #expect(dialogue.right.outbox.map(\.bytes) == [answer?.bytes])
        #expect(dialogue.right.present.count == 1)
    }

    @Test("replayed, cut, changed and random datagrams harm nothing")
    func badInput() {
        let dialogue = Dialogue()
        dialogue.initiate()
        let recorded = dialogue.sent
        var random = SeededRandomSource(seed: 5)
        for datagram in recorded {
            for party in [dialogue.left, dialogue.right] {
                for length in stride(from: 0, to: datagram.bytes.count, by: 7) {
                    var cut = datagram
                    cut.bytes = Array(datagram.bytes.prefix(length))
                    dialogue.deliver(cut, to: party)
                }
                for _ in 0..<300 {
                    var changed = datagram
                    let index = Int(random.next32()) % changed.bytes.count
                    changed.bytes[index] ^= UInt8(1 << (random.next32() % 8))
                    dialogue.deliver(changed, to: party)
                }
                dialogue.deliver(datagram, to: party)
                var noise = datagram
                noise.bytes = random.bytes(200)
                dialogue.deliver(noise, to: party)
                party.outbox = []
            }
        }
        #expect(dialogue.agree())
        #expect(dialogue.left.establishedIKESAs.count == 1)
        #expect(dialogue.right.establishedIKESAs.count == 1)
        #expect(dialogue.right.engine.counters.dropped(.unexpectedMessageID) > 0)
        dialogue.handle(.terminate(connection: "site", child: "net"), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.right.present.isEmpty)
    }

    @Test("a forgery that arrives before each true message changes nothing")
    func forgeriesFirst() {
        let dialogue = Dialogue()
        dialogue.link = { datagram in
            var forged = datagram
            forged.bytes[forged.bytes.count - 1] ^= 1
            return forged.bytes[18] == 34 ? [datagram] : [forged, datagram]
        }
        dialogue.initiate()
        dialogue.handle(.terminate(connection: "site", child: "net"), at: dialogue.left)
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(dialogue.right.engine.counters.dropped(.unauthentic) > 1)
        #expect(dialogue.left.engine.counters.dropped(.unauthentic) > 1)
    }
}
