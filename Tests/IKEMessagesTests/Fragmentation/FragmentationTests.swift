import IKEMessages
import IPsecPrimitives
import Testing

/// Cutting and putting together, with a cipher that changes nothing.
@Suite struct FragmentationTests {
    private struct Refusal: Error {}

    static let header = MessageHeader(
        initiatorSPI: IKESPI(rawValue: 1),
        responderSPI: IKESPI(rawValue: 2),
        exchangeType: .ikeIntermediate,
        isFromOriginalInitiator: true,
        isResponse: false,
        messageID: 1
    )
    private static let lengths = [
        SealingLengths(initialisationVector: 8, block: 1, integrityCheckValue: 16),
        SealingLengths(initialisationVector: 16, block: 16, integrityCheckValue: 16),
        SealingLengths(initialisationVector: 16, block: 16, integrityCheckValue: 32),
    ]

    private func content(_ octets: Int) -> ProtectedContent {
        ProtectedContent([
            .vendorID(.init(identifier: (0..<octets).map { UInt8(truncatingIfNeeded: $0 &* 7) }))
        ])
    }

    private func seal(
        _ plaintext: [UInt8],
        _ lengths: SealingLengths
    ) -> [UInt8] {
        Array(repeating: 1, count: lengths.initialisationVector) + plaintext
            + Array(repeating: 2, count: lengths.integrityCheckValue)
    }

    private func cut(
        _ content: ProtectedContent,
        to messageOctets: Int,
        _ lengths: SealingLengths
    ) -> [[UInt8]] {
        let plan = FragmentPlan(
            contentOctets: content.octets.count,
            messageOctets: messageOctets,
            lengths: lengths
        )
        return (1...plan.total).map { number in
            IKEMessage.serialiseFragment(
                Self.header,
                chunk: content.octets[plan.range(of: number, in: content.octets.count)],
                of: content,
                number: UInt16(number),
                total: UInt16(plan.total),
                lengths: lengths
            ) { plaintext, _ in seal(plaintext, lengths) }
        }
    }

    private func fragment(_ bytes: [UInt8]) throws -> EncryptedFragmentPayload {
        guard case .fragment(let fragment) = try IKEMessage(reading: bytes).protection else {
            throw Refusal()
        }
        return fragment
    }

    private func add(
        _ bytes: [UInt8],
        to reassembly: inout FragmentReassembly,
        _ lengths: SealingLengths
    ) throws -> OpenedMessage? {
        let fragment = try fragment(bytes)
        let chunk = try fragment.openChunk { _, content in
            content.dropFirst(lengths.initialisationVector)
                .dropLast(lengths.integrityCheckValue)
        }
        return try reassembly.add(fragment, holding: chunk)
    }

    @Test("no fragment is larger than the threshold, and together they are the message")
    func roundTrip() throws {
        for lengths in Self.lengths {
            for octets in [1, 300, 900, 1200, 1568, 4000, 20_000] {
                for size in [576 - 28, 1280 - 52, 1280 - 32] {
                    let whole = content(octets)
                    let pieces = cut(whole, to: size, lengths)
                    #expect(pieces.allSatisfy { $0.count <= size })
                    var reassembly = FragmentReassembly()
                    for piece in pieces.dropLast().reversed() {
                        #expect(try add(piece, to: &reassembly, lengths) == nil)
                    }
                    let message = try add(pieces.last!, to: &reassembly, lengths)
                    #expect(message?.content == whole)
                }
            }
        }
    }

    @Test("what fits is not cut, to the octet")
    func theEdge() {
        let lengths = Self.lengths[0]
        func total(_ contentOctets: Int) -> Int {
            FragmentPlan(contentOctets: contentOctets, messageOctets: 1000, lengths: lengths).total
        }
        // 28 of header, 4 of the payload's, 8, 1 of padding, 16.
        #expect(total(1000 - 57) == 1)
        #expect(total(1000 - 56) == 2)
        #expect(total(2 * (1000 - 61)) == 2)
        #expect(total(2 * (1000 - 61) + 1) == 3)
    }

    @Test("RFC 7383 §2.5: the first fragment names the first payload, the others none")
    func firstPayload() throws {
        let pieces = try cut(content(3000), to: 1000, Self.lengths[0]).map(fragment)
        #expect(pieces.map(\.number) == [1, 2, 3, 4])
        #expect(pieces.allSatisfy { $0.total == 4 })
        #expect(pieces.map(\.firstPayload) == [.vendorID, .none, .none, .none])
    }

    @Test("RFC 7383 §2.6: a repetition, an older set and too many are not opened")
    func verdicts() throws {
        let lengths = Self.lengths[0]
        let coarse = cut(content(3000), to: 1200, lengths)
        let fine = cut(content(3000), to: 548, lengths)
        var reassembly = FragmentReassembly()
        #expect(try add(coarse[0], to: &reassembly, lengths) == nil)
        #expect(reassembly.judge(try fragment(coarse[0])) == .repeated)
        #expect(reassembly.judge(try fragment(coarse[1])) == .wanted)
        #expect(reassembly.judge(try fragment(fine[0])) == .wanted)
        #expect(try add(fine[1], to: &reassembly, lengths) == nil)
        // Begun anew with the finer set.
        #expect(reassembly.total == fine.count)
        #expect(reassembly.judge(try fragment(coarse[1])) == .repeated)
        for piece in fine[2...] { #expect(try add(piece, to: &reassembly, lengths) == nil) }
        #expect(try add(fine[0], to: &reassembly, lengths)?.content == content(3000))

        var limits = MessageLimits()
        limits.fragments = 2
        let strict = FragmentReassembly(limits: limits)
        #expect(strict.judge(try fragment(fine[0])) == .excessive)
    }

    @Test("a message that grows beyond the limit is given up")
    func tooLarge() throws {
        var limits = MessageLimits()
        limits.messageOctets = 2000
        var reassembly = FragmentReassembly(limits: limits)
        let pieces = cut(content(3000), to: 1200, Self.lengths[0])
        #expect(try add(pieces[0], to: &reassembly, Self.lengths[0]) == nil)
        #expect(throws: MalformedMessage.self) {
            try add(pieces[1], to: &reassembly, Self.lengths[0])
        }
        #expect(reassembly.octets == 0)
    }

    @Test("RFC 9242 §3.3.2: the authenticated octets do not depend on the form of the message")
    func authenticatedOctets() throws {
        let lengths = Self.lengths[1]
        let whole = content(3000)
        let ours = OpenedMessage(Self.header, content: whole)
        var reassembly = FragmentReassembly()
        var cutAndJoined: OpenedMessage?
        for piece in cut(whole, to: 576, lengths) {
            cutAndJoined = try add(piece, to: &reassembly, lengths)
        }
        let bytes = IKEMessage.serialise(Self.header, content: whole, lengths: lengths) {
            plaintext,
            _ in seal(plaintext, lengths)
        }
        let payload = try #require(try IKEMessage(reading: bytes).encrypted)
        let opened = try payload.openContent { _, content in Array(content[16...].dropLast(16)) }
        let expected = ours.authenticatedOctets
        #expect(cutAndJoined?.authenticatedOctets == expected)
        #expect(payload.message(holding: opened).authenticatedOctets == expected)
        #expect(expected.count == 28 + 4 + whole.octets.count)
        #expect(expected[16] == PayloadType.encrypted.rawValue)
        #expect(expected[24..<28].elementsEqual([0, 0, 0x0b, 0xdc]))
    }
}
