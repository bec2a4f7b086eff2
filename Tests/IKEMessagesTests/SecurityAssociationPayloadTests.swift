import IKEMessages
import IPsecPrimitives
import Testing

@Suite struct SecurityAssociationPayloadTests {
    private func read(_ body: [UInt8]) throws(MalformedMessage) -> SecurityAssociationPayload {
        var reader = PayloadReader(body[...], payload: .securityAssociation)
        return try SecurityAssociationPayload(reading: &reader)
    }

    private static let transform: [UInt8] = [0, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 1, 0]

    private func proposal(
        last: UInt8 = 0,
        securityProtocol: UInt8 = 3,
        spi: [UInt8] = [1, 2, 3, 4],
        count: UInt8 = 1,
        _ transforms: [UInt8] = transform
    ) -> [UInt8] {
        [last, 0, 0, UInt8(8 + spi.count + transforms.count), 1, securityProtocol]
            + [UInt8(spi.count), count] + spi + transforms
    }

    @Test func meaning() throws {
        let payload = try read(proposal())
        let first = try #require(payload.proposals.first)
        #expect(first.childSPI == SPI(rawValue: 0x0102_0304) && first.ikeSPI == nil)
        #expect(
            first.proposal
                == Proposal(
                    securityProtocol: .esp,
                    transforms: [.encryption(.aesGCM16, keyLengthBits: 256)]
                )
        )
        #expect(
            ProposalSubstructure(number: 1, spi: [1, 2, 3, 4], proposal: first.proposal) == first
        )
    }

    /// RFC 7296 §3.3.6: a transform with an attribute that is not understood is not chosen.
    @Test func transformsWithUnknownAttributesAreLeftOut() throws {
        let strange: [UInt8] = [0, 0, 0, 12, 1, 0, 0, 12, 0x80, 15, 1, 0]
        let first = try read(proposal(strange)).proposals[0]
        #expect(first.proposal.transforms.isEmpty)
        #expect(first.transformTypes == [.encryption])
        #expect(first.transforms[0].attributes == [.short(type: 15, value: 256)])
    }

    @Test func keyLengthGivenTwiceIsNotUnderstood() throws {
        let twice: [UInt8] = [0, 0, 0, 16, 1, 0, 0, 12, 0x80, 14, 1, 0, 0x80, 14, 0, 128]
        #expect(try read(proposal(twice)).proposals[0].proposal.transforms.isEmpty)
    }

    @Test func reservedFieldsAreIgnored() throws {
        var bytes = proposal()
        bytes[1] = 0xff
        bytes[13] = 0xff
        bytes[17] = 0xff
        #expect(try read(bytes) == read(proposal()))
    }

    @Test(arguments: [0, 1, 3, 5, 8])
    func spiOfAnotherSize(octets: Int) {
        let spi = [UInt8](repeating: 1, count: octets)
        #expect(throws: MalformedMessage.self) { try read(proposal(spi: spi)) }
    }

    @Test func ikeProposalsHaveNoSPIOrEightOctets() throws {
        #expect(
            try read(proposal(securityProtocol: 1, spi: Array(0..<8))).proposals[0].ikeSPI
                == IKESPI(rawValue: 0x0001_0203_0405_0607)
        )
        #expect(try read(proposal(securityProtocol: 1, spi: [])).proposals[0].ikeSPI == nil)
        #expect(throws: MalformedMessage.self) { try read(proposal(securityProtocol: 1)) }
    }

    @Test func countsAndMarkersThatLie() {
        #expect(throws: MalformedMessage.self) { try read(proposal(count: 2)) }
        #expect(throws: MalformedMessage.self) { try read(proposal(count: 0)) }
        #expect(throws: MalformedMessage.self) { try read(proposal(last: 2)) }
        #expect(throws: MalformedMessage.self) { try read(proposal() + proposal()) }
        #expect(throws: MalformedMessage.self) { try read(proposal(last: 1)) }
    }

    @Test func lengthsThatLoopOrOverlap() {
        for length: UInt8 in [0, 1, 3, 7, 200] {
            var bytes = proposal()
            bytes[3] = length
            #expect(throws: MalformedMessage.self) { try read(bytes) }
            bytes = proposal()
            bytes[15] = length
            #expect(throws: MalformedMessage.self) { try read(bytes) }
        }
    }

    @Test func tooManyProposals() {
        let one = proposal(last: 2)
        let bytes = Array(repeatElement(one, count: 64).joined()) + proposal()
        #expect(throws: MalformedMessage.self) { try read(bytes) }
    }
}
