package import IPsecPrimitives

/// A certificate or what leads to one (RFC 7296 §3.6).
package struct CertificatePayload: PayloadBody {
    package var encoding: CertificateEncoding
    package var data: [UInt8]

    package init(encoding: CertificateEncoding, data: [UInt8]) {
        self.encoding = encoding
        self.data = data
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        encoding = CertificateEncoding(rawValue: try reader.readUInt8())
        data = reader.readRest()
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(encoding.rawValue)
        writer.write(data)
    }
}
