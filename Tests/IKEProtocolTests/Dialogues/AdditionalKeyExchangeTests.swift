import IKEMessages
import IPsecPrimitives
import Testing

@testable import IKEProtocol

@Suite("Additional key exchanges of an IKE SA (RFC 9242, RFC 9370)")
struct AdditionalKeyExchangeTests {
    private func setup(_ proposals: String...) -> Setup {
        var setup = Setup()
        setup.ikeProposals = proposals.map { "aes256gcm16-prfsha256-\($0)" }
        return setup
    }

    private func suite(_ party: Party) -> String? { party.establishedIKESAs.first?.suite }

    private func intermediates(_ dialogue: Dialogue) -> Int {
        let type = ExchangeType.ikeIntermediate.rawValue
        return Set(
            dialogue.sent.filter { $0.bytes[18] == type }.map { Array($0.bytes[19..<24]) }
        ).count
    }

    @Test(
        "each method, alone and with others",
        arguments: [
            ("x25519-ke1_mlkem768", 1), ("x25519-ke1_mlkem1024", 1), ("ecp384-ke3_x25519", 1),
            ("x25519-ke1_mlkem768-ke2_ecp384", 2),
            ("x25519-ke1_mlkem768-ke2_ecp384-ke3_ecp256-ke7_mlkem1024", 4),
        ]
    )
    func methods(text: String, exchanges: Int) {
        let dialogue = Dialogue(setup(text))
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(intermediates(dialogue) == 2 * exchanges)
        #expect(suite(dialogue.left) == "aes256gcm16-prfsha256-\(text)")
        #expect(suite(dialogue.right) == suite(dialogue.left))
        #expect(dialogue.sent.allSatisfy { $0.bytes.count + 28 <= 1280 })
    }

    @Test("ML-KEM as the first key exchange", arguments: ["mlkem768", "mlkem1024"])
    func firstKeyExchange(method: String) {
        let dialogue = Dialogue(setup(method))
        dialogue.initiate()
        #expect(dialogue.agree() && dialogue.sent.count == 4)
    }

    @Test("every pseudorandom function and kind of cipher")
    func ciphers() {
        for text in ["aes128-sha384-prfsha512", "chacha20poly1305-prfsha384"] {
            var setup = Setup()
            setup.ikeProposals = ["\(text)-x25519-ke1_mlkem768-ke2_ecp256"]
            let dialogue = Dialogue(setup)
            dialogue.initiate()
            #expect(dialogue.agree())
        }
    }

    @Test("the children and later exchanges use the last keys")
    func later() {
        var left = setup("x25519-ke1_mlkem768")
        left.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        let dialogue = Dialogue(left)
        dialogue.initiate("net")
        dialogue.initiate("more")
        #expect(dialogue.agree(on: "net") && dialogue.agree(on: "more"))
    }

    @Test(
        "what is optional is left out where the other end does not have it",
        arguments: [
            ("x25519-ke1_mlkem768-ke1_none", "x25519", "x25519"),
            ("x25519", "x25519-ke1_mlkem768-ke1_none", "x25519"),
            ("x25519-ke1_mlkem1024-ke1_mlkem768", "x25519-ke1_mlkem768", "x25519-ke1_mlkem768"),
            ("x25519-ke1_none-ke2_mlkem768", "x25519-ke2_mlkem768", "x25519-ke1_none-ke2_mlkem768"),
        ]
    )
    func optional(left: String, right: String, result: String) {
        let dialogue = Dialogue(setup(left), setup(right).mirrored)
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(
            suite(dialogue.left)?.replacing("-ke1_none", with: "")
                == "aes256gcm16-prfsha256-" + result.replacing("-ke1_none", with: "")
        )
    }

