package import IPsecPrimitives

/// One EAP packet (RFC 7296 §3.16, RFC 3748 §4).
package struct ExtensibleAuthenticationPayload: PayloadBody {
    package var code: EAPCode
    package var identifier: UInt8
    /// The method's type and data; empty for Success and Failure.
    package var data: [UInt8]

    package init(code: EAPCode, identifier: UInt8, data: [UInt8]) {
        self.code = code
        self.identifier = identifier
        self.data = data
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        let octets = reader.remaining
        code = EAPCode(rawValue: try reader.readUInt8())
        identifier = try reader.readUInt8()
        let stated = Int(try reader.readUInt16())
        guard stated == octets else {
            throw reader.failure(.invalidLength(stated: stated, expected: octets))
        }
        data = reader.readRest()
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(code.rawValue)
        writer.write(identifier)
        writer.writeWithLength16(addingToLength: 2) { $0.write(data) }
    }
}
