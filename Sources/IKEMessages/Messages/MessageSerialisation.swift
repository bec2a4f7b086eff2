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
        try serialise(
            header,
            content: ProtectedContent(protected),
            clear: clear,
            lengths: lengths,
            seal: seal
        )
    }

    /// The same for content that is written already.
    package static func serialise<CipherFailure: Error>(
        _ header: MessageHeader,
        content: ProtectedContent,
        clear: [Payload] = [],
        lengths: SealingLengths,
        seal: (_ plaintext: [UInt8], _ associatedData: [UInt8]) throws(CipherFailure) -> [UInt8]
    ) throws(CipherFailure) -> [UInt8] {
        try serialise(
            header,
            clear: clear,
            .encrypted,
            firstPayload: content.firstPayload,
            fields: [],
            content.octets[...],
            lengths,
            seal
        )
    }

    /// One fragment of a message (RFC 7383 §2.5).
    ///
    /// - Parameter clear: payloads before it, which stand in the first fragment alone
    ///   (RFC 7383 §2.5.3).
    package static func serialiseFragment<CipherFailure: Error>(
        _ header: MessageHeader,
        chunk: ArraySlice<UInt8>,
        of content: ProtectedContent,
        number: UInt16,
        total: UInt16,
        clear: [Payload] = [],
        lengths: SealingLengths,
        seal: (_ plaintext: [UInt8], _ associatedData: [UInt8]) throws(CipherFailure) -> [UInt8]
    ) throws(CipherFailure) -> [UInt8] {
        try serialise(
            header,
            clear: number == 1 ? clear : [],
            .encryptedFragment,
            firstPayload: number == 1 ? content.firstPayload : .none,
            fields: [number, total],
            chunk,
            lengths,
            seal
        )
    }

    private static func serialise<CipherFailure: Error>(
        _ header: MessageHeader,
        clear: [Payload],
        _ type: PayloadType,
        firstPayload: PayloadType,
        fields: [UInt16],
        _ content: ArraySlice<UInt8>,
        _ lengths: SealingLengths,
        _ seal: (_ plaintext: [UInt8], _ associatedData: [UInt8]) throws(CipherFailure) -> [UInt8]
    ) throws(CipherFailure) -> [UInt8] {
        var inner = ByteWriter(reserving: content.count + lengths.block + 1)
        inner.write(content)
        EncryptedPadding.append(to: &inner, blockOctets: lengths.block)
        let sealedOctets = lengths.initialisationVector + inner.count + lengths.integrityCheckValue
        let bodyOctets = 2 * fields.count + sealedOctets

        var writer = ByteWriter(reserving: MessageHeader.octets + 64 + bodyOctets)
        WireHeader.write(header, firstPayload: clear.first?.type ?? type, into: &writer)
        PayloadChain.write(clear, followedBy: type, into: &writer)
        writer.write(firstPayload.rawValue)
        writer.write(UInt8(0))
        writer.write(UInt16(PayloadLink.headerOctets + bodyOctets))
        for field in fields { writer.write(field) }
        writer.patchUInt32(writer.count + sealedOctets, at: WireHeader.lengthOffset)
        let sealed = try seal(inner.bytes, writer.bytes)
        precondition(sealed.count == sealedOctets, "the cipher broke its promise of length")
        writer.write(sealed)
        return writer.bytes
    }
}