    @Test("RFC 9370 §2.2.1: the choice has no method twice, whatever the order of preference")
    func distinct() {
        // The example of the RFC: AKE2 and AKE3 offer both methods.
        let left = setup("x25519-ke2_mlkem768-ke2_mlkem1024-ke3_mlkem768-ke3_mlkem1024")
        let right = setup("x25519-ke2_mlkem768-ke2_mlkem1024-ke3_mlkem768").mirrored
        let dialogue = Dialogue(left, right)
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(
            suite(dialogue.left) == "aes256gcm16-prfsha256-x25519-ke2_mlkem1024-ke3_mlkem768"
        )
    }

    @Test("a proposal with what the peer cannot do is skipped")
    func fallback() {
        let dialogue = Dialogue(setup("x25519-ke1_mlkem768", "x25519"), setup("x25519").mirrored)
        dialogue.initiate()
        #expect(dialogue.agree() && suite(dialogue.left) == "aes256gcm16-prfsha256-x25519")
    }

    @Test("what differs is named on both sides")
    func mismatch() {
        let left = setup("x25519-ke1_mlkem1024")
        let right = setup("x25519-ke1_mlkem768").mirrored
        let dialogue = Dialogue(left, right)
        dialogue.initiate()
        dialogue.advance(by: .seconds(5))
        let failure = dialogue.right.failures.first
        #expect(failure?.subject == .ikeProposal)
        #expect(
            failure?.nearest?.contains(
                "additional key exchange 1: they offer ke1_mlkem1024, we accept ke1_mlkem768"
            ) == true,
            "\(failure?.nearest ?? "")"
        )
        #expect(failure?.source == "right.example.yaml:10")
        #expect(dialogue.left.failures.first?.subject == .ikeProposal)
        #expect(!dialogue.agree())
    }

    @Test("an end that wants an additional exchange refuses one that offers none")
    func demanded() {
        let dialogue = Dialogue(setup("x25519"), setup("x25519-ke1_mlkem768").mirrored)
        dialogue.initiate()
        dialogue.advance(by: .seconds(5))
        let failure = dialogue.right.failures.first
        #expect(
            failure?.nearest?.contains("they offer none, we accept ke1_mlkem768") == true,
            "\(failure?.nearest ?? "")"
        )
        #expect(!dialogue.agree())
    }

    @Test("any lost datagram costs a retransmission only", arguments: 0..<10)
    func loss(of index: Int) {
        let dialogue = Dialogue(setup("x25519-ke1_mlkem1024-ke2_ecp256"))
        var count = 0
        dialogue.link = { datagram in
            defer { count += 1 }
            return count == index ? [] : [datagram]
        }
        dialogue.initiate()
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.agree())
        #expect(dialogue.left.engine.counters.retransmitted == 1)
    }

    /// The responder has new keys by then; the request it is asked to answer again has old ones.
    @Test("a lost answer, and a request that comes again in smaller fragments")
    func smallPathAndLostAnswers() {
        let dialogue = Dialogue(setup("x25519-ke1_mlkem1024"))
        var dropped = 0
        dialogue.link = { datagram in
            let isAnswer = datagram.local.address == IPAddress("192.0.2.2")
            if isAnswer, datagram.isFragment, dropped < 4 {
                dropped += 1
                return []
            }
            return [datagram]
        }
        dialogue.initiate()
        dialogue.advance(by: .seconds(60))
        #expect(dialogue.agree())
    }

    @Test("a path of 576 octets")
    func smallPath() {
        let dialogue = Dialogue(setup("x25519-ke1_mlkem1024-ke2_ecp384"))
        dialogue.link = { $0.bytes.count + 28 <= 576 ? [$0] : [] }
        dialogue.initiate()
        dialogue.advance(by: .seconds(60))
        #expect(dialogue.agree())
    }

    @Test("everything twice and in the wrong order")
    func disorder() {
        let dialogue = Dialogue(setup("x25519-ke1_mlkem768-ke2_mlkem1024"))
        dialogue.link = { [$0, $0] }
        dialogue.initiate()
        #expect(dialogue.agree())
        for datagram in dialogue.sent.reversed() {
            dialogue.deliver(datagram, to: dialogue.right)
            dialogue.deliver(datagram, to: dialogue.left)
        }
        #expect(dialogue.right.establishedIKESAs.count == 1)
        #expect(dialogue.right.children.count == 1)
    }

    @Test("IKE_AUTH before the key exchanges that were agreed on is not believed")
    func skipped() {
        let dialogue = Dialogue(setup("x25519-ke1_mlkem768"))
        dialogue.begin(dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        // An initiator that believes that none was agreed on: same keys, other state.
        let sa = dialogue.right.engine.sas.all().first
        guard case .halfOpen(let state)? = sa?.state else {
            Issue.record("not half-open")
            return
        }
        #expect(state.remaining.count == 1)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        guard let mine = dialogue.left.engine.sas.all().first,
            case .exchangingKeys(let left) = mine.state
        else {
            Issue.record("not exchanging keys")
            return
        }
        dialogue.left.outbox = []
        mine.requests.remove(1)
        mine.requests.nextMessageID = 1
        dialogue.left.engine.effects = []
        dialogue.left.engine.exchangeKeys(
            [],
            mine,
            left.keys,
            left.transcript,
            wanted: left.wanted,
            at: dialogue.now
        )
        dialogue.left.absorb(dialogue.left.engine.effects)
        dialogue.left.engine.effects = []
        dialogue.settle()
        #expect(dialogue.right.establishedIKESAs.isEmpty && dialogue.right.children.isEmpty)
        #expect(dialogue.right.engine.counters.dropped(.unexpectedExchange) > 0)
    }

    @Test("closing while keys are exchanged leaves nothing behind")
    func closed() {
        let dialogue = Dialogue(setup("x25519-ke1_mlkem768"))
        dialogue.begin(dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        dialogue.left.outbox = []
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.left)
        #expect(dialogue.left.engine.isIdle)
        dialogue.advance(by: .seconds(120))
        #expect(dialogue.left.engine.sas.count == 0 && dialogue.right.engine.sas.count == 0)
    }
}

