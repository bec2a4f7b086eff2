package import IPsecPrimitives

/// A mark by which implementations know their own (RFC 7296 §3.12).
package struct VendorIDPayload: PayloadBody {
    package var identifier: [UInt8]

    package init(identifier: [UInt8]) {
        self.identifier = identifier
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        identifier = reader.readRest()
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(identifier)
    }
}
