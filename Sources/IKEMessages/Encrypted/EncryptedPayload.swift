/// The Encrypted payload, SK, as it came: not yet authentic (RFC 7296 §3.14).
package struct EncryptedPayload: Hashable, Sendable {
    /// The type of the first payload within.
    package let firstPayload: PayloadType
    /// From the IKE header to the generic header of this payload: what integrity covers besides
    /// (RFC 7296 §3.14, RFC 5282 §5.1).
    package let associatedData: [UInt8]
    /// Initialisation vector, ciphertext and integrity check value.
    package let content: [UInt8]

    package init(firstPayload: PayloadType, associatedData: [UInt8], content: [UInt8]) {
        self.firstPayload = firstPayload
        self.associatedData = associatedData
        self.content = content
    }

    /// The payloads in `plaintext`, which is what came of decrypting `content`: payloads, padding
    /// and the length of the padding.
    ///
    /// To be called with what proved authentic only.
    package func payloads(
        in plaintext: [UInt8],
        limits: MessageLimits = .standard
    ) throws(MessageError) -> [Payload] {
        let end: Int
        do {
            end = try EncryptedPadding.contentOctets(of: plaintext)
        } catch {
            throw .malformed(error)
        }
        return try PayloadChain.payloads(
            startingWith: firstPayload,
            in: plaintext[..<end],
            limits: limits
        )
    }

    /// Opens the payload with a cipher and reads what is in it.
    ///
    /// - Parameter opener: takes associated data and content, gives the plaintext with its padding
    ///   or throws when the content is not authentic.
    package func open<CipherFailure: Error>(
        limits: MessageLimits = .standard,
        with opener: ([UInt8], [UInt8]) throws(CipherFailure) -> [UInt8]
    ) throws(OpeningFailure<CipherFailure>) -> [Payload] {
        let content = try openContent(with: opener)
        do {
            return try content.payloads(limits: limits)
        } catch {
            throw .message(error)
        }
    }

    /// As `open`, without reading the payloads.
    package func openContent<CipherFailure: Error>(
        with opener: ([UInt8], [UInt8]) throws(CipherFailure) -> [UInt8]
    ) throws(OpeningFailure<CipherFailure>) -> ProtectedContent {
        ProtectedContent(
            firstPayload: firstPayload,
            octets: try EncryptedPadding.openAndStrip(associatedData, content, with: opener)
        )
    }
}
