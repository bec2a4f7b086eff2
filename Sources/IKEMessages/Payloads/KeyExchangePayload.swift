package import IPsecPrimitives

/// A public value of a key exchange (RFC 7296 §3.4).
package struct KeyExchangePayload: PayloadBody {
    package var method: KeyExchangeMethod
    package var data: [UInt8]

    package init(method: KeyExchangeMethod, data: [UInt8]) {
        self.method = method
        self.data = data
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        method = KeyExchangeMethod(rawValue: try reader.readUInt16())
        _ = try reader.readUInt16()  // RESERVED: ignored.
        data = reader.readRest()
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(method.rawValue)
        writer.write(UInt16(0))
        writer.write(data)
    }
}
