package import IPsecPrimitives

/// Who the sender says it is, or wants to talk to (RFC 7296 §3.5).
package struct IdentificationPayload: PayloadBody {
    package var type: IdentificationType
    package var data: [UInt8]
    /// The RESERVED field, 24 bits: sent as zero and ignored, but AUTH is computed over it as it
    /// came (RFC 7296 §2.15, "RestOfInitIDPayload").
    package var reserved: UInt32

    package init(type: IdentificationType, data: [UInt8]) {
        self.type = type
        self.data = data
        reserved = 0
    }

    /// The body as it stands in the message, which AUTH covers.
    package var body: [UInt8] {
        var writer = ByteWriter(reserving: 4 + data.count)
        write(into: &writer)
        return writer.bytes
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        let head = try reader.readUInt32()
        type = IdentificationType(rawValue: UInt8(head >> 24))
        reserved = head & 0xff_ffff
        data = reader.readRest()
        switch type {
        case .ipv4Address where data.count != 4:
            throw reader.failure(.invalidLength(stated: data.count, expected: 4))
        case .ipv6Address where data.count != 16:
            throw reader.failure(.invalidLength(stated: data.count, expected: 16))
        default: break
        }
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(UInt32(type.rawValue) << 24 | reserved & 0xff_ffff)
        writer.write(data)
    }
}
