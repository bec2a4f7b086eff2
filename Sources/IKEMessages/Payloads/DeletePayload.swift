package import IPsecPrimitives

/// SAs that the sender has removed (RFC 7296 §3.11).
package struct DeletePayload: PayloadBody {
    package let securityProtocol: SecurityProtocol
    /// Octets of each SPI: none for IKE, four for ESP and AH.
    package let spiOctets: UInt8
    package let spis: [[UInt8]]

    /// The IKE SA that carries the message.
    package static let ikeSA = DeletePayload(securityProtocol: .ike, spiOctets: 0, spis: [])

    private init(securityProtocol: SecurityProtocol, spiOctets: UInt8, spis: [[UInt8]]) {
        self.securityProtocol = securityProtocol
        self.spiOctets = spiOctets
        self.spis = spis
    }

    /// Child SAs, each by the SPI that the sender expects in inbound packets.
    package init(securityProtocol: SecurityProtocol = .esp, childSPIs: [SPI]) {
        self.init(
            securityProtocol: securityProtocol,
            spiOctets: 4,
            spis: childSPIs.map { spi in
                var writer = ByteWriter(reserving: 4)
                writer.write(spi.rawValue)
                return writer.bytes
            }
        )
    }

    package var isIKESA: Bool { securityProtocol == .ike }

    /// The SPIs of ESP or AH SAs; empty for other protocols.
    package var childSPIs: [SPI] {
        guard securityProtocol == .esp || securityProtocol == .ah else { return [] }
        return spis.map { SPI(rawValue: $0.reduce(0) { $0 << 8 | UInt32($1) }) }
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        securityProtocol = SecurityProtocol(rawValue: try reader.readUInt8())
        spiOctets = try reader.readUInt8()
        let count = Int(try reader.readUInt16())
        guard DeletePayload.allows(spiOctets: spiOctets, count: count, of: securityProtocol) else {
            throw reader.failure(.invalidField("SPI Size", value: UInt64(spiOctets)))
        }
        try reader.expect(count, within: reader.limits.deletedSPIs, of: "SPIs")
        var spis: [[UInt8]] = []
        for _ in 0..<count {
            spis.append(Array(try reader.read(Int(spiOctets))))
        }
        self.spis = spis
        try reader.expectEnd()
    }

    /// RFC 7296 §3.11: "It MUST be zero for IKE (SPI is in message header) or four for AH and ESP."
    private static func allows(
        spiOctets: UInt8,
        count: Int,
        of securityProtocol: SecurityProtocol
    ) -> Bool {
        switch securityProtocol {
        case .ike: spiOctets == 0 && count == 0
        case .esp, .ah: spiOctets == 4
        default: spiOctets > 0 || count == 0
        }
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(securityProtocol.rawValue)
        writer.write(spiOctets)
        writer.write(UInt16(spis.count))
        for spi in spis { writer.write(spi) }
    }
}
