internal import CPacketCipher
package import IPsecPrimitives

/// Protects the Encrypted payloads that one end sends (RFC 7296 §3.14, RFC 5282).
///
/// A value without state: one serves all messages of its direction, sealing and opening alike.
package struct IKECipher: Sendable {
    package let suite: CipherSuite
    private let encryptionKey: SecretBytes
    private let integrityKey: SecretBytes

    package var ivLength: Int { suite.ivLength }
    package var icvLength: Int { suite.icvLength }
    /// The plaintext, padding and pad length included, must be a multiple of it.
    package var blockLength: Int { suite.messageBlockLength }

    /// Throws `invalidKeyLength` unless the keys fit the suite, `unsupportedAlgorithm` if its IV is
    /// made of what only ESP has.
    package init(
        suite: CipherSuite,
        encryptionKey: SecretBytes,
        integrityKey: SecretBytes
    ) throws(CryptoError) {
        guard !suite.hasImplicitIV else { throw .unsupportedAlgorithm }
        try suite.check(encryptionKey: encryptionKey, integrityKey: integrityKey)
        self.suite = suite
        self.encryptionKey = encryptionKey
        self.integrityKey = integrityKey
    }

    /// Whole payload content for `plaintext`, which must be padded already: iv | ciphertext | icv.
    ///
    /// `associatedData` is the message from the IKE header to the Encrypted payload's generic
    /// header, with all lengths filled in. `iv` must never come twice under one key; for CBC it
    /// must be unpredictable as well.
    package func seal(
        _ plaintext: [UInt8],
        associatedData: [UInt8],
        iv: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        guard iv.count == ivLength else { throw .invalidLength }
        var content: [UInt8] = []
        content.reserveCapacity(ivLength + plaintext.count + icvLength)
        content += iv
        content += plaintext
        content.append(contentsOf: repeatElement(0, count: icvLength))
        let status = unsafe run(
            &content,
            associatedData: associatedData[...],
            seals: true,
            cygnet_message_seal
        )
        if let error = CryptoError(status: status) { throw error }
        return content
    }

    /// The plaintext, padding and pad length included, of a payload's content.
    package func open(
        _ content: ArraySlice<UInt8>,
        associatedData: ArraySlice<UInt8>
    ) throws(CryptoError) -> [UInt8] {
        guard content.count >= ivLength + icvLength else { throw .invalidLength }
        var content = Array(content)
        let status = unsafe run(
            &content,
            associatedData: associatedData,
            seals: false,
            cygnet_message_open
        )
        if let error = CryptoError(status: status) { throw error }
        content.removeLast(icvLength)
        content.removeFirst(ivLength)
        return content
    }

    private typealias Operation = (
        UnsafePointer<cygnet_cipher_parameters>?, UnsafePointer<UInt8>?, Int,
        UnsafeMutablePointer<UInt8>?, Int
    ) -> UInt32

    private func run(
        _ content: inout [UInt8],
        associatedData: ArraySlice<UInt8>,
        seals: Bool,
        _ operation: Operation
    ) -> UInt32 {
        let bodyLength = content.count - ivLength - icvLength
        return unsafe suite.withParameters(
            encryptionKey: encryptionKey,
            integrityKey: integrityKey,
            seals: seals
        ) { parameters in
            unsafe content.withUnsafeMutableBufferPointer { content in
                unsafe associatedData.withUnsafeBufferPointer { associated in
                    unsafe operation(
                        &parameters,
                        associated.baseAddress,
                        associated.count,
                        content.baseAddress,
                        bodyLength
                    )
                }
            }
        }
    }
}