@Suite("Downgrade prevention")
struct DowngradePreventionTests {
    /// Changes the first request on its way, as the draft's §4 has it: SHA-1 hashes of addresses
    /// are not involved, so the request stays well-formed.
    private func dialogue(leftSigns: Bool, rightSigns: Bool) -> Dialogue {
        var left = Setup()
        left.signsFullTranscript = leftSigns
        var right = left.mirrored
        right.signsFullTranscript = rightSigns
        return Dialogue(left, right)
    }

    @Test("either end may not know it", arguments: [true, false], [true, false])
    func combinations(left: Bool, right: Bool) {
        let dialogue = dialogue(leftSigns: left, rightSigns: right)
        dialogue.initiate()
        #expect(dialogue.agree())
        for party in [dialogue.left, dialogue.right] {
            let sa = party.engine.sas.all().first
            #expect(sa?.agreed.contains(.fullTranscript) == (left && right))
        }
    }

    /// The number of a status notification that both ends skip, in place of the one that counts.
    private func strip(_ datagram: IKEDatagram) -> IKEDatagram {
        var changed = datagram
        let number: [UInt8] = [0x40, 0x3f]
        for index in 28..<max(28, changed.bytes.count - 1)
        where changed.bytes[index] == number[0] && changed.bytes[index + 1] == number[1]
            && changed.bytes[index - 2] == 0 && changed.bytes[index - 1] == 0
        {
            changed.bytes[index + 1] = 0xff
        }
        return changed
    }

    @Test("taking the notification away is noticed", arguments: [true, false])
    func stripped(inRequest: Bool) {
        let dialogue = dialogue(leftSigns: true, rightSigns: true)
        dialogue.link = { datagram in
            let isRequest = datagram.local.address == IPAddress("192.0.2.1")
            let isInit = datagram.bytes[18] == ExchangeType.ikeSAInit.rawValue
            return isInit && isRequest == inRequest ? [strip(datagram)] : [datagram]
        }
        dialogue.initiate()
        #expect(!dialogue.agree())
        #expect(dialogue.left.establishedIKESAs.isEmpty)
    }
}
