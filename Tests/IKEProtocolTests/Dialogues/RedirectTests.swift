import IKEMessages
import IKEProtocol
import IPsecPrimitives
import Testing

/// RFC 5685 between two engines.
@Suite("Redirect")
struct RedirectTests {
    private let elsewhere = IPAddress("198.51.100.2")!

    private func open(
        _ moment: RedirectPolicy.Moment = .first,
        follows: Bool = true,
        target: RedirectTarget? = nil
    ) -> Dialogue {
        var near = Setup()
        near.redirection.follows = follows
        var far = Setup().mirrored
        far.redirection = RedirectPolicy(target: target ?? .address(elsewhere), moment: moment)
        return Dialogue(near, far)
    }

    /// Begins again where the redirection says.
    private func follow(_ dialogue: Dialogue) {
        for redirection in dialogue.left.redirections {
            guard case .address(let address) = redirection.target else { continue }
            for child in redirection.children {
                var wish = IKEEvent.Initiation(
                    connection: redirection.connection,
                    child: child,
                    remoteAddress: address
                )
                wish.redirectedFrom = redirection.from
                dialogue.handle(.initiate(wish), at: dialogue.left)
            }
        }
    }

    @Test("in IKE_SA_INIT: nothing is kept, and the initiator is told where to go")
    func initial() {
        let dialogue = open()
        dialogue.initiate()
        #expect(dialogue.sent.count == 2)
        #expect(dialogue.left.redirections.map(\.target) == [.address(elsewhere)])
        #expect(dialogue.left.redirections.first?.children == ["net"])
        #expect(dialogue.left.redirections.first?.from == IPAddress("192.0.2.2"))
        #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
        #expect(dialogue.left.engine.isIdle && dialogue.right.engine.isIdle)
    }

    @Test("whoever was sent by the other gateway says so, and may be sent on")
    func redirectedFrom() throws {
        let dialogue = open()
        dialogue.initiate()
        dialogue.left.outbox = []
        follow(dialogue)
        let request = try #require(dialogue.left.outbox.first)
        #expect(request.remote.address == elsewhere)
        let message = try IKEMessage(reading: request.bytes)
        let notifies = message.payloads.compactMap {
            if case .notify(let notify) = $0 { notify } else { nil }
        }
        let from = notifies.first { $0.type == .redirectedFrom }
        #expect(from?.data == [1, 4, 192, 0, 2, 2])
        #expect(!notifies.contains { $0.type == .redirectSupported })
    }

    @Test("an initiator that does not know redirects, or must not follow, is served")
    func unsupported() {
        let dialogue = open(follows: false)
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(dialogue.left.redirections.isEmpty)
    }

    @Test("a REDIRECT with another nonce is discarded, and the true answer is taken")
    func otherNonce() {
        let dialogue = open()
        dialogue.link = { datagram in
            guard datagram.local.address == IPAddress("192.0.2.2") else { return [datagram] }
            var forged = datagram
            forged.bytes[forged.bytes.count - 1] ^= 1
            return [forged]
        }
        dialogue.initiate()
        #expect(dialogue.left.redirections.isEmpty)
        dialogue.link = { [$0] }
        dialogue.advance(by: .seconds(5))
        #expect(dialogue.left.redirections.count == 1)
    }

    @Test("in IKE_AUTH: both ends are proven, there is no child, and the SA ends")
    func proven() {
        let dialogue = open(.proven)
        dialogue.initiate()
        #expect(dialogue.left.redirections.map(\.target) == [.address(elsewhere)])
        #expect(dialogue.left.installed.isEmpty && dialogue.right.installed.isEmpty)
        #expect(dialogue.left.establishedIKESAs.isEmpty)
        #expect(dialogue.right.establishedIKESAs.isEmpty)
        #expect(dialogue.left.failures.isEmpty)
    }

    @Test("a name may stand for the other gateway")
    func name() {
        let dialogue = open(.proven, target: .name("vpn2.example.org"))
        dialogue.initiate()
        #expect(dialogue.left.redirections.map(\.target) == [.name("vpn2.example.org")])
    }

    @Test("within a session: the old SAs stay until the new ones had time to come up")
    func activeSession() {
        let dialogue = open()
        var far = Setup().mirrored
        dialogue.configure(dialogue.right, far)
        dialogue.initiate()
        #expect(dialogue.agree())
        far.redirection.target = .address(elsewhere)
        dialogue.configure(dialogue.right, far)
        dialogue.settle()
        #expect(dialogue.left.redirections.map(\.children) == [["net"]])
        #expect(dialogue.agree())
        follow(dialogue)
        #expect(dialogue.left.outbox.first?.remote.address == elsewhere)
        dialogue.left.outbox = []
        dialogue.advance(by: .seconds(12))
        #expect(dialogue.right.present.isEmpty)
        #expect(dialogue.right.count { if case .ikeSAClosed = $0 { true } else { false } } == 1)
    }

    @Test("within a session: what is being made there goes along")
    func activeSessionAmidAnExchange() {
        var near = Setup()
        near.redirection.follows = true
        near.children = [
            "net": ("10.1.0.0/16", "10.2.0.0/16"), "lab": ("10.3.0.0/16", "10.4.0.0/16"),
        ]
        var far = near.mirrored
        let dialogue = Dialogue(near, far)
        dialogue.initiate()
        dialogue.begin(dialogue.left, "lab")
        let request = dialogue.left.outbox
        dialogue.left.outbox = []
        far.redirection.target = .address(elsewhere)
        dialogue.configure(dialogue.right, far)
        dialogue.settle()
        for datagram in request { dialogue.deliver(datagram, to: dialogue.right) }
        dialogue.settle()
        #expect(dialogue.left.redirections.map(\.children) == [["lab", "net"]])
    }

