package import IPsecPrimitives

/// An error or a status (RFC 7296 §3.10).
package struct NotifyPayload: PayloadBody {
    package var type: NotifyType
    /// RFC 7296 §3.10: none, and to be ignored, when there is no SPI.
    package var securityProtocol: SecurityProtocol
    package var spi: [UInt8]
    package var data: [UInt8]

    /// A notification about no SA, or about the one that carries it.
    package init(_ type: NotifyType, data: [UInt8] = []) {
        self.type = type
        securityProtocol = .none
        spi = []
        self.data = data
    }

    /// A notification about a Child SA, named by an SPI.
    package init(
        _ type: NotifyType,
        securityProtocol: SecurityProtocol,
        spi: SPI,
        data: [UInt8] = []
    ) {
        self.type = type
        self.securityProtocol = securityProtocol
        var writer = ByteWriter(reserving: 4)
        writer.write(spi.rawValue)
        self.spi = writer.bytes
        self.data = data
    }

    /// The SPI of the Child SA it is about, if it is about one.
    package var childSPI: SPI? {
        guard spi.count == 4, securityProtocol == .esp || securityProtocol == .ah else {
            return nil
        }
        return SPI(rawValue: spi.reduce(0) { $0 << 8 | UInt32($1) })
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        securityProtocol = SecurityProtocol(rawValue: try reader.readUInt8())
        let spiOctets = Int(try reader.readUInt8())
        type = NotifyType(rawValue: try reader.readUInt16())
        spi = spiOctets == 0 ? [] : Array(try reader.read(spiOctets))
        data = reader.readRest()
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(securityProtocol.rawValue)
        writer.write(UInt8(spi.count))
        writer.write(type.rawValue)
        writer.write(spi)
        writer.write(data)
    }
}
