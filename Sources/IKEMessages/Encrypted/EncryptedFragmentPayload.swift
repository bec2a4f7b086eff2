internal import IPsecPrimitives

/// One fragment of an encrypted message, as it came: not yet authentic (RFC 7383 §2.5).
package struct EncryptedFragmentPayload: Hashable, Sendable {
    /// The type of the first payload within; zero in every fragment but the first.
    package let firstPayload: PayloadType
    /// Counted from one.
    package let number: UInt16
    package let total: UInt16
    /// Where the message names this payload's type: in the IKE header, or in the last payload
    /// in clear.
    let typeOffset: Int
    /// From the IKE header to the fragment numbers, which integrity covers too.
    package let associatedData: [UInt8]
    /// Initialisation vector, ciphertext and integrity check value.
    package let content: [UInt8]

    init(
        link: PayloadLink,
        typeOffset: Int,
        message: [UInt8],
        limits: MessageLimits
    ) throws(MalformedMessage) {
        var reader = PayloadReader(message[link.body], payload: .encryptedFragment, limits: limits)
        firstPayload = link.next
        self.typeOffset = typeOffset
        number = try reader.readUInt16()
        total = try reader.readUInt16()
        guard number > 0, number <= total else {
            throw reader.failure(.invalidField("Fragment Number", value: UInt64(number)))
        }
        associatedData = Array(message[..<reader.offset])
        content = reader.readRest()
    }

    /// The piece of the content that this fragment holds.
    ///
    /// - Parameter opener: as that of `EncryptedPayload.open`.
    package func openChunk<CipherFailure: Error>(
        with opener: ([UInt8], [UInt8]) throws(CipherFailure) -> [UInt8]
    ) throws(OpeningFailure<CipherFailure>) -> [UInt8] {
        try EncryptedPadding.openAndStrip(associatedData, content, with: opener)
    }
}
