internal import IPsecPrimitives

/// What a cipher needs to know before it seals (RFC 7296 §3.14), in octets.
package struct SealingLengths: Hashable, Sendable {
    package var initialisationVector: Int
    /// What the plaintext is padded to: the cipher's block size, one where it has none.
    package var block: Int
    package var integrityCheckValue: Int

    package init(initialisationVector: Int, block: Int, integrityCheckValue: Int) {
        self.initialisationVector = initialisationVector
        self.block = block
        self.integrityCheckValue = integrityCheckValue
    }
}

extension IKEMessage {
    /// The datagram, without non-ESP marker, of a message in clear.
    ///
    /// Precondition: each payload fits in 65,535 octets.
    package static func serialise(_ header: MessageHeader, payloads: [Payload]) -> [UInt8] {
        var writer = ByteWriter(reserving: 512)
        WireHeader.write(
            header,
            firstPayload: payloads.first?.type ?? .none,
            into: &writer
        )
        PayloadChain.write(payloads, into: &writer)
        writer.patchUInt32(writer.count, at: WireHeader.lengthOffset)
        return writer.bytes
    }

    /// The datagram of a message whose payloads are in the Encrypted payload.
    ///
    /// - Parameters:
    ///   - protected: what the Encrypted payload holds; may be nothing.
    ///   - clear: payloads before it.
    ///   - lengths: of the cipher, because the header with its length is sealed along.
    ///   - seal: takes plaintext (padded) and associated data; gives initialisation vector,
    ///     ciphertext and integrity check value. Precondition: of the lengths promised.
    package static func serialise<CipherFailure: Error>(
        _ header: MessageHeader,
        protected: [Payload],
        clear: [Payload] = [],
        lengths: SealingLengths,
        seal: (_ plaintext: [UInt8], _ associatedData: [UInt8]) throws(CipherFailure) -> [UInt8]
    ) throws(CipherFailure) -> [UInt8] {
        var inner = ByteWriter(reserving: 512)
        PayloadChain.write(protected, into: &inner)
        EncryptedPadding.append(to: &inner, blockOctets: lengths.block)
        let contentOctets =
            lengths.initialisationVector + inner.count + lengths.integrityCheckValue

        var writer = ByteWriter(reserving: MessageHeader.octets + 64 + contentOctets)
        WireHeader.write(
            header,
            firstPayload: clear.first?.type ?? .encrypted,
            into: &writer
        )
        PayloadChain.write(clear, followedBy: .encrypted, into: &writer)
        writer.write((protected.first?.type ?? .none).rawValue)
        writer.write(UInt8(0))
        writer.write(UInt16(PayloadLink.headerOctets + contentOctets))
        writer.patchUInt32(writer.count + contentOctets, at: WireHeader.lengthOffset)
        let content = try seal(inner.bytes, writer.bytes)
        precondition(content.count == contentOctets, "the cipher broke its promise of length")
        writer.write(content)
        return writer.bytes
    }
}
