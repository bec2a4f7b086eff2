package import IPsecPrimitives

/// One numbered proposal with the SPI of its sender (RFC 7296 §3.3.1).
package struct ProposalSubstructure: Hashable, Sendable {
    /// In an offer counted from one; in an answer that of the proposal chosen.
    package var number: UInt8
    package var securityProtocol: SecurityProtocol
    /// Nothing for a first IKE SA, eight octets for its rekeying, four for ESP and AH.
    package var spi: [UInt8]
    package var transforms: [TransformSubstructure]

    package init(
        number: UInt8,
        securityProtocol: SecurityProtocol,
        spi: [UInt8],
        transforms: [TransformSubstructure]
    ) {
        self.number = number
        self.securityProtocol = securityProtocol
        self.spi = spi
        self.transforms = transforms
    }

    package init(number: UInt8, spi: [UInt8], proposal: Proposal) {
        self.init(
            number: number,
            securityProtocol: proposal.securityProtocol,
            spi: spi,
            transforms: proposal.transforms.map(TransformSubstructure.init)
        )
    }

    /// What is offered, without the transforms whose attributes we do not understand.
    ///
    /// RFC 7296 §3.3.6: such a transform is to be refused, the others of its type stand.
    package var proposal: Proposal {
        var understood: [Transform] = []
        understood.reserveCapacity(transforms.count)
        for case let transform? in transforms.lazy.map(\.transform) { understood.append(transform) }
        return Proposal(securityProtocol: securityProtocol, transforms: understood)
    }

    /// The types that occur, also those of which no transform is understood.
    package var transformTypes: Set<TransformType> { Set(transforms.map(\.type)) }

    /// The SPI of an ESP or AH proposal.
    package var childSPI: SPI? {
        guard spi.count == 4 else { return nil }
        return SPI(rawValue: spi.reduce(0) { $0 << 8 | UInt32($1) })
    }

    /// The SPI of a proposal that rekeys an IKE SA.
    package var ikeSPI: IKESPI? {
        guard spi.count == 8 else { return nil }
        return IKESPI(rawValue: spi.reduce(0) { $0 << 8 | UInt64($1) })
    }
}

// MARK: - Wire

extension ProposalSubstructure {
    private static let more: UInt8 = 2
    private static let headerOctets = 8

    init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        let start = reader.offset
        let marker = try reader.readUInt8()
        _ = try reader.readUInt8()  // RESERVED: ignored.
        let length = Int(try reader.readUInt16())
        guard length >= ProposalSubstructure.headerOctets else {
            throw reader.failure(
                .invalidLength(stated: length, expected: ProposalSubstructure.headerOctets)
            )
        }
        var body = try reader.sub(length - 4)
        guard marker == (reader.isAtEnd ? 0 : ProposalSubstructure.more) else {
            throw reader.failure(.invalidField("Last Substruc", value: UInt64(marker)), at: start)
        }
        number = try body.readUInt8()
        securityProtocol = SecurityProtocol(rawValue: try body.readUInt8())
        let spiOctets = Int(try body.readUInt8())
        let stated = Int(try body.readUInt8())
        guard ProposalSubstructure.allows(spiOctets: spiOctets, of: securityProtocol) else {
            throw body.failure(.invalidField("SPI Size", value: UInt64(spiOctets)))
        }
        spi = Array(try body.read(spiOctets))
        try body.expect(stated, within: body.limits.transforms, of: "transforms")
        transforms = []
        transforms.reserveCapacity(
            min(stated, body.remaining / TransformSubstructure.headerOctets)
        )
        while !body.isAtEnd {
            guard transforms.count < stated else {
                throw body.failure(.invalidCount(stated: stated, actual: stated + 1))
            }
            transforms.append(try TransformSubstructure(reading: &body))
        }
        guard transforms.count == stated else {
            throw body.failure(.invalidCount(stated: stated, actual: transforms.count))
        }
    }

    /// RFC 7296 §3.3.1, "SPI Size". A protocol we do not know may have any.
    private static func allows(spiOctets: Int, of securityProtocol: SecurityProtocol) -> Bool {
        switch securityProtocol {
        case .ike: spiOctets == 0 || spiOctets == 8
        case .esp, .ah: spiOctets == 4
        default: true
        }
    }

    func write(into writer: inout ByteWriter, isLast: Bool) {
        writer.write(isLast ? 0 : ProposalSubstructure.more)
        writer.write(UInt8(0))
        writer.writeWithLength16(addingToLength: 2) { writer in
            writer.write(number)
            writer.write(securityProtocol.rawValue)
            writer.write(UInt8(spi.count))
            writer.write(UInt8(transforms.count))
            writer.write(spi)
            for (index, transform) in transforms.enumerated() {
                transform.write(into: &writer, isLast: index == transforms.count - 1)
            }
        }
    }
}
