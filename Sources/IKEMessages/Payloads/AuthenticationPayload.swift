package import IPsecPrimitives

/// The proof of an identity (RFC 7296 §3.8).
package struct AuthenticationPayload: PayloadBody {
    package var method: AuthenticationMethod
    package var data: [UInt8]

    package init(method: AuthenticationMethod, data: [UInt8]) {
        self.method = method
        self.data = data
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        method = AuthenticationMethod(rawValue: try reader.readUInt8())
        _ = try reader.read(3)  // RESERVED: ignored.
        data = reader.readRest()
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(method.rawValue)
        writer.write(zeros: 3)
        writer.write(data)
    }
}