    @Test("the responder of the session cannot be sent anywhere")
    func onlyTheInitiator() {
        var near = Setup()
        near.redirection.follows = true
        let dialogue = Dialogue(near, near.mirrored)
        dialogue.initiate()
        near.redirection.target = .address(elsewhere)
        dialogue.configure(dialogue.left, near)
        dialogue.settle()
        #expect(dialogue.right.redirections.isEmpty)
        #expect(dialogue.agree())
    }

    @Test("after five redirects within five minutes the sixth is not believed")
    func loop() {
        let dialogue = open()
        for _ in 0..<5 { dialogue.initiate() }
        #expect(dialogue.left.redirections.count == 5 && dialogue.left.failures.isEmpty)
        dialogue.initiate()
        #expect(dialogue.left.redirections.count == 5)
        #expect(dialogue.left.failures.first?.explanation.contains("after 5 redirects") == true)
        dialogue.advance(by: .seconds(301))
        dialogue.initiate()
        #expect(dialogue.left.redirections.count == 6)
    }

    /// The right end has another connection in front of the peer's, for any address as well.
    private func openBeside(
        _ other: RedirectPolicy,
        otherProposals: [String] = Setup().ikeProposals,
        own: RedirectPolicy
    ) -> Dialogue {
        var near = Setup()
        near.redirection.follows = true
        var far = Setup().mirrored
        far.redirection = own
        far.adjustConnection = { $0.remoteAddress = nil }
        var beside = far
        beside.redirection = other
        beside.remoteIdentity = "other.example"
        beside.ikeProposals = otherProposals
        beside.adjustConnection = { connection in
            connection.name = "other"
            connection.remoteAddress = nil
        }
        let dialogue = Dialogue(near, far)
        dialogue.right.absorb(
            dialogue.right.engine.setConnections(
                beside.connections + far.connections,
                credentials: far.credentials,
                at: dialogue.now
            )
        )
        return dialogue
    }

    @Test("a first message that may be of another connection's peer is not sent where that one is")
    func ofAnotherConnection() {
        let dialogue = openBeside(
            RedirectPolicy(target: .address(elsewhere)),
            own: RedirectPolicy()
        )
        dialogue.initiate()
        #expect(dialogue.left.redirections.isEmpty)
        #expect(dialogue.agree())
    }

    @Test("a connection that takes nothing of the offer says nothing of where its peer goes")
    func ofOneThatCannotBeMeant() {
        let others = ["chacha20poly1305-prfsha256-x25519"]
        let sending = RedirectPolicy(target: .address(elsewhere))
        let served = openBeside(sending, otherProposals: others, own: RedirectPolicy())
        served.initiate()
        #expect(served.agree())
        let sent = openBeside(RedirectPolicy(), otherProposals: others, own: sending)
        sent.initiate()
        #expect(sent.left.redirections.map(\.target) == [.address(elsewhere)])
        #expect(sent.sent.count == 2)
    }

    @Test("a peer that its first message does not tell is sent away as soon as it is proven")
    func onceItIsKnown() {
        let sending = RedirectPolicy(target: .address(elsewhere))
        let dialogue = openBeside(RedirectPolicy(), own: sending)
        dialogue.initiate()
        #expect(dialogue.left.redirections.map(\.target) == [.address(elsewhere)])
        #expect(dialogue.left.installed.isEmpty && dialogue.right.installed.isEmpty)
        #expect(dialogue.right.establishedIKESAs.isEmpty && dialogue.left.failures.isEmpty)
        let all = openBeside(sending, own: sending)
        all.initiate()
        #expect(all.left.redirections.map(\.target) == [.address(elsewhere)])
        #expect(all.sent.count == 2)
    }

    @Test("nor is one sent back, once it is proven, that comes from there")
    func noPingPongOnceItIsKnown() {
        let dialogue = openBeside(
            RedirectPolicy(),
            own: RedirectPolicy(target: .address(elsewhere))
        )
        var wish = IKEEvent.Initiation(connection: "site", child: "net")
        wish.redirectedFrom = elsewhere
        dialogue.handle(.initiate(wish), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.agree())
    }

    @Test("a client that comes from where it would be sent is served")
    func noPingPong() {
        let dialogue = open()
        var wish = IKEEvent.Initiation(connection: "site", child: "net")
        wish.redirectedFrom = elsewhere
        dialogue.handle(.initiate(wish), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.agree())
    }

    @Test("within a session: what was lost with an IKE SA that is rekeyed is said again")
    func lostBeforeARekeying() {
        let dialogue = open()
        var far = Setup().mirrored
        dialogue.configure(dialogue.right, far)
        dialogue.initiate()
        far.redirection.target = .address(elsewhere)
        dialogue.configure(dialogue.right, far)
        dialogue.right.outbox = []
        dialogue.handle(.rekeyIKESA(connection: "site"), at: dialogue.left)
        dialogue.settle()
        dialogue.advance(by: .seconds(5))
        #expect(dialogue.left.redirections.map(\.children) == [["net"]])
    }

    @Test("whoever was sent elsewhere waits for nothing that is on its way to the first gateway")
    func besideAnother() {
        let dialogue = open()
        dialogue.begin(dialogue.left)
        dialogue.left.outbox = []
        var wish = IKEEvent.Initiation(
            connection: "site",
            child: "net",
            remoteAddress: elsewhere
        )
        wish.redirectedFrom = IPAddress("192.0.2.2")
        dialogue.handle(.initiate(wish), at: dialogue.left)
        #expect(dialogue.left.outbox.map(\.remote.address) == [elsewhere])
    }
}
