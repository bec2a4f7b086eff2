internal import IPsecPrimitives

/// One fragment of an encrypted message, as it came: not yet authentic (RFC 7383 §2.5).
package struct EncryptedFragmentPayload: Hashable, Sendable {
    /// The type of the first payload within; zero in every fragment but the first.
    package let firstPayload: PayloadType
    /// Counted from one.
    package let number: UInt16
    package let total: UInt16
    /// From the IKE header to the fragment numbers, which integrity covers too.
    package let associatedData: [UInt8]
    /// Initialisation vector, ciphertext and integrity check value.
    package let content: [UInt8]

    init(link: PayloadLink, message: [UInt8], limits: MessageLimits) throws(MalformedMessage) {
        var reader = PayloadReader(link.body, payload: .encryptedFragment, limits: limits)
        firstPayload = link.next
        number = try reader.readUInt16()
        total = try reader.readUInt16()
        guard number > 0, number <= total else {
            throw reader.failure(.invalidField("Fragment Number", value: UInt64(number)))
        }
        associatedData = Array(message[..<reader.offset])
        content = reader.readRest()
    }
}
