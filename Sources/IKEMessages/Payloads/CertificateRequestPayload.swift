package import IPsecPrimitives

/// The authorities whose certificates the sender accepts (RFC 7296 §3.7).
package struct CertificateRequestPayload: PayloadBody {
    package var encoding: CertificateEncoding
    /// For X.509: SHA-1 hashes of public keys, 20 octets each.
    package var authorities: [UInt8]

    package init(encoding: CertificateEncoding, authorities: [UInt8]) {
        self.encoding = encoding
        self.authorities = authorities
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        encoding = CertificateEncoding(rawValue: try reader.readUInt8())
        authorities = reader.readRest()
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(encoding.rawValue)
        writer.write(authorities)
    }
}
