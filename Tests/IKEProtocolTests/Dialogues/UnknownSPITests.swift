import IKEMessages
import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// INVALID_SPI (RFC 7296 §1.5, §2.21.4).
@Suite("Packets by an SPI that nobody has")
struct UnknownSPITests {
    private let stray = SPI(rawValue: 0xDEAD_BEEF)

    private func connect() -> Dialogue {
        let dialogue = Dialogue()
        dialogue.initiate()
        #expect(dialogue.agree())
        return dialogue
    }

    private func endpoint(_ party: Party, port: UInt16 = 0) -> Endpoint {
        Endpoint(address: party.address, port: port)
    }

    /// INVALID_SPI in clear, as an end without any state sends it.
    private func hint(_ spi: SPI, from sender: Party, to receiver: Party) -> IKEDatagram {
        let header = MessageHeader(
            initiatorSPI: .zero,
            responderSPI: .zero,
            exchangeType: .informational,
            isFromOriginalInitiator: true,
            isResponse: false,
            messageID: 0
        )
        return IKEDatagram(
            bytes: IKEMessage.serialise(
                header,
                payloads: [.notify(NotifyPayload(unknownSPI: spi))]
            ),
            local: endpoint(sender, port: 500),
            remote: endpoint(receiver, port: 500)
        )
    }

    @Test("the peer is told over the IKE SA, once in a while however many come")
    func told() {
        let dialogue = connect()
        let before = dialogue.sent.count
        for _ in 0..<100 {
            dialogue.handle(
                .unknownSPI(stray, from: endpoint(dialogue.left)),
                at: dialogue.right
            )
            dialogue.settle()
        }
        #expect(dialogue.sent.count == before + 2)
        #expect(dialogue.right.count { $0 == .unknownSPI(stray) } == 1)
        // Of no SA of the peer's: worth a line, and nothing else.
        #expect(dialogue.left.count { $0 == .errorFromPeer(notify: "INVALID_SPI") } == 1)
        #expect(dialogue.agree())
        dialogue.advance(by: .seconds(61))
        dialogue.handle(.unknownSPI(stray, from: endpoint(dialogue.left)), at: dialogue.right)
        dialogue.settle()
        #expect(dialogue.right.count { $0 == .unknownSPI(stray) } == 2)
    }

    @Test("from where no IKE SA leads there is no answer, nor to another port of a NAT")
    func silent() throws {
        let dialogue = connect()
        let before = dialogue.sent.count
        let stranger = Endpoint(address: try #require(IPAddress("198.51.100.9")), port: 0)
        for remote in [stranger, endpoint(dialogue.left, port: 31337)] {
            dialogue.handle(.unknownSPI(stray, from: remote), at: dialogue.right)
        }
        dialogue.settle()
        #expect(dialogue.sent.count == before)
    }

    @Test("an SPI that this end holds is not complained of")
    func own() throws {
        let dialogue = connect()
        let before = dialogue.sent.count
        let spi = try #require(dialogue.right.present.first)
        dialogue.handle(.unknownSPI(spi, from: endpoint(dialogue.left)), at: dialogue.right)
        dialogue.settle()
        #expect(dialogue.sent.count == before)
    }

    @Test("where the peer has lost a child, the complaint brings another, and traffic moves there")
    func lostChild() throws {
        let dialogue = connect()
        let lost = try #require(dialogue.right.activeChild("net"))
        let engine = dialogue.right.engine
        let sa = try #require(engine.sas.all().first)
        let state = try #require(sa.established)
        // The right end forgets the pair, as a fault of its packet path might make it.
        engine.removeChild(lost.inboundSPI, of: sa)
        dialogue.handle(.timeout, at: dialogue.right)
        #expect(state.children.isEmpty && !dialogue.agree())
        dialogue.handle(
            .unknownSPI(lost.inboundSPI, from: endpoint(dialogue.left)),
            at: dialogue.right
        )
        dialogue.settle()
        #expect(
            dialogue.left.count { $0 == .childSAUnknownToPeer(outboundSPI: lost.inboundSPI) } == 1
        )
        dialogue.advance(by: .seconds(5))
        #expect(dialogue.agree())
        #expect(dialogue.left.activeChild("net")?.outboundSPI != lost.inboundSPI)
    }

    @Test("a hint in clear is never answered; with an SPI that is right the peer is asked, once")
    func hints() throws {
        let dialogue = connect()
        let right = dialogue.right
        for _ in 0..<10 { dialogue.deliver(hint(stray, from: dialogue.left, to: right), to: right) }
        #expect(right.outbox.isEmpty)
        let spi = try #require(right.activeChild("net")).outboundSPI
        for _ in 0..<10 { dialogue.deliver(hint(spi, from: dialogue.left, to: right), to: right) }
        #expect(right.outbox.count == 1)
        let question = try #require(right.outbox.first)
        #expect(try IKEMessage(reading: question.bytes).protection != .none)
        dialogue.settle()
        #expect(dialogue.agree())
        #expect(right.count { $0 == .childSAUnknownToPeer(outboundSPI: spi) } == 0)
    }

    @Test("a forged hint does not keep the peer's own complaint from being heard")
    func hintBeforeComplaint() throws {
        let dialogue = connect()
        let right = dialogue.right
        let spi = try #require(right.activeChild("net")).outboundSPI
        dialogue.deliver(hint(spi, from: dialogue.left, to: right), to: right)
        dialogue.settle()
        let sa = try #require(dialogue.left.engine.sas.all().first)
        dialogue.left.engine.removeChild(spi, of: sa)
        dialogue.handle(.timeout, at: dialogue.left)
        dialogue.handle(.unknownSPI(spi, from: endpoint(right)), at: dialogue.left)
        dialogue.settle()
        #expect(right.count { $0 == .childSAUnknownToPeer(outboundSPI: spi) } == 1)
        dialogue.advance(by: .seconds(5))
        #expect(dialogue.agree())
    }

    @Test("an IKE SA is found where its peer has moved to")
    func moved() {
        let dialogue = connect()
        let engine = dialogue.right.engine
        let sas = engine.sas
        let there = Endpoint(address: IPAddress("203.0.113.7")!, port: 4500)
        #expect(sas.current(with: endpoint(dialogue.left)) != nil)
        guard let sa = sas.all().first else { return }
        sas.move(sa, to: IKEPath(local: sa.path.local, remote: there))
        #expect(sas.current(with: endpoint(dialogue.left)) == nil)
        #expect(sas.current(with: there) === sa)
        sas.remove(sa)
        #expect(sas.current(with: there) == nil)
    }
}
