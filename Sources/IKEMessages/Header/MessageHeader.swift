package import IPsecPrimitives

/// The header of every IKE message (RFC 7296 §3.1).
package struct MessageHeader: Hashable, Sendable {
    /// Octets of a header.
    package static let octets = 28
    package static let majorVersion: UInt8 = 2

    package var initiatorSPI: IKESPI
    package var responderSPI: IKESPI
    package var exchangeType: ExchangeType
    /// The I flag: the sender is the original initiator of the IKE SA.
    package var isFromOriginalInitiator: Bool
    /// The R flag.
    package var isResponse: Bool
    package var messageID: UInt32
    /// RFC 7296 §2.5: sent as zero and ignored.
    package var minorVersion: UInt8
    /// The V flag: the sender could speak a higher major version. Sent as zero and ignored.
    package var supportsHigherVersion: Bool

    package init(
        initiatorSPI: IKESPI,
        responderSPI: IKESPI,
        exchangeType: ExchangeType,
        isFromOriginalInitiator: Bool,
        isResponse: Bool,
        messageID: UInt32
    ) {
        self.initiatorSPI = initiatorSPI
        self.responderSPI = responderSPI
        self.exchangeType = exchangeType
        self.isFromOriginalInitiator = isFromOriginalInitiator
        self.isResponse = isResponse
        self.messageID = messageID
        minorVersion = 0
        supportsHigherVersion = false
    }
}

// MARK: - Wire

/// A header as it stands before the payloads: with the type of the first and the length of all.
package struct WireHeader: Hashable, Sendable {
    package let header: MessageHeader
    package let majorVersion: UInt8
    package let firstPayload: PayloadType
    /// Octets of the message, the header included.
    package let messageOctets: UInt32

    private static let initiatorFlag: UInt8 = 0x08
    private static let higherVersionFlag: UInt8 = 0x10
    private static let responseFlag: UInt8 = 0x20

    /// The header at the beginning of `bytes`, of whatever major version: the version and the
    /// length are judged by `IKEMessage`, so that a message of version 3 can still be answered.
    package init(reading bytes: [UInt8]) throws(MalformedMessage) {
        var reader = PayloadReader(bytes[...], limits: .standard)
        let initiatorSPI = IKESPI(rawValue: try reader.readUInt64())
        let responderSPI = IKESPI(rawValue: try reader.readUInt64())
        firstPayload = PayloadType(rawValue: try reader.readUInt8())
        let version = try reader.readUInt8()
        let exchangeType = ExchangeType(rawValue: try reader.readUInt8())
        let flags = try reader.readUInt8()
        let messageID = try reader.readUInt32()
        messageOctets = try reader.readUInt32()
        majorVersion = version >> 4
        var header = MessageHeader(
            initiatorSPI: initiatorSPI,
            responderSPI: responderSPI,
            exchangeType: exchangeType,
            isFromOriginalInitiator: flags & WireHeader.initiatorFlag != 0,
            isResponse: flags & WireHeader.responseFlag != 0,
            messageID: messageID
        )
        header.minorVersion = version & 15
        header.supportsHigherVersion = flags & WireHeader.higherVersionFlag != 0
        self.header = header
    }

    /// Writes the header; the length is patched by who knows it.
    static func write(
        _ header: MessageHeader,
        firstPayload: PayloadType,
        into writer: inout ByteWriter
    ) {
        writer.write(header.initiatorSPI.rawValue)
        writer.write(header.responderSPI.rawValue)
        writer.write(firstPayload.rawValue)
        // RFC 7296 §3.1: "Implementations based on this version of IKE MUST set the minor version
        // to 0" and MUST clear the V flag.
        writer.write(MessageHeader.majorVersion << 4)
        writer.write(header.exchangeType.rawValue)
        writer.write(
            (header.isFromOriginalInitiator ? initiatorFlag : 0)
                | (header.isResponse ? responseFlag : 0)
        )
        writer.write(header.messageID)
        writer.write(UInt32(0))
    }

    static let firstPayloadOffset = 16
    static let lengthOffset = 24
}
