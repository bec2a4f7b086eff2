internal import IPsecPrimitives

/// The end of what an Encrypted payload protects: padding and its length (RFC 7296 §3.14).
package enum EncryptedPadding {
    /// Octets before the padding.
    package static func contentOctets(of plaintext: [UInt8]) throws(MalformedMessage) -> Int {
        guard let padLength = plaintext.last else {
            throw MalformedMessage(.truncated(needed: 1, available: 0), in: .encrypted, at: 0)
        }
        // RFC 7296 §3.14: any padding is to be accepted that ends the payload at the block size.
        let content = plaintext.count - 1 - Int(padLength)
        guard content >= 0 else {
            throw MalformedMessage(
                .invalidField("Pad Length", value: UInt64(padLength)),
                in: .encrypted,
                at: plaintext.count - 1
            )
        }
        return content
    }

    /// Opens what a payload holds and takes the padding off.
    static func openAndStrip<CipherFailure: Error>(
        _ associatedData: [UInt8],
        _ content: [UInt8],
        with opener: ([UInt8], [UInt8]) throws(CipherFailure) -> [UInt8]
    ) throws(OpeningFailure<CipherFailure>) -> [UInt8] {
        var plaintext: [UInt8]
        do {
            plaintext = try opener(associatedData, content)
        } catch {
            throw .cipher(error)
        }
        do {
            plaintext.removeLast(plaintext.count - (try contentOctets(of: plaintext)))
        } catch {
            throw .message(.malformed(error))
        }
        return plaintext
    }

    /// Appends the least padding that fills a block. The octets are zero: nothing is to be told by
    /// them, and what is not written cannot leak.
    static func append(to writer: inout ByteWriter, blockOctets: Int) {
        let over = (writer.count + 1) % blockOctets
        let padding = over == 0 ? 0 : blockOctets - over
        writer.write(zeros: padding)
        writer.write(UInt8(padding))
    }
}
