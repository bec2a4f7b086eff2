import IKEMessages
import IPsecPrimitives
import Testing

@Suite("A first look at a first request")
struct InitRequestOutlineTests {
    private func message(_ payloads: [Payload]) -> [UInt8] {
        let header = MessageHeader(
            initiatorSPI: IKESPI(rawValue: 1),
            responderSPI: .zero,
            exchangeType: .ikeSAInit,
            isFromOriginalInitiator: true,
            isResponse: false,
            messageID: 0
        )
        return IKEMessage.serialise(header, payloads: payloads)
    }

    private let nonce = [UInt8](repeating: 7, count: 20)
    private let cookie: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 9]

    @Test("finds what the whole reading finds")
    func finds() throws {
        let bytes = message([
            .notify(NotifyPayload(.fragmentationSupported)),
            .notify(NotifyPayload(.cookie, data: cookie)),
            .puzzleSolution(try #require(PuzzleSolutionPayload(data: [1, 2, 3, 4]))),
            .nonce(NoncePayload(nonce: nonce)),
            .vendorID(VendorIDPayload(identifier: [1])),
        ])
        let outline = try #require(InitRequestOutline(of: bytes))
        #expect(outline.cookie.map { Array(bytes[$0]) } == cookie)
        #expect(Array(bytes[outline.nonce]) == nonce)
        #expect(outline.hasPuzzleSolution)
    }

    @Test("without a cookie there is none, and without a nonce nothing")
    func missing() {
        let plain = message([.nonce(NoncePayload(nonce: nonce))])
        #expect(InitRequestOutline(of: plain)?.cookie == nil)
        #expect(InitRequestOutline(of: plain) != nil)
        #expect(InitRequestOutline(of: message([.notify(NotifyPayload(.cookie))])) == nil)
        #expect(InitRequestOutline(of: []) == nil)
    }

    @Test("versions differ in cookie and puzzle solution alone")
    func versions() throws {
        let rest: [Payload] = [
            .nonce(NoncePayload(nonce: nonce)), .vendorID(VendorIDPayload(identifier: [1])),
        ]
        let solution = try #require(PuzzleSolutionPayload(data: [1, 2, 3, 4]))
        let same = InitRequestOutline.sameInEachVersion(of: message(rest))
        #expect(same != nil)
        for added: [Payload] in [
            [.notify(NotifyPayload(.cookie, data: cookie))],
            [.notify(NotifyPayload(.cookie, data: [1])), .puzzleSolution(solution)],
        ] {
            #expect(InitRequestOutline.sameInEachVersion(of: message(added + rest)) == same)
            let behind = message(rest + added)
            #expect(InitRequestOutline.sameInEachVersion(of: behind) == same)
        }
        let others: [[Payload]] = [
            [.nonce(NoncePayload(nonce: nonce + [0])), rest[1]], [rest[1], rest[0]], [rest[0]],
            rest + [.notify(NotifyPayload(.fragmentationSupported))],
        ]
        for other in others {
            #expect(InitRequestOutline.sameInEachVersion(of: message(other)) != same)
        }
        #expect(InitRequestOutline.sameInEachVersion(of: Array(message(rest).dropLast())) == nil)
        #expect(InitRequestOutline.sameInEachVersion(of: []) == nil)
    }

    @Test("every message that reads whole has an outline; cut and changed ones harm nothing")
    func total() {
        var random = SeededRandomSource(seed: 3)
        let bytes = message([
            .notify(NotifyPayload(.cookie, data: cookie)), .nonce(NoncePayload(nonce: nonce)),
        ])
        for length in 0..<bytes.count {
            #expect(InitRequestOutline(of: Array(bytes.prefix(length))) == nil)
        }
        for _ in 0..<5000 {
            var changed = bytes
            changed[Int(random.next32()) % bytes.count] = UInt8(random.next32() & 255)
            let outline = InitRequestOutline(of: changed)
            if let whole = try? IKEMessage(reading: changed), whole.protection == .none,
                whole.payloads.contains(where: { if case .nonce = $0 { true } else { false } })
            {
                #expect(outline != nil)
            }
        }
    }
}
