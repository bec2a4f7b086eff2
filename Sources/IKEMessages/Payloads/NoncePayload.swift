package import IPsecPrimitives

/// Fresh randomness of one end (RFC 7296 §3.9).
package struct NoncePayload: PayloadBody {
    /// RFC 7296 §3.9: "MUST be between 16 and 256 octets, inclusive."
    package static let allowedOctets = 16...256

    package let nonce: [UInt8]

    /// Precondition: the length is one of `allowedOctets`.
    package init(nonce: [UInt8]) {
        precondition(NoncePayload.allowedOctets.contains(nonce.count))
        self.nonce = nonce
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        guard NoncePayload.allowedOctets.contains(reader.remaining) else {
            throw reader.failure(.invalidField("nonce length", value: UInt64(reader.remaining)))
        }
        nonce = reader.readRest()
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(nonce)
    }
}
